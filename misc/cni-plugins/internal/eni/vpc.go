package eni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/link"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/netns"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin"
	types040 "github.com/containernetworking/cni/pkg/types/040"
)

// VPC is vpc-eni: it moves a regular ENI into the namespace of a task.
var VPC = plugin.Plugin{
	Name: "vpc-eni", Family: plugin.VPC, Capabilities: []string{plugin.CapabilityAWSVPC}, LogFile: "/log/vpc-branch-eni.log",
	Add: addVPC, Del: delVPC,
}

// vpcConfig is the configuration of vpc-eni. The member dns is accepted and unused: the container engine writes resolv.conf.
type vpcConfig struct {
	Name                  string
	ENIName               string   `json:"eniName"`
	ENIMACAddress         string   `json:"eniMACAddress"`
	ENIIPAddresses        []string `json:"eniIPAddresses"`
	GatewayIPAddresses    []string `json:"gatewayIPAddresses"`
	UseExistingNetwork    bool     `json:"useExistingNetwork"`
	BlockInstanceMetadata bool     `json:"blockInstanceMetadata"`
	MTU                   int      `json:"mtu"`
	OpState               *bool    `json:"opState"`
}

// parseVPC reads a configuration of vpc-eni; eniName is the interface's name in the host, empty when the address counts.
func parseVPC(text []byte) (a *attachment, eniName string, err error) {
	var c vpcConfig
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, "", fmt.Errorf("failed to parse network config: %w", err)
	}
	switch {
	case c.ENIName == "" && c.ENIMACAddress == "":
		return nil, "", errors.New("missing required parameter ENIName or ENIMACAddress")
	case len(c.ENIIPAddresses) == 0:
		return nil, "", errors.New("missing required parameter ENIIPAddresses")
	case c.UseExistingNetwork && c.Name == "":
		return nil, "", errors.New("missing required parameter network name")
	}
	a = &attachment{mtu: c.MTU, stayDown: c.OpState != nil && !*c.OpState, blockIMDS: c.BlockInstanceMetadata}
	if c.ENIMACAddress != "" {
		if a.mac, err = net.ParseMAC(c.ENIMACAddress); err != nil {
			return nil, "", fmt.Errorf("invalid ENIMACAddress %s", c.ENIMACAddress)
		}
	}
	if a.addresses, err = link.Addresses(c.ENIIPAddresses, "ENIIPAddress"); err != nil {
		return nil, "", err
	}
	if a.gateways, err = link.Gateways(c.GatewayIPAddresses, "GatewayIPAddress"); err != nil {
		return nil, "", err
	}
	return a, c.ENIName, nil
}

func addVPC(_ context.Context, call *plugin.Call) (*types040.Result, error) {
	a, eniName, err := parseVPC(call.Stdin)
	if err != nil {
		return nil, err
	}
	a.name = call.IfName
	a.device, err = link.Find(eniName, a.mac)
	switch {
	case err == nil:
		a.mac = a.device.Attrs().HardwareAddr
	case !link.Missing(err) || a.mac == nil:
		return nil, err
	}
	if err := a.attach(call.NetNS); err != nil {
		return nil, err
	}
	call.Log.Info(fmt.Sprintf("interface %s is %s in %s", a.mac, a.name, call.NetNS))
	var gateway net.IP
	if len(a.gateways) > 0 {
		gateway = a.gateways[0]
	}
	return &types040.Result{
		Interfaces: []*types040.Interface{{Name: a.name, Mac: a.mac.String(), Sandbox: call.NetNS}},
		IPs:        []*types040.IPConfig{plugin.IPConfig(a.addresses[0], gateway, 0)},
	}, nil
}

// delVPC does what can be done. When the namespace is gone, the kernel has moved the interface back by itself.
func delVPC(_ context.Context, call *plugin.Call) error {
	switch err := detach(call.NetNS, call.IfName); {
	case err == nil:
		call.Log.Info(fmt.Sprintf("interface %s of %s is back in the host", call.IfName, call.NetNS))
	case netns.Missing(err), link.Missing(err):
		call.Log.Debug(fmt.Sprintf("nothing to give back: %v", err))
	default:
		call.Log.Error(fmt.Sprintf("interface %s of %s was not given back: %v", call.IfName, call.NetNS, err))
	}
	return nil
}

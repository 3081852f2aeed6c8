package eni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/link"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin"
	types040 "github.com/containernetworking/cni/pkg/types/040"
)

// Legacy is ecs-eni, which agents called before there was vpc-eni.
var Legacy = plugin.Plugin{
	Name: "ecs-eni", Family: plugin.ECS, Capabilities: []string{plugin.CapabilityAWSVPC}, LogFile: "/log/ecs-cni-eni-plugin.log",
	Add: addLegacy, Del: delLegacy,
}

type legacyConfig struct {
	ENI                   string   `json:"eni"`
	MAC                   string   `json:"mac"`
	IPAddresses           []string `json:"ip-addresses"`
	GatewayIPAddresses    []string `json:"gateway-ip-addresses"`
	BlockInstanceMetadata bool     `json:"block-instance-metadata"`
	StayDown              bool     `json:"stay-down"`
	MTU                   int      `json:"mtu"`
}

func parseLegacy(text []byte) (*attachment, error) {
	var c legacyConfig
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("newconf types: failed to parse config: %w", err)
	}
	for _, required := range []struct {
		name  string
		given bool
	}{{"eni", c.ENI != ""}, {"mac", c.MAC != ""}, {"ip-addresses", len(c.IPAddresses) > 0}} {
		if !required.given {
			return nil, fmt.Errorf("newconf types: missing required parameter in config: '%s'", required.name)
		}
	}
	a := &attachment{mtu: c.MTU, stayDown: c.StayDown, blockIMDS: c.BlockInstanceMetadata}
	var err error
	if a.mac, err = net.ParseMAC(c.MAC); err != nil {
		return nil, fmt.Errorf("newconf types: malformatted mac address specified: %w", err)
	}
	for _, text := range c.IPAddresses {
		address, err := link.Addresses([]string{text}, "")
		if err != nil {
			return nil, fmt.Errorf("newconf types: malformed IP address specified: %s", text)
		}
		a.addresses = append(a.addresses, address...)
	}
	for _, text := range c.GatewayIPAddresses {
		gateway := net.ParseIP(text)
		if gateway == nil {
			return nil, fmt.Errorf("newconf types: malformed IP address specified: %s", text)
		}
		a.gateways = append(a.gateways, gateway)
	}
	return a, nil
}

func addLegacy(_ context.Context, call *plugin.Call) (*types040.Result, error) {
	a, err := parseLegacy(call.Stdin)
	if err != nil {
		return nil, err
	}
	a.name = call.IfName
	if a.device, err = link.Find("", a.mac); errors.Is(err, link.ErrNotFound) {
		return nil, fmt.Errorf("getInterfaceDeviceName engine: unable to get device with hardware address '%s': engine: device with mac address not found", a.mac)
	} else if err != nil {
		return nil, err
	}
	result := &types040.Result{Interfaces: []*types040.Interface{{Name: a.device.Attrs().Name, Mac: a.mac.String()}}}
	for _, address := range a.addresses {
		result.IPs = append(result.IPs, plugin.IPConfig(address, nil, -1))
	}
	return result, a.attach(call.NetNS)
}

// delLegacy leaves it to the kernel to move the interface back when the namespace ends.
func delLegacy(context.Context, *plugin.Call) error { return nil }

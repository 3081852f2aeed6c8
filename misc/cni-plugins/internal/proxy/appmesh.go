package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/netns"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin"
	types040 "github.com/containernetworking/cni/pkg/types/040"
	"github.com/containernetworking/plugins/pkg/ns"
)

// AppMesh is aws-appmesh.
var AppMesh = plugin.Plugin{Name: "aws-appmesh", Family: plugin.VPC, LogFile: "/log/vpc-branch-eni.log", Add: addAppMesh, Del: delAppMesh}

// portsPerRule is how many ports one multiport match takes.
const portsPerRule = 15

// meshConfig is the configuration of aws-appmesh.
type meshConfig struct {
	IgnoredUID         string           `json:"ignoredUID"`
	IgnoredGID         string           `json:"ignoredGID"`
	ProxyIngressPort   string           `json:"proxyIngressPort"`
	ProxyEgressPort    string           `json:"proxyEgressPort"`
	AppPorts           []string         `json:"appPorts"`
	EgressIgnoredPorts []string         `json:"egressIgnoredPorts"`
	EgressIgnoredIPs   []string         `json:"egressIgnoredIPs"`
	EnableIPv6         bool             `json:"enableIPv6"`
	PrevResult         *types040.Result `json:"prevResult"`

	ignoredIPv4, ignoredIPv6 []string
}

func parseMesh(text []byte) (*meshConfig, error) {
	c := &meshConfig{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("failed to parse network config: %w", err)
	}
	for _, list := range []*[]string{&c.AppPorts, &c.EgressIgnoredPorts, &c.EgressIgnoredIPs} {
		if len(*list) == 1 && (*list)[0] == "" {
			*list = nil
		}
	}
	switch {
	case c.IgnoredUID == "" && c.IgnoredGID == "":
		return nil, errors.New("missing required parameter ignoredGID or ignoredUID")
	case c.ProxyEgressPort == "":
		return nil, errors.New("missing required parameter proxyEgressPort")
	case len(c.AppPorts) > 0 && c.ProxyIngressPort == "":
		return nil, errors.New("missing parameter proxyIngressPort (required if appPorts are provided)")
	case len(c.AppPorts) == 0 && c.ProxyIngressPort != "":
		return nil, errors.New("missing parameter appPorts (required if proxyIngressPort is provided)")
	}
	return c, c.check()
}

func (c *meshConfig) check() error {
	ports := slices.Concat([]string{c.ProxyEgressPort}, c.AppPorts, c.EgressIgnoredPorts)
	if c.ProxyIngressPort != "" {
		ports = append(ports, c.ProxyIngressPort)
	}
	for _, text := range ports {
		if port, err := strconv.Atoi(text); err != nil || !validPort(port) {
			return fmt.Errorf("invalid port [%s] specified", text)
		}
	}
	for _, text := range c.EgressIgnoredIPs {
		ip, _, err := net.ParseCIDR(text)
		if err != nil {
			ip = net.ParseIP(text)
		}
		switch {
		case ip == nil:
			return fmt.Errorf("invalid IP or CIDR block [%s] specified in egressIgnoredIPs", text)
		case ip.To4() != nil:
			c.ignoredIPv4 = append(c.ignoredIPv4, text)
		default:
			c.ignoredIPv6 = append(c.ignoredIPv6, text)
		}
	}
	return nil
}

func validPort(port int) bool { return port >= 1 && port <= 65535 }

// ingress leads connections from outside to the application's ports to the proxy.
func (c *meshConfig) ingress() part {
	own := chain{name: "APPMESH_INGRESS"}
	for ports := range slices.Chunk(c.AppPorts, portsPerRule) {
		own.rules = append(own.rules, []string{"-p", "tcp", "-m", "multiport", "--dports", strings.Join(ports, ","), "-j", "REDIRECT", "--to-port", c.ProxyIngressPort})
	}
	return part{
		table: "nat", chains: []chain{own},
		hooks: []hook{{"PREROUTING", []string{"-p", "tcp", "-m", "addrtype", "!", "--src-type", "LOCAL", "-j", own.name}}},
	}
}

// egress leads connections to the outside to the proxy, except the proxy's own and those that are to be left alone.
func (c *meshConfig) egress(ignoredIPs []string) part {
	own := chain{name: "APPMESH_EGRESS"}
	if c.IgnoredUID != "" {
		own.rules = append(own.rules, []string{"-m", "owner", "--uid-owner", c.IgnoredUID, "-j", "RETURN"})
	}
	if c.IgnoredGID != "" {
		own.rules = append(own.rules, []string{"-m", "owner", "--gid-owner", c.IgnoredGID, "-j", "RETURN"})
	}
	for ports := range slices.Chunk(c.EgressIgnoredPorts, portsPerRule) {
		own.rules = append(own.rules, []string{"-p", "tcp", "-m", "multiport", "--dports", strings.Join(ports, ","), "-j", "RETURN"})
	}
	if len(ignoredIPs) > 0 {
		own.rules = append(own.rules, []string{"-p", "tcp", "-d", strings.Join(ignoredIPs, ","), "-j", "RETURN"})
	}
	own.rules = append(own.rules, []string{"-p", "tcp", "-j", "REDIRECT", "--to", c.ProxyEgressPort})
	return part{
		table: "nat", chains: []chain{own},
		hooks: []hook{{"OUTPUT", []string{"-p", "tcp", "-m", "addrtype", "!", "--dst-type", "LOCAL", "-j", own.name}}},
	}
}

// parts are what the configuration asks for in one address family.
func (c *meshConfig) parts(ipv6 bool) []part {
	ignored := c.ignoredIPv4
	if ipv6 {
		ignored = c.ignoredIPv6
	}
	var parts []part
	if len(c.AppPorts) > 0 {
		parts = append(parts, c.ingress())
	}
	return append(parts, c.egress(ignored))
}

func addAppMesh(_ context.Context, call *plugin.Call) (*types040.Result, error) {
	c, err := parseMesh(call.Stdin)
	if err != nil {
		return nil, err
	}
	err = netns.In(call.NetNS, func(ns.NetNS) error {
		err := c.add()
		if err != nil {
			if undo := c.remove(); undo != nil {
				call.Log.Error(fmt.Sprintf("undoing failed: %v", undo))
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if c.PrevResult != nil {
		return c.PrevResult, nil
	}
	return &types040.Result{}, nil
}

func (c *meshConfig) add() error {
	filters, err := protocols(true, c.EnableIPv6)
	if err != nil {
		return err
	}
	for _, t := range filters {
		for _, p := range c.parts(isIPv6(t)) {
			if err := p.add(t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *meshConfig) remove() error {
	filters, err := protocols(true, c.EnableIPv6)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range filters {
		for _, p := range c.parts(isIPv6(t)) {
			errs = append(errs, p.remove(t))
		}
	}
	return errors.Join(errs...)
}

func delAppMesh(_ context.Context, call *plugin.Call) error {
	c, err := parseMesh(call.Stdin)
	if err != nil {
		return err
	}
	return netns.In(call.NetNS, func(ns.NetNS) error { return c.remove() })
}

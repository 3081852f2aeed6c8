package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/netns"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin"
	types040 "github.com/containernetworking/cni/pkg/types/040"
	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ServiceConnect is ecs-serviceconnect.
var ServiceConnect = plugin.Plugin{
	Name: "ecs-serviceconnect", Family: plugin.VPC, LogFile: "/log/vpc-branch-eni.log", Add: addConnect, Del: delConnect,
}

// Packets for the transparent proxy carry the mark and are delivered locally by the table, whatever their address.
const (
	proxyMark  = 1
	proxyTable = 100
)

// ingress leads connections from outside to the intercepted ports to the proxy's listeners.
func (c *connectConfig) ingress() []part {
	own := chain{name: "ECS_SERVICE_CONNECT_INGRESS"}
	for _, in := range c.Ingress {
		if in.InterceptPort != 0 {
			own.rules = append(own.rules, []string{"-p", "tcp", "--dport", strconv.Itoa(in.InterceptPort), "-j", "REDIRECT", "--to-port", strconv.Itoa(in.ListenerPort)})
		}
	}
	if len(own.rules) == 0 {
		return nil
	}
	return []part{{
		table: "nat", chains: []chain{own},
		hooks: []hook{{"PREROUTING", []string{"-p", "tcp", "-m", "addrtype", "!", "--src-type", "LOCAL", "-j", own.name}}},
	}}
}

// egress leads connections to the services' addresses to the proxy: in this namespace by translation, or as a transparent
// proxy for others.
func (c *connectConfig) egress(vip string) []part {
	if c.Egress == nil || c.Egress.ListenerPort == 0 {
		return nil
	}
	port := strconv.Itoa(c.Egress.ListenerPort)
	if c.Egress.RedirectMode == modeNAT {
		return []part{{table: "nat", hooks: []hook{{"OUTPUT", []string{"-p", "tcp", "-d", vip, "-j", "REDIRECT", "--to-port", port}}}}}
	}
	divert := chain{name: "ECS_SERVICE_CONNECT_DIVERT", rules: [][]string{{"-j", "MARK", "--set-mark", strconv.Itoa(proxyMark)}, {"-j", "ACCEPT"}}}
	return []part{{
		table: "mangle", chains: []chain{divert},
		hooks: []hook{
			{"PREROUTING", []string{"-p", "tcp", "-m", "socket", "-j", divert.name}},
			{"PREROUTING", []string{"-p", "tcp", "-m", "tcp", "-d", vip, "-j", "TPROXY", "--tproxy-mark", "0x1/0x1", "--on-port", port}},
		},
	}}
}

// routing is what the egress needs besides packet filtering.
type routing struct {
	routes []*netlink.Route
	rules  []*netlink.Rule
}

func (c *connectConfig) routing(f connectFamily) (routing, error) {
	e := c.Egress
	switch {
	case e == nil || e.RedirectMode != modeTProxy:
		return routing{}, nil
	case f.redirectIP != nil:
		return routing{routes: []*netlink.Route{{Dst: f.vip, Gw: f.redirectIP}}}, nil
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return routing{}, err
	}
	rule := netlink.NewRule()
	rule.Family, rule.Mark, rule.Table = netlink.FAMILY_V4, proxyMark, proxyTable
	everything := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	if f.ipv6 {
		rule.Family = netlink.FAMILY_V6
		everything = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
	}
	return routing{
		rules:  []*netlink.Rule{rule},
		routes: []*netlink.Route{{Dst: everything, LinkIndex: lo.Attrs().Index, Table: proxyTable, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST, Family: rule.Family}},
	}, nil
}

func (r routing) add() error {
	for _, rule := range r.rules {
		// The kernel would take it a second time, with another priority.
		have, err := netlinksafe.RuleListFiltered(rule.Family, rule, netlink.RT_FILTER_MARK|netlink.RT_FILTER_TABLE)
		if err != nil {
			return fmt.Errorf("list of rules: %w", err)
		}
		if len(have) > 0 {
			continue
		}
		if err := netlink.RuleAdd(rule); err != nil {
			return fmt.Errorf("add rule %v: %w", rule, err)
		}
	}
	for _, route := range r.routes {
		if err := netlink.RouteAdd(route); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add route to %v: %w", route.Dst, err)
		}
	}
	return nil
}

// remove takes the routes and rules away. They end with the namespace anyway: an error is worth a line in the log only.
func (r routing) remove(log *plugin.Log) {
	for _, route := range r.routes {
		if err := netlink.RouteDel(route); err != nil {
			log.Warn(fmt.Sprintf("route to %v was not removed: %v", route.Dst, err))
		}
	}
	for _, rule := range r.rules {
		if err := netlink.RuleDel(rule); err != nil {
			log.Warn(fmt.Sprintf("rule %v was not removed: %v", rule, err))
		}
	}
}

func (c *connectConfig) add() error {
	filters, err := protocols(c.EnableIPv4, c.EnableIPv6)
	if err != nil {
		return err
	}
	for _, t := range filters {
		f := c.family(isIPv6(t))
		for _, p := range append(c.ingress(), c.egress(f.vipText())...) {
			if err := p.add(t); err != nil {
				return err
			}
		}
		r, err := c.routing(f)
		if err != nil {
			return err
		}
		if err := r.add(); err != nil {
			return err
		}
	}
	return nil
}

func (c *connectConfig) remove(log *plugin.Log) error {
	filters, err := protocols(c.EnableIPv4, c.EnableIPv6)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range filters {
		f := c.family(isIPv6(t))
		for _, p := range append(c.ingress(), c.egress(f.vipText())...) {
			errs = append(errs, p.remove(t))
		}
		r, err := c.routing(f)
		errs = append(errs, err)
		r.remove(log)
	}
	return errors.Join(errs...)
}

func addConnect(_ context.Context, call *plugin.Call) (*types040.Result, error) {
	c, err := parseConnect(call.Stdin)
	if err != nil {
		return nil, err
	}
	err = netns.In(call.NetNS, func(ns.NetNS) error {
		err := c.add()
		if err != nil {
			if undo := c.remove(call.Log); undo != nil {
				call.Log.Error(fmt.Sprintf("undoing failed: %v", undo))
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &types040.Result{Interfaces: []*types040.Interface{{Name: call.IfName, Sandbox: call.NetNS}}}, nil
}

func delConnect(_ context.Context, call *plugin.Call) error {
	c, err := parseConnect(call.Stdin)
	if err != nil {
		return err
	}
	return netns.In(call.NetNS, func(ns.NetNS) error { return c.remove(call.Log) })
}

// Package bridge is the plugin ecs-bridge: the link between a task's namespace and the agent's endpoints on the host.
package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/link"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/netns"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin"
	"github.com/containernetworking/cni/pkg/types"
	types040 "github.com/containernetworking/cni/pkg/types/040"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
)

// Plugin is ecs-bridge.
var Plugin = plugin.Plugin{
	Name: "ecs-bridge", Family: plugin.ECS, Capabilities: []string{plugin.CapabilityAWSVPC}, LogFile: "/log/ecs-cni-bridge-plugin.log",
	Add: add, Del: del,
}

const defaultMTU = 1500

// config is the configuration. Its members isGateway, isDefaultGateway, forceAddress, ipMasq and hairpinMode change nothing.
type config struct {
	Bridge string     `json:"bridge"`
	MTU    int        `json:"mtu"`
	IPAM   types.IPAM `json:"ipam"`
}

func parse(call *plugin.Call) (*config, error) {
	c := &config{}
	if err := json.Unmarshal(call.Stdin, c); err != nil {
		return nil, fmt.Errorf("bridge parsing config: failed to parse configuration: %w", err)
	}
	if c.Bridge == "" {
		return nil, errors.New("bridge parsing config: missing required parameter in config named: 'bridge'")
	}
	if c.MTU == 0 {
		c.MTU = defaultMTU
	}
	call.Log.With("netns", call.NetNS, "ifname", call.IfName, "containerID", call.ContainerID, "bridgeName", c.Bridge, "ipamType", c.IPAM.Type)
	return c, nil
}

func add(ctx context.Context, call *plugin.Call) (result *types040.Result, err error) {
	c, err := parse(call)
	if err != nil {
		return nil, err
	}
	bridge, host, undo, err := c.connect(ctx, call)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = withUndo(err, undo())
		}
	}()
	leased, err := lease(ctx, call, c.IPAM.Type)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = withUndo(err, release(ctx, call, c.IPAM.Type))
		}
	}()
	routes := leased.Routes
	for _, ip := range leased.IPs {
		ip.Interface = types040.Int(2)
		routes = append(routes, &types.Route{Dst: hostNetwork(ip.Gateway), GW: ip.Gateway})
	}
	if err := netns.In(call.NetNS, func(ns.NetNS) error { return configureTask(call.IfName, leased.IPs, routes) }); err != nil {
		return nil, err
	}
	if err := configureBridge(bridge, leased.IPs); err != nil {
		return nil, err
	}
	call.Log.Info("connected through " + host.Attrs().Name + " with address " + leased.IPs[0].Address.String())
	return &types040.Result{
		Interfaces: []*types040.Interface{
			{Name: c.Bridge, Mac: bridge.Attrs().HardwareAddr.String()},
			{Name: host.Attrs().Name, Mac: host.Attrs().HardwareAddr.String()},
			{Name: call.IfName},
		},
		IPs: leased.IPs, Routes: routes,
	}, nil
}

// withUndo is the error of a call that failed, and of taking back what it had done.
func withUndo(err, undoing error) error {
	if undoing == nil {
		return err
	}
	return fmt.Errorf("%w (and undoing it failed: %v)", err, undoing)
}

// connect makes the bridge, the veth pair and the port. undo takes all of it back.
func (c *config) connect(ctx context.Context, call *plugin.Call) (bridge, host netlink.Link, undo func() error, err error) {
	// From the look at the bridge until it has this port no other call may remove it.
	unlock, err := netns.Lock(ctx)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("bridge create: %w", err)
	}
	defer unlock()
	bridge, created, err := provideBridge(c.Bridge, c.MTU)
	if err != nil {
		return nil, nil, nil, err
	}
	removeBridge := func() error {
		if !created {
			return nil
		}
		return removeUnused(bridge)
	}
	host, err = createPair(call.NetNS, call.IfName, c.MTU)
	if err != nil {
		return nil, nil, nil, withUndo(err, removeBridge())
	}
	if err := netlink.LinkSetMaster(host, bridge); err != nil {
		err = fmt.Errorf("bridge attach veth: unable to attach %s to bridge %s: %w", host.Attrs().Name, c.Bridge, err)
		return nil, nil, nil, withUndo(err, errors.Join(netlink.LinkDel(host), removeBridge()))
	}
	undo = func() error {
		unlock, err := netns.Lock(ctx)
		if err != nil {
			return err
		}
		defer unlock()
		return errors.Join(netlink.LinkDel(host), removeBridge())
	}
	return bridge, host, undo, nil
}

func del(ctx context.Context, call *plugin.Call) error {
	c, err := parse(call)
	if err != nil {
		return err
	}
	if c.IPAM.Type != "" {
		if err := release(ctx, call, c.IPAM.Type); err != nil {
			call.Log.Error(err.Error())
		}
	}
	err = netns.In(call.NetNS, func(ns.NetNS) error {
		veth, err := link.Find(call.IfName, nil)
		if err != nil {
			return err
		}
		return netlink.LinkDel(veth)
	})
	if link.Missing(err) {
		call.Log.Debug("there is no such interface")
		return nil
	}
	return err
}

// hostNetwork is the network that holds ip alone.
func hostNetwork(ip net.IP) net.IPNet {
	if v4 := ip.To4(); v4 != nil {
		return net.IPNet{IP: v4, Mask: net.CIDRMask(32, 32)}
	}
	return net.IPNet{IP: ip, Mask: net.CIDRMask(128, 128)}
}

// Package branch is the plugin vpc-branch-eni: it gives a task a branch ENI, a VLAN on the trunk ENI of the instance.
package branch

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/link"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/netns"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin"
	types040 "github.com/containernetworking/cni/pkg/types/040"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Plugin is vpc-branch-eni.
var Plugin = plugin.Plugin{
	Name: "vpc-branch-eni", Family: plugin.VPC, Capabilities: []string{plugin.CapabilityAWSVPC}, LogFile: "/log/vpc-branch-eni.log",
	Add: add, Del: del,
}

func add(_ context.Context, call *plugin.Call) (*types040.Result, error) {
	c, err := parse(call.Stdin, call.Args)
	if err != nil {
		return nil, err
	}
	trunk, err := link.Find(c.trunkName, c.trunkMAC)
	if err != nil {
		return nil, fmt.Errorf("trunk: %w", err)
	}
	// Hosts without tooling for ENIs leave the trunk down.
	if err := link.Up(trunk); err != nil {
		return nil, fmt.Errorf("trunk: %w", err)
	}
	err = netns.In(call.NetNS, func(home ns.NetNS) error {
		vlan, created, err := c.provide(trunk, home, call.IfName)
		if err != nil {
			return err
		}
		if err := c.configure(vlan, call.IfName); err != nil {
			if created {
				err = errors.Join(err, netlink.LinkDel(vlan))
			}
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	call.Log.Info(fmt.Sprintf("VLAN %d of trunk %s is %s in %s", c.vlanID, trunk.Attrs().Name, call.IfName, call.NetNS))
	return &types040.Result{
		Interfaces: []*types040.Interface{{Name: call.IfName, Mac: c.branchMAC.String(), Sandbox: call.NetNS}},
	}, nil
}

// provide makes the VLAN interface in the namespace this runs in. It is never in the host's, where one that a killed call had
// left would be in everybody's way. When the trunk has that VLAN already, a former call for the same namespace may have left it
// here: then it is taken over, without its addresses.
func (c *config) provide(trunk netlink.Link, home ns.NetNS, ifName string) (vlan netlink.Link, created bool, err error) {
	name := vlanName(trunk.Attrs(), c.vlanID)
	here, err := ns.GetCurrentNS()
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = here.Close() }()
	err = home.Do(func(ns.NetNS) error {
		made := &netlink.Vlan{
			LinkAttrs: netlink.LinkAttrs{
				Name: name, ParentIndex: trunk.Attrs().Index, HardwareAddr: c.branchMAC, TxQLen: -1, Namespace: netlink.NsFd(int(here.Fd())),
			},
			VlanId: c.vlanID, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q,
		}
		if err := netlink.LinkAdd(made); err != nil {
			return fmt.Errorf("create VLAN %d on trunk %q: %w", c.vlanID, trunk.Attrs().Name, err)
		}
		return nil
	})
	switch {
	case err == nil:
		vlan, err = link.Find(name, nil)
		return vlan, true, err
	case !errors.Is(err, unix.EEXIST):
		return nil, false, err
	}
	vlan, notHere := c.left(ifName, name)
	if notHere != nil {
		return nil, false, err
	}
	return vlan, false, link.RemoveAddresses(vlan)
}

// left finds the VLAN interface in the namespace this runs in.
func (c *config) left(names ...string) (netlink.Link, error) {
	for _, name := range names {
		found, err := link.Find(name, nil)
		if err != nil {
			continue
		}
		if vlan, is := found.(*netlink.Vlan); is && vlan.VlanId == c.vlanID {
			return found, netlink.LinkSetHardwareAddr(found, c.branchMAC)
		}
	}
	return nil, link.ErrNotFound
}

func (c *config) configure(vlan netlink.Link, ifName string) error {
	if err := link.Rename(vlan, ifName); err != nil {
		return err
	}
	if err := link.Up(vlan); err != nil {
		return err
	}
	if err := link.AddAddresses(vlan, c.addresses); err != nil {
		return err
	}
	if err := link.AddDefaultRoutes(vlan, c.gateways); err != nil {
		return err
	}
	if c.blockIMDS {
		return link.BlockMetadataService()
	}
	return nil
}

// vlanName is <trunk>.<id>, or a name made of the trunk's index where that is longer than the kernel takes.
func vlanName(trunk *netlink.LinkAttrs, id int) string {
	name := trunk.Name + "." + strconv.Itoa(id)
	if len(name) >= unix.IFNAMSIZ {
		name = fmt.Sprintf("trunk%d.%d", trunk.Index, id)
	}
	return name
}

// del deletes the VLAN interface. What is not there needs no deleting.
func del(_ context.Context, call *plugin.Call) error {
	err := netns.In(call.NetNS, func(ns.NetNS) error {
		vlan, err := link.Find(call.IfName, nil)
		if err != nil {
			return err
		}
		return netlink.LinkDel(vlan)
	})
	switch {
	case err == nil:
		call.Log.Info(fmt.Sprintf("VLAN interface %s of %s is deleted", call.IfName, call.NetNS))
	case netns.Missing(err), link.Missing(err):
		call.Log.Debug(fmt.Sprintf("nothing to delete: %v", err))
	default:
		call.Log.Error(fmt.Sprintf("VLAN interface %s of %s was not deleted: %v", call.IfName, call.NetNS, err))
	}
	return nil
}

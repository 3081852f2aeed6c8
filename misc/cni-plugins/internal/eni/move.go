// Package eni holds the plugins that give a task a network interface of the host: vpc-eni and its forerunner ecs-eni.
package eni

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/link"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/netns"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
)

// attachment is an interface of the host and what becomes of it in the namespace.
type attachment struct {
	device      netlink.Link // nil when a former call has moved it already
	name        string       // in the namespace
	mac         net.HardwareAddr
	addresses   []*net.IPNet
	gateways    []net.IP
	mtu         int  // 0: the driver's
	stayDown    bool // only move it
	blockIMDS   bool
	nameOutside string // the device's name when this call moved it
}

// attach moves the interface into the namespace and configures it. After an error the interface is back where it was.
func (a *attachment) attach(path string) error {
	return netns.In(path, func(home ns.NetNS) error {
		device, err := a.moveIn(home)
		if err != nil {
			return err
		}
		if err := a.configure(device); err != nil {
			return errors.Join(err, a.moveBack(device, home))
		}
		return nil
	})
}

// moveIn brings the interface into the namespace this runs in. One that is here already was left by a call that was
// killed: it is taken over.
func (a *attachment) moveIn(home ns.NetNS) (netlink.Link, error) {
	if a.device == nil {
		return link.Find("", a.mac)
	}
	here, err := ns.GetCurrentNS()
	if err != nil {
		return nil, err
	}
	defer func() { _ = here.Close() }()
	a.nameOutside = a.device.Attrs().Name
	if err := home.Do(func(ns.NetNS) error { return link.Move(a.device, here) }); err != nil {
		return nil, err
	}
	device, err := link.Find(a.nameOutside, nil)
	if err != nil {
		return nil, fmt.Errorf("after the move: %w", err)
	}
	return device, nil
}

func (a *attachment) configure(device netlink.Link) error {
	if a.stayDown {
		return nil
	}
	if err := link.Rename(device, a.name); err != nil {
		return err
	}
	if a.mtu > 0 {
		if err := netlink.LinkSetMTU(device, a.mtu); err != nil {
			return fmt.Errorf("set the MTU of interface %q to %d: %w", a.name, a.mtu, err)
		}
	}
	if a.blockIMDS {
		if err := link.BlockMetadataService(); err != nil {
			return err
		}
	}
	if err := link.AddAddresses(device, a.addresses); err != nil {
		return err
	}
	if err := link.Up(device); err != nil {
		return err
	}
	return link.AddDefaultRoutes(device, a.gateways)
}

// moveBack undoes moveIn.
func (a *attachment) moveBack(device netlink.Link, home ns.NetNS) error {
	if a.nameOutside == "" {
		return nil
	}
	return errors.Join(link.Rename(device, a.nameOutside), link.Move(device, home))
}

// detach gives the interface back to the namespace the plugin runs in, down and under a name that no other interface has
// there: the name it had before may be another's by now.
func detach(path, name string) error {
	return netns.In(path, func(home ns.NetNS) error {
		device, err := link.Find(name, nil)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetDown(device); err != nil {
			return fmt.Errorf("set interface %q down: %w", name, err)
		}
		if err := link.Rename(device, freeName(device.Attrs().HardwareAddr)); err != nil {
			return err
		}
		return link.Move(device, home)
	})
}

// freeName is a name nobody else gives: 15 characters, as many as the kernel takes.
func freeName(mac net.HardwareAddr) string {
	return "ecs" + strings.ReplaceAll(mac.String(), ":", "")
}

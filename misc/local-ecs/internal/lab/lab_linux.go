package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Named namespaces are where `ip netns` has them.
const namespaces = "/run/netns"

const (
	bridgeName  = "vpc"
	legPort     = "leg"
	portPrefix  = "p"
	trunkPrefix = "t"
	eniPrefix   = "eni"
)

func (l Lab) path() string { return filepath.Join(namespaces, l.Name) }

// make makes the namespace, the bridge, and the host's leg.
func (l Lab) make() error {
	if err := l.makeNamespace(); err != nil {
		return fmt.Errorf("make the network namespace %s: %w", l.Name, err)
	}
	gateway4, gateway6 := l.Gateways()
	leg4, leg6 := l.leg()
	err := l.inside(func(home ns.NetNS) error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName, TxQLen: -1}}
		leg := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: legPort, TxQLen: -1}, PeerName: l.Name, PeerTxQLen: -1, PeerNamespace: netlink.NsFd(int(home.Fd()))}
		for _, step := range []func() error{
			func() error { return netlink.LinkSetUp(lo) },
			func() error { return netlink.LinkAdd(bridge) },
			func() error { return address(bridge, gateway4) },
			func() error { return address(bridge, gateway6) },
			func() error { return netlink.LinkSetUp(bridge) },
			func() error { return netlink.LinkAdd(leg) },
			func() error { return netlink.LinkSetMaster(leg, bridge) },
			func() error { return netlink.LinkSetUp(leg) },
			func() error { return l.tryVLAN(leg) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("make the network %s: %w", l.Name, err)
	}
	host, err := netlink.LinkByName(l.Name)
	if err == nil {
		err = errors.Join(address(host, leg4), address(host, leg6), netlink.LinkSetUp(host))
	}
	if err != nil {
		return fmt.Errorf("connect the host with the network %s: %w", l.Name, err)
	}
	return nil
}

// tryVLAN makes sure that the kernel can do what a trunk takes.
func (l Lab) tryVLAN(parent netlink.Link) error {
	if !l.Trunk {
		return nil
	}
	vlan := &netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "try", ParentIndex: parent.Attrs().Index, TxQLen: -1}, VlanId: firstHost}
	err := netlink.LinkAdd(vlan)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return ErrNoVLANs
	} else if err != nil {
		return fmt.Errorf("make a VLAN: %w", err)
	}
	return netlink.LinkDel(vlan)
}

// address adds an address. Without IPv6 there is none.
func address(link netlink.Link, prefix netip.Prefix) error {
	a := &netlink.Addr{IPNet: &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}}
	if prefix.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	err := netlink.AddrAdd(link, a)
	if prefix.Addr().Is6() && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EOPNOTSUPP)) {
		return nil
	}
	return err
}

// makeNamespace makes a namespace that stays although no process is in it.
func (l Lab) makeNamespace() error {
	if err := os.MkdirAll(namespaces, 0o755); err != nil {
		return err
	}
	made, err := ns.TempNetNS()
	if err != nil {
		return err
	}
	defer func() { _ = made.Close() }()
	file, err := os.OpenFile(l.path(), os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists; if it is of a former lab, end that first: local-ecs lab down", l.path())
	} else if err != nil {
		return err
	}
	_ = file.Close()
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", made.Fd()), l.path(), "none", unix.MS_BIND, ""); err != nil {
		return errors.Join(err, os.Remove(l.path()))
	}
	return nil
}

// remove ends the namespace. The kernel removes what was in it and, of pairs, the other ends, in its own time; the host's
// leg goes at once, so that its name is free.
func (l Lab) remove() error {
	if leg, err := netlink.LinkByName(l.Name); err == nil && leg.Type() == "veth" {
		if err := netlink.LinkDel(leg); err != nil {
			return fmt.Errorf("remove the interface %s: %w", l.Name, err)
		}
	}
	err := unix.Unmount(l.path(), unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("remove the network namespace %s: %w", l.Name, err)
	}
	if err := os.Remove(l.path()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (l Lab) inside(f func(home ns.NetNS) error) error {
	return ns.WithNetNSPath(l.path(), f)
}

// Plug makes an interface of the host with that hardware address, as if it had just been attached. It is known by an id.
func (l Lab) Plug(id string, mac net.HardwareAddr) error {
	return l.plug(id, func(home ns.NetNS) (netlink.Link, error) {
		bridge, err := netlink.LinkByName(bridgeName)
		return cable(portPrefix+id, id, mac, home, bridge), err
	})
}

// PlugTrunk makes an interface of the host that is in the network by its branches alone.
func (l Lab) PlugTrunk(id string, mac net.HardwareAddr) error {
	return l.plug(id, func(home ns.NetNS) (netlink.Link, error) { return cable(trunkPrefix+id, id, mac, home, nil), nil })
}

// cable is a pair of interfaces between a port of the lab and the host.
func cable(port, id string, mac net.HardwareAddr, home ns.NetNS, bridge netlink.Link) *netlink.Veth {
	pair := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: port, TxQLen: -1},
		PeerName:  eniPrefix + id, PeerHardwareAddr: mac, PeerTxQLen: -1, PeerNamespace: netlink.NsFd(int(home.Fd())),
	}
	if bridge != nil {
		pair.MasterIndex = bridge.Attrs().Index
	}
	return pair
}

// PlugBranch lets the packets of a trunk with that VLAN id into the network. The host's side is made by whoever uses it.
func (l Lab) PlugBranch(id, trunk string, vlan int) error {
	return l.plug(id, func(ns.NetNS) (netlink.Link, error) {
		bridge, err := netlink.LinkByName(bridgeName)
		if err != nil {
			return nil, err
		}
		parent, err := netlink.LinkByName(trunkPrefix + trunk)
		if err != nil {
			return nil, err
		}
		attributes := netlink.LinkAttrs{Name: portPrefix + id, TxQLen: -1, MasterIndex: bridge.Attrs().Index, ParentIndex: parent.Attrs().Index}
		return &netlink.Vlan{LinkAttrs: attributes, VlanId: vlan}, nil
	})
}

func (l Lab) plug(id string, describe func(home ns.NetNS) (netlink.Link, error)) error {
	err := l.inside(func(home ns.NetNS) error {
		port, err := describe(home)
		if err != nil {
			return err
		}
		if err := netlink.LinkAdd(port); err != nil {
			return err
		}
		return netlink.LinkSetUp(port)
	})
	if err != nil {
		return fmt.Errorf("plug interface %s into the lab %s: %w", id, l.Name, err)
	}
	return nil
}

// Unplug removes an interface, whoever has it. The branches of a trunk go with it.
func (l Lab) Unplug(id string) error {
	err := l.inside(func(ns.NetNS) error {
		port, err := netlink.LinkByName(portPrefix + id)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			port, err = netlink.LinkByName(trunkPrefix + id)
		}
		switch {
		case errors.As(err, &netlink.LinkNotFoundError{}):
			return nil // it went with its trunk
		case err != nil:
			return err
		}
		return netlink.LinkDel(port)
	})
	if err != nil {
		return fmt.Errorf("unplug interface %s from the lab %s: %w", id, l.Name, err)
	}
	return nil
}

// Plugged are the ids of the interfaces that there are.
func (l Lab) Plugged() (ids []string, err error) {
	err = l.inside(func(ns.NetNS) error {
		links, err := netlink.LinkList()
		if errors.Is(err, netlink.ErrDumpInterrupted) {
			err = nil // asked again soon
		}
		for _, link := range links {
			for _, prefix := range []string{portPrefix, trunkPrefix} {
				if id, is := strings.CutPrefix(link.Attrs().Name, prefix); is && (link.Type() == "veth" || link.Type() == "vlan") {
					ids = append(ids, id)
				}
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look at the lab %s: %w", l.Name, err)
	}
	return ids, nil
}

// Package link finds, moves and configures network interfaces. Everything acts on the network namespace of the calling
// thread.
package link

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrNotFound says that no interface has the wanted name or address.
var ErrNotFound = errors.New("no such network interface")

// Find returns the interface of that name or, without a name, of that hardware address. Where several have one address,
// as an interface and the VLANs on it may, the one that is not made from another is meant.
func Find(name string, mac net.HardwareAddr) (netlink.Link, error) {
	if name != "" {
		l, err := netlink.LinkByName(name)
		if Missing(err) {
			return nil, fmt.Errorf("interface %q: %w", name, ErrNotFound)
		}
		return l, err
	}
	links, err := netlinksafe.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list of network interfaces: %w", err)
	}
	var found netlink.Link
	for _, l := range links {
		if !bytes.Equal(l.Attrs().HardwareAddr, mac) {
			continue
		}
		if l.Type() == "device" || found == nil {
			found = l
		}
	}
	if found == nil {
		return nil, fmt.Errorf("interface with the address %s: %w", mac, ErrNotFound)
	}
	return found, nil
}

// Missing reports whether err says that there is no such interface.
func Missing(err error) bool {
	var notFound netlink.LinkNotFoundError
	return errors.As(err, &notFound) || errors.Is(err, ErrNotFound)
}

// Rename gives the interface a name, for which it has to be down.
func Rename(l netlink.Link, name string) error {
	if l.Attrs().Name == name {
		return nil
	}
	if err := netlink.LinkSetDown(l); err != nil {
		return fmt.Errorf("set interface %q down: %w", l.Attrs().Name, err)
	}
	if err := netlink.LinkSetName(l, name); err != nil {
		return fmt.Errorf("rename interface %q to %q: %w", l.Attrs().Name, name, err)
	}
	l.Attrs().Name = name
	return nil
}

// Move moves the interface into another namespace. The kernel sets it down and drops its addresses.
func Move(l netlink.Link, to ns.NetNS) error {
	if err := netlink.LinkSetNsFd(l, int(to.Fd())); err != nil {
		return fmt.Errorf("move interface %q into the namespace %q: %w", l.Attrs().Name, to.Path(), err)
	}
	return nil
}

// Up sets the interface up.
func Up(l netlink.Link) error {
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("set interface %q up: %w", l.Attrs().Name, err)
	}
	return nil
}

// AddAddresses adds addresses. One that is there already is fine.
//
// The service has given each address to one interface: no other host is asked whether it has it (duplicate address
// detection), or an IPv6 address could not be used for the first second.
func AddAddresses(l netlink.Link, addresses []*net.IPNet) error {
	for _, address := range addresses {
		a := &netlink.Addr{IPNet: address}
		if address.IP.To4() == nil {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(l, a); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add address %s to interface %q: %w", address, l.Attrs().Name, err)
		}
	}
	return nil
}

// RemoveAddresses takes all addresses from the interface.
func RemoveAddresses(l netlink.Link) error {
	addresses, err := netlinksafe.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("addresses of interface %q: %w", l.Attrs().Name, err)
	}
	for _, a := range addresses {
		if err := netlink.AddrDel(l, &a); err != nil {
			return fmt.Errorf("remove address %s from interface %q: %w", a.IPNet, l.Attrs().Name, err)
		}
	}
	return nil
}

// AddDefaultRoutes adds a default route through each gateway. One that is there already is fine.
func AddDefaultRoutes(l netlink.Link, gateways []net.IP) error {
	for _, gateway := range gateways {
		err := netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: gateway})
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add default route through %s on interface %q: %w", gateway, l.Attrs().Name, err)
		}
	}
	return nil
}

// metadataServices are the addresses of the EC2 instance metadata service.
var metadataServices = []string{"169.254.169.254/32", "fd00:ec2::254/128"}

// BlockMetadataService leads what is sent to the instance metadata service nowhere.
func BlockMetadataService() error {
	for _, service := range metadataServices {
		_, dst, _ := net.ParseCIDR(service)
		if dst.IP.To4() == nil && !HaveIPv6() {
			continue
		}
		err := netlink.RouteAdd(&netlink.Route{Dst: dst, Type: unix.RTN_BLACKHOLE})
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("block %s: %w", service, err)
		}
	}
	return nil
}

// HaveIPv6 reports whether the kernel knows IPv6; a namespace may still have it switched off.
func HaveIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

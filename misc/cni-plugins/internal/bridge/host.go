package bridge

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/link"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/netns"
	types040 "github.com/containernetworking/cni/pkg/types/040"
	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// provideBridge finds the bridge or makes it, and sets it up.
func provideBridge(name string, mtu int) (bridge netlink.Link, created bool, err error) {
	bridge, err = link.Find(name, nil)
	if link.Missing(err) {
		bridge, created, err = createBridge(name, mtu)
	}
	if err != nil {
		return nil, false, fmt.Errorf("bridge create: %w", err)
	}
	if bridge.Type() != "bridge" {
		return nil, false, fmt.Errorf("bridge create: interface named %s already exists, but is not a bridge", name)
	}
	if err := link.Up(bridge); err != nil {
		err = fmt.Errorf("bridge create: %w", err)
		if created {
			err = withUndo(err, netlink.LinkDel(bridge))
		}
		return nil, false, err
	}
	return bridge, created, nil
}

func createBridge(name string, mtu int) (bridge netlink.Link, created bool, err error) {
	mac, err := randomMAC()
	if err != nil {
		return nil, false, err
	}
	// With an address that was set the bridge keeps it. Otherwise it takes those of its ports by turns, and what the tasks
	// know of their neighbour goes stale.
	err = netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name, MTU: mtu, HardwareAddr: mac, TxQLen: -1}})
	if err != nil && !errors.Is(err, unix.EEXIST) { // made by another at this moment
		return nil, false, fmt.Errorf("unable to create bridge %s: %w", name, err)
	}
	created = err == nil
	bridge, err = link.Find(name, nil)
	return bridge, created, err
}

// randomMAC is a locally administered unicast address.
func randomMAC() (net.HardwareAddr, error) {
	mac := make(net.HardwareAddr, 6)
	if _, err := rand.Read(mac); err != nil {
		return nil, err
	}
	mac[0] = mac[0]&^1 | 2
	return mac, nil
}

// removeUnused deletes the bridge unless it has ports.
func removeUnused(bridge netlink.Link) error {
	links, err := netlinksafe.LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Attrs().MasterIndex == bridge.Attrs().Index {
			return nil
		}
	}
	return netlink.LinkDel(bridge)
}

// createPair makes a veth pair: one end ifName in the namespace, the other in the host, both up. It returns that of the host.
func createPair(path, ifName string, mtu int) (host netlink.Link, err error) {
	var hostName string
	err = netns.In(path, func(home ns.NetNS) error {
		if _, err := link.Find(ifName, nil); err == nil {
			return fmt.Errorf("container veth name provided (%s) already exists", ifName)
		}
		if hostName, err = addVeth(ifName, mtu); err != nil {
			return err
		}
		inside, err := link.Find(ifName, nil)
		if err != nil {
			return err
		}
		if err := moveOut(hostName, home); err != nil {
			return withUndo(err, netlink.LinkDel(inside))
		}
		if err := link.Up(inside); err != nil {
			return withUndo(err, netlink.LinkDel(inside))
		}
		return nil
	})
	if err != nil {
		if netns.Missing(err) {
			return nil, err
		}
		return nil, fmt.Errorf("bridge create veth pair: unable to setup veth pair for interface: %s: %w", ifName, err)
	}
	if host, err = link.Find(hostName, nil); err != nil {
		return nil, fmt.Errorf("bridge create veth pair: %w", err)
	}
	if err := link.Up(host); err != nil {
		return nil, withUndo(fmt.Errorf("bridge create veth pair: %w", err), netlink.LinkDel(host))
	}
	return host, nil
}

// addVeth makes the pair in the namespace this runs in and returns the name of the end for the host, which nothing has here.
// That nothing has it there either shows at the move.
func addVeth(ifName string, mtu int) (hostName string, err error) {
	random := make([]byte, 4)
	for range 10 {
		if _, err := rand.Read(random); err != nil {
			return "", err
		}
		hostName = "veth" + hex.EncodeToString(random)
		err = netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: ifName, MTU: mtu, TxQLen: -1}, PeerName: hostName, PeerTxQLen: -1})
		if !errors.Is(err, unix.EEXIST) {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("failed to make veth pair: %w", err)
	}
	return hostName, nil
}

func moveOut(name string, home ns.NetNS) error {
	l, err := link.Find(name, nil)
	if err != nil {
		return err
	}
	return link.Move(l, home)
}

// configureBridge gives the bridge the tasks' gateway addresses.
func configureBridge(bridge netlink.Link, ips []*types040.IPConfig) error {
	for _, ip := range ips {
		family := netlink.FAMILY_V6
		if ip.Gateway.To4() != nil {
			family = netlink.FAMILY_V4
		}
		if err := giveAddress(bridge, family, &net.IPNet{IP: ip.Gateway, Mask: ip.Address.Mask}); err != nil {
			return err
		}
	}
	return nil
}

func giveAddress(bridge netlink.Link, family int, wanted *net.IPNet) error {
	name := bridge.Attrs().Name
	addresses, err := netlinksafe.AddrList(bridge, family)
	if err != nil {
		return fmt.Errorf("bridge configure: addresses of bridge %s: %w", name, err)
	}
	for _, a := range addresses {
		switch {
		case a.IPNet.String() == wanted.String():
			return nil
		case family == netlink.FAMILY_V6 && a.IP.IsLinkLocalUnicast():
		default:
			return fmt.Errorf("bridge configure: mismatch in bridge %s address for family %d", name, family)
		}
	}
	if err := netlink.AddrAdd(bridge, &netlink.Addr{IPNet: wanted}); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("bridge configure: add address %s to bridge %s: %w", wanted, name, err)
	}
	return nil
}

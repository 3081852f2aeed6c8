package bridge

import (
	"errors"
	"fmt"
	"net"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/link"
	"github.com/containernetworking/cni/pkg/types"
	types040 "github.com/containernetworking/cni/pkg/types/040"
	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// configureTask sets up the task's end of the link, in the namespace this runs in. Of the routes only those through the
// gateway stay: tasks reach the host this way, and not one another.
func configureTask(ifName string, ips []*types040.IPConfig, routes []*types.Route) error {
	l, err := link.Find(ifName, nil)
	if err != nil {
		return fmt.Errorf("bridge configure veth: %w", err)
	}
	if err := link.Up(l); err != nil {
		return fmt.Errorf("bridge configure veth: %w", err)
	}
	for _, ip := range ips {
		if err := link.AddAddresses(l, []*net.IPNet{&ip.Address}); err != nil {
			return fmt.Errorf("bridge configure veth: %w", err)
		}
	}
	for _, r := range routes {
		if err := addRoute(l, r, ips); err != nil {
			return err
		}
	}
	for _, ip := range ips {
		v4 := ip.Address.IP.To4()
		if v4 == nil {
			continue
		}
		// The same address always has the same hardware address, so that no neighbour's entry goes stale.
		mac := append(net.HardwareAddr{0x0a, 0x58}, v4...)
		if err := netlink.LinkSetHardwareAddr(l, mac); err != nil {
			return fmt.Errorf("bridge configure veth: set hardware address %s: %w", mac, err)
		}
	}
	return removeDirectRoutes(l)
}

// addRoute adds a route, through the gateway of its family unless it names another. One that is there already is fine.
func addRoute(l netlink.Link, r *types.Route, ips []*types040.IPConfig) error {
	gateway := r.GW
	for _, ip := range ips {
		if gateway == nil && (ip.Gateway.To4() == nil) == (r.Dst.IP.To4() == nil) {
			gateway = ip.Gateway
		}
	}
	err := netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: &r.Dst, Gw: gateway})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("bridge configure veth: add route to %s through %s: %w", &r.Dst, gateway, err)
	}
	return nil
}

func removeDirectRoutes(l netlink.Link) error {
	routes, err := netlinksafe.RouteList(l, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("bridge configure veth: list of routes: %w", err)
	}
	for _, r := range routes {
		if r.Gw != nil {
			continue
		}
		if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("bridge configure veth: remove route to %s: %w", r.Dst, err)
		}
	}
	return nil
}

// Package ipam is the plugin ecs-ipam: it gives tasks their addresses on the bridge to the agent, from a database that
// outlives agents.
package ipam

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin"
	"github.com/containernetworking/cni/pkg/types"
	types040 "github.com/containernetworking/cni/pkg/types/040"
)

// Plugin is ecs-ipam.
var Plugin = plugin.Plugin{
	Name: "ecs-ipam", Family: plugin.ECS, Capabilities: []string{plugin.CapabilityAWSVPC}, LogFile: "/log/ecs-cni-ipam-plugin.log",
	Add: add, Del: del,
}

func add(ctx context.Context, call *plugin.Call) (*types040.Result, error) {
	c, err := parse(call.Stdin)
	if err != nil {
		return nil, err
	}
	result := &types040.Result{}
	// One transaction: a task gets all its addresses or none.
	err = update(ctx, call.Log, func(s *store) error {
		for _, f := range c.families {
			address, err := f.assign(s, c.id)
			if err != nil {
				return err
			}
			result.IPs = append(result.IPs, plugin.IPConfig(address, f.gateway, -1))
			result.Routes = append(result.Routes, f.routes...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, ip := range result.IPs {
		call.Log.Info(fmt.Sprintf("address %s is of %s now", ip.Address.String(), c.id))
	}
	return result, nil
}

// assign finds an address for the owner.
func (f *family) assign(s *store, id string) (*net.IPNet, error) {
	if err := f.reserveGateway(s); err != nil {
		return nil, err
	}
	ip, name := f.address, f.ipName()
	var err error
	if ip != nil {
		if err = s.assign(f, ip, id); err != nil {
			return nil, fmt.Errorf("get%sAddress commands: failed to mark this ip %s as used: %w", name, f.in(ip), err)
		}
	} else {
		if ip, err = f.next(s); err == nil {
			if err = s.assign(f, ip, id); err != nil {
				err = fmt.Errorf("ipstore get ip: failed to assign ip in ipam: %w", err)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("get%sAddressFromDB commands: failed to get available ip from the db: %w", name, err)
		}
	}
	return f.in(ip), s.setCursor(f, ip)
}

func (f *family) reserveGateway(s *store) error {
	switch {
	case !s.used(f, f.gateway):
		if err := s.assign(f, f.gateway, f.gatewayOwner()); err != nil {
			return fmt.Errorf("verifyGateway commands: failed to update gateway into the db: %w", err)
		}
	case s.owner(f, f.gateway) != f.gatewayOwner():
		return errors.New("verifyGateway commands: ip of gateway has already been used")
	}
	return nil
}

// next is the first free address after the cursor, which goes round the subnet.
func (f *family) next(s *store) (net.IP, error) {
	start := s.cursor(f)
	if start == nil || !f.subnet.Contains(start) {
		start = f.subnet.IP
	}
	for ip := f.after(start); ; ip = f.after(ip) {
		if !f.reserved(ip) && !s.used(f, ip) {
			return ip, nil
		}
		if ip.Equal(start) {
			return nil, errors.New("getAvailableIP ipstore: failed to find available ip addresses in the subnet")
		}
	}
}

func del(ctx context.Context, call *plugin.Call) error {
	c, err := parse(call.Stdin)
	if err != nil {
		return err
	}
	if c.id == "" && !c.hasAddress() {
		return errors.New("del commands: ip address (ipv4 or ipv6) and id can not all be empty for deletion")
	}
	return update(ctx, call.Log, func(s *store) error {
		if c.hasAddress() {
			return c.releaseAddresses(s, call.Log)
		}
		return c.releaseOwner(s, call.Log)
	})
}

func (c *config) releaseAddresses(s *store, log *plugin.Log) error {
	for _, f := range c.families {
		if f.address == nil {
			continue
		}
		if !s.used(f, f.address) {
			return fmt.Errorf("release ipstore: ip does not existed in the db: %s", f.address)
		}
		if err := s.release(f, f.address); err != nil {
			return err
		}
		log.Info(fmt.Sprintf("address %s is free", f.address))
	}
	return nil
}

func (c *config) releaseOwner(s *store, log *plugin.Log) error {
	found := false
	for _, f := range c.families {
		ip := s.addressOf(f, c.id)
		if ip == nil {
			continue
		}
		found = true
		if err := s.release(f, ip); err != nil {
			return err
		}
		log.Info(fmt.Sprintf("address %s of %s is free", ip, c.id))
	}
	if !found {
		return fmt.Errorf("release ipstore: no ip address associated with the given id: %s", c.id)
	}
	return nil
}

// routesOf takes routes as they are in the configuration.
func routesOf(routes []types.Route) []*types.Route {
	var all []*types.Route
	for i := range routes {
		all = append(all, &routes[i])
	}
	return all
}

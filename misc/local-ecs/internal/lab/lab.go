// Package lab is a small VPC on this machine: a network of its own into which tasks of network mode awsvpc get interfaces,
// so that they really talk to one another.
//
//	host                      network namespace "ecs-lab"
//	 ecs-lab  .2 ───────────── leg ─┐
//	 eni0a1b… (a task's) ───── p0a1b… ┤ bridge "vpc", the gateway: .1
//	 eni2c3d… (another's) ──── p2c3d… ┤
//	 eni4e5f… (a trunk) ────── t4e5f…    │
//	   └ in tasks, by VLAN       └ p6a7b… ┘ (a branch)
//
// The bridge is not in the host's own namespace on purpose: there, container engines filter what goes over bridges.
package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// Lab describes the network. It is what the file says that `local-ecs lab up` leaves for `local-ecs serve`.
type Lab struct {
	Name string       `json:"name"` // of the namespace, and of the host's own interface in it
	IPv4 netip.Prefix `json:"ipv4"`
	IPv6 netip.Prefix `json:"ipv6"`
	// Trunk: instances whose agents can use one get an interface whose branches are those of the tasks.
	Trunk bool `json:"trunk,omitempty"`
}

// Domain is what the host names of interfaces end with.
const Domain = "lab.internal"

// Subnets of the lab. All are one network; they differ in the addresses that interfaces get. Any other name means SubnetIPv4.
const (
	SubnetIPv4 = "subnet-lab"
	SubnetDual = "subnet-lab-dual"
	SubnetIPv6 = "subnet-lab-ipv6"
)

// Places of addresses in each subnet.
const (
	gatewayHost = 1  // the bridge
	legHost     = 2  // the host
	trunkHost   = 3  // trunks
	firstHost   = 10 // interfaces
	lastHost    = 250
)

// Default is the lab that `local-ecs lab up` makes.
func Default() Lab {
	return Lab{Name: "ecs-lab", IPv4: netip.MustParsePrefix("10.200.0.0/24"), IPv6: netip.MustParsePrefix("fd00:c8::/64")}
}

// Check refuses what no lab can be made of.
func (l Lab) Check() error {
	switch {
	case l.Name == "" || len(l.Name) > 15 || filepath.Base(l.Name) != l.Name:
		return fmt.Errorf("name %q: a network interface gets it, too: 1 to 15 characters without /", l.Name)
	case !l.IPv4.Addr().Is4() || l.IPv4 != l.IPv4.Masked() || l.IPv4.Bits() > 24:
		return fmt.Errorf("IPv4 network %s: want one like 10.200.0.0/24, with room for 250 addresses", l.IPv4)
	case !l.IPv6.Addr().Is6() || l.IPv6 != l.IPv6.Masked() || l.IPv6.Bits() > 112:
		return fmt.Errorf("IPv6 network %s: want one like fd00:c8::/64", l.IPv6)
	}
	return nil
}

// host is the n-th address of a network.
func host(network netip.Prefix, n int) netip.Prefix {
	address := network.Addr()
	for range n {
		address = address.Next()
	}
	return netip.PrefixFrom(address, network.Bits())
}

// Gateways are the addresses of the bridge, with the lengths of the networks.
func (l Lab) Gateways() (ipv4, ipv6 netip.Prefix) {
	return host(l.IPv4, gatewayHost), host(l.IPv6, gatewayHost)
}

func (l Lab) leg() (ipv4, ipv6 netip.Prefix) { return host(l.IPv4, legHost), host(l.IPv6, legHost) }

// ErrFull says that every address is some task's.
var ErrFull = errors.New("no address is free in the lab")

// Allocate finds a free pair of addresses behind the last one that was given out: one just given back rests as long as
// possible, for others may still have its former owner in their neighbour tables.
func (l Lab) Allocate(last netip.Addr, taken func(ipv4 netip.Addr) bool) (ipv4, ipv6 netip.Addr, err error) {
	const number = lastHost - firstHost + 1
	start := 0
	for n := range number {
		if host(l.IPv4, firstHost+n).Addr() == last {
			start = n + 1
		}
	}
	for i := range number {
		n := firstHost + (start+i)%number
		if ipv4 = host(l.IPv4, n).Addr(); !taken(ipv4) {
			return ipv4, host(l.IPv6, n).Addr(), nil
		}
	}
	return ipv4, ipv6, ErrFull
}

// TrunkAddress is what trunks are said to have for an address. Nobody gives it to an interface.
func (l Lab) TrunkAddress() netip.Addr { return host(l.IPv4, trunkHost).Addr() }

// VLAN is the id of a branch with that address: no other interface has the address at the same time.
func (l Lab) VLAN(ipv4 netip.Addr) (int, error) {
	for n := firstHost; n <= lastHost; n++ {
		if host(l.IPv4, n).Addr() == ipv4 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s is not an address for tasks of %s", ipv4, l.IPv4)
}

func file(dir string) string { return filepath.Join(dir, "lab.json") }

// ErrNone says that there is no lab.
var ErrNone = errors.New("there is no lab")

// Load reads the lab of a data directory: ErrNone when there is none.
func Load(dir string) (Lab, error) {
	text, err := os.ReadFile(file(dir))
	if errors.Is(err, os.ErrNotExist) {
		return Lab{}, ErrNone
	}
	var l Lab
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err == nil {
		err = l.Check()
	}
	if err != nil {
		return Lab{}, fmt.Errorf("%s: %w; `local-ecs lab up` writes it anew", file(dir), err)
	}
	return l, nil
}

// ErrNoVLANs says why there can be no trunk.
var ErrNoVLANs = errors.New("this kernel knows no VLANs, which a trunk is made of: load the module 8021q (modprobe 8021q), or make the lab without --trunk")

// Up makes the network and writes the file into the data directory. A lab that is up already is made anew.
func (l Lab) Up(dir string) error {
	if err := l.Check(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if old, err := Load(dir); err == nil {
		if err := old.remove(); err != nil {
			return err
		}
	}
	if err := l.make(); err != nil {
		return errors.Join(err, l.remove())
	}
	text, err := json.MarshalIndent(l, "", "  ")
	if err == nil {
		err = os.WriteFile(file(dir), append(text, '\n'), 0o600)
	}
	if err != nil {
		return errors.Join(err, l.remove())
	}
	return nil
}

// Down removes the network, with all interfaces in it wherever they are, and the file.
func (l Lab) Down(dir string) error {
	return errors.Join(l.remove(), os.Remove(file(dir)))
}

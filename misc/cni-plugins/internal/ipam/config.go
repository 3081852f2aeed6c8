package ipam

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/containernetworking/cni/pkg/types"
)

// config is what a caller wants, by address family: IPv4 first.
type config struct {
	id       string
	families []*family
}

// family is one address family of a configuration.
type family struct {
	subnet  *net.IPNet
	address net.IP // nil: any
	gateway net.IP
	routes  []*types.Route
}

type configJSON struct {
	ID          string        `json:"id"`
	IPv4Subnet  *types.IPNet  `json:"ipv4-subnet"`
	IPv4Address *types.IPNet  `json:"ipv4-address"`
	IPv4Gateway net.IP        `json:"ipv4-gateway"`
	IPv4Routes  []types.Route `json:"ipv4-routes"`
	IPv6Subnet  *types.IPNet  `json:"ipv6-subnet"`
	IPv6Address *types.IPNet  `json:"ipv6-address"`
	IPv6Gateway net.IP        `json:"ipv6-gateway"`
	IPv6Routes  []types.Route `json:"ipv6-routes"`
}

func parse(text []byte) (*config, error) {
	var outer struct {
		IPAM *configJSON `json:"ipam"`
	}
	if err := json.Unmarshal(text, &outer); err != nil {
		return nil, fmt.Errorf("loadIPAMConfig config: failed to load netconf: %w", err)
	}
	j := outer.IPAM
	if j == nil {
		return nil, fmt.Errorf("loadIPAMConfig config: 'IPAM' field missing in configuration: %s", text)
	}
	if j.IPv4Subnet == nil && j.IPv6Subnet == nil {
		return nil, errors.New("loadIPAMConfig config: at least one subnet (ipv4 or ipv6) is required")
	}
	c := &config{id: j.ID}
	for _, given := range []struct {
		subnet, address *types.IPNet
		gateway         net.IP
		routes          []types.Route
	}{{j.IPv4Subnet, j.IPv4Address, j.IPv4Gateway, j.IPv4Routes}, {j.IPv6Subnet, j.IPv6Address, j.IPv6Gateway, j.IPv6Routes}} {
		if given.subnet == nil {
			continue
		}
		f, err := newFamily((*net.IPNet)(given.subnet), (*net.IPNet)(given.address), given.gateway)
		if err != nil {
			return nil, err
		}
		f.routes = routesOf(given.routes)
		c.families = append(c.families, f)
	}
	return c, nil
}

func newFamily(subnet, address *net.IPNet, gateway net.IP) (*family, error) {
	f := &family{subnet: &net.IPNet{IP: canonical(subnet.IP.Mask(subnet.Mask)), Mask: subnet.Mask}}
	ones, bits := subnet.Mask.Size()
	if bits-ones < 2 {
		return nil, errors.New("loadIPAMConfig config: no available ip in the subnet")
	}
	if address != nil {
		f.address = canonical(address.IP)
		if err := f.mustContain(f.address); err != nil {
			return nil, err
		}
		if f.reserved(f.address) {
			return nil, fmt.Errorf("ip specified is reserved by default: %v", net.IPNet{IP: f.address, Mask: address.Mask})
		}
	}
	f.gateway = f.after(f.subnet.IP)
	if gateway != nil {
		f.gateway = canonical(gateway)
		if err := f.mustContain(f.gateway); err != nil {
			return nil, err
		}
		if f.reserved(f.gateway) {
			return nil, fmt.Errorf("gateway specified is reserved by default: %v", f.gateway)
		}
	}
	return f, nil
}

func (f *family) mustContain(ip net.IP) error {
	if !f.subnet.Contains(ip) {
		return fmt.Errorf("verifyIPSubnet config: ip %v is not within the subnet %v", ip, *f.subnet)
	}
	return nil
}

func (c *config) hasAddress() bool {
	return slices.ContainsFunc(c.families, func(f *family) bool { return f.address != nil })
}

// canonical is the short form of an address, 4 bytes for IPv4.
func canonical(ip net.IP) net.IP {
	if v4 := ip.To4(); v4 != nil {
		return v4
	}
	return ip
}

func (f *family) isIPv4() bool { return f.subnet.IP.To4() != nil }

// in is the address with the length of the subnet.
func (f *family) in(ip net.IP) *net.IPNet { return &net.IPNet{IP: ip, Mask: f.subnet.Mask} }

func (f *family) ipName() string {
	if f.isIPv4() {
		return "IPV4"
	}
	return "IPV6"
}

// reserved reports whether ip is the address of the network itself or, which only IPv4 has, of all its hosts.
func (f *family) reserved(ip net.IP) bool {
	return ip.Equal(f.subnet.IP) || f.isIPv4() && ip.Equal(f.last())
}

// after is the next address of the subnet; the last one is followed by the first.
func (f *family) after(ip net.IP) net.IP {
	if ip.Equal(f.last()) {
		return f.subnet.IP
	}
	next := slices.Clone(canonical(ip))
	for i := len(next) - 1; i >= 0; i-- {
		next[i]++
		if next[i] != 0 {
			break
		}
	}
	return next
}

func (f *family) last() net.IP {
	last := slices.Clone(f.subnet.IP)
	for i := range last {
		last[i] |= ^f.subnet.Mask[i]
	}
	return last
}

package task

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxBindings is how many network bindings of one container the ECS API takes.
const maxBindings = 100

// Binding is a published port, or a range of them, as ECS shows it (ECS NetworkBinding). Either the ports or the ranges
// are set.
type Binding struct {
	BindIP             string
	ContainerPort      uint16
	HostPort           uint16
	ContainerPortRange string
	HostPortRange      string
	Protocol           Protocol
}

// NetworkBindings gives the container's published ports that its task definition asks for; a range is one binding per
// address. It is nil until the container runs.
func (c *Container) NetworkBindings() []Binding {
	var list []Binding
	for _, p := range c.Bindings {
		if c.SinglePorts.Has(p.ContainerPort) {
			list = append(list, Binding{BindIP: p.BindIP, ContainerPort: p.ContainerPort, HostPort: p.HostPort, Protocol: p.Protocol})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.HostRanges)) {
		for _, b := range c.rangeBindings(key, c.HostRanges[key]) {
			if !slices.Contains(list, b) {
				list = append(list, b)
			}
		}
	}
	return list
}

// ReportedBindings are the network bindings sent to ECS: without those on all IPv6 or all IPv4 addresses if excluded.
// ECS would refuse too many of them, which ranges can lead to: then the list is cut, and the error names the container and
// the task.
func (c *Container) ReportedBindings(excludeIPv6, excludeIPv4 bool) ([]Binding, error) {
	all := c.NetworkBindings()
	var tooMany error
	if c.HasPortRange && len(all) > maxBindings {
		tooMany = fmt.Errorf("no. of network bindings %d is more than the maximum supported no. %d, container: %s task: %s",
			len(all), maxBindings, c.Name, c.TaskARN)
	}
	list := slices.DeleteFunc(all, func(b Binding) bool {
		return excludeIPv6 && b.BindIP == "::" || excludeIPv4 && b.BindIP == "0.0.0.0"
	})
	if tooMany != nil {
		list = list[:min(len(list), maxBindings)]
	}
	return list, tooMany
}

// rangeBindings finds the bindings of a range by the first of its host ports. When none of them is published the container
// was found after a create call whose answer was lost, with ports that another choice had been made for: then what is
// published for the container's ports counts.
func (c *Container) rangeBindings(key, hostRange string) []Binding {
	text, protocol, limited := strings.Cut(key, "/")
	host, err := ParsePortRange(hostRange)
	if err != nil {
		return nil
	}
	asked, err := ParsePortRange(text)
	if err != nil {
		return nil
	}
	var chosen, published []Binding
	for _, p := range c.Bindings {
		if c.SinglePorts.Has(p.ContainerPort) || limited && p.Protocol.String() != protocol {
			continue
		}
		b := Binding{BindIP: p.BindIP, ContainerPortRange: text, HostPortRange: hostRange, Protocol: p.Protocol}
		if p.HostPort == host.First {
			chosen = append(chosen, b)
		} else if p.ContainerPort == asked.First {
			b.HostPortRange = PortRange{p.HostPort, p.HostPort + asked.Last - asked.First}.String()
			published = append(published, b)
		}
	}
	if len(chosen) == 0 {
		return published
	}
	return chosen
}

// HostRangeKey is the key under which the host range of a container range is kept in Container.HostRanges: the range as
// text, or with the protocol behind it when the other protocol has the same range.
func HostRangeKey(ranges map[string]string, containerRange PortRange, protocol Protocol) string {
	key := containerRange.String()
	if _, taken := ranges[key]; taken {
		key += "/" + protocol.String()
	}
	return key
}

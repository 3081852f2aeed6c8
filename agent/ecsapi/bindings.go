package ecsapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// maxBindings is how many network bindings the service takes of a container with port ranges.
const maxBindings = 100

// Ports says which ports of a container are published.
type Ports struct {
	// Observed are the bindings of the running container.
	Observed []task.PortMapping
	// Single are the container ports asked for one by one; HostRanges maps ranges of container ports to ranges of host
	// ports. Bindings of other ports are not reported.
	Single     task.PortSet
	HostRanges map[string]string
	// HasRange says that the container asked for at least one range.
	HasRange bool
}

type networkBinding struct {
	BindIP             string  `json:"bindIP"`
	ContainerPort      *uint16 `json:"containerPort,omitempty"`
	HostPort           *uint16 `json:"hostPort,omitempty"`
	ContainerPortRange string  `json:"containerPortRange,omitempty"`
	HostPortRange      string  `json:"hostPortRange,omitempty"`
	Protocol           string  `json:"protocol"`
}

// networkBindings returns the bindings to report. Nil means that the member is left out, empty that [] is sent: the latter
// happens only when nothing is filtered. A list over the limit is cut, so that it cannot block the reports of its task.
func (c *Client) networkBindings(taskARN, container string, p Ports) []networkBinding {
	all := bindingsOf(p)
	if p.HasRange && len(all) > maxBindings {
		logger.Error("Too many network bindings; reporting the first ones only", logger.F("taskARN", taskARN), logger.F("containerName", container),
			logger.Err(tooManyBindings(len(all), container, taskARN)))
	}
	kept := make([]networkBinding, 0, len(all))
	for _, b := range all {
		if !c.excluded[b.BindIP] {
			kept = append(kept, b)
		}
	}
	if p.HasRange && len(kept) > maxBindings {
		kept = kept[:maxBindings]
	}
	if len(kept) == 0 && len(c.excluded) > 0 {
		return nil
	}
	return kept
}

func tooManyBindings(n int, container, taskARN string) error {
	return fmt.Errorf("no. of network bindings %d is more than the maximum supported no. %d, container: %s task: %s", n, maxBindings, container, taskARN)
}

// bindingsOf lists single ports in observed order, then ranges in order of their text.
func bindingsOf(p Ports) []networkBinding {
	var all []networkBinding
	evidence := map[string][]task.PortMapping{} // host port → what is bound there
	for _, o := range p.Observed {
		if !p.Single.Has(o.ContainerPort) {
			host := fmt.Sprint(o.HostPort)
			evidence[host] = append(evidence[host], o)
			continue
		}
		all = append(all, networkBinding{BindIP: o.BindIP, ContainerPort: &o.ContainerPort, HostPort: &o.HostPort, Protocol: o.Protocol.String()})
	}
	for _, containerRange := range slices.Sorted(maps.Keys(p.HostRanges)) {
		hostRange := p.HostRanges[containerRange]
		// The first port stands for the whole range: Docker binds all of it or nothing.
		first, _, _ := strings.Cut(hostRange, "-")
		for _, o := range evidence[first] {
			b := networkBinding{BindIP: o.BindIP, ContainerPortRange: containerRange, HostPortRange: hostRange, Protocol: o.Protocol.String()}
			if !slices.Contains(all, b) {
				all = append(all, b)
			}
		}
	}
	return all
}

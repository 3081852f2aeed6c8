package proc

import (
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/netdev"
)

// carries reports whether the link connects a task with awsvpc network to the outside: the ENI, or its VLAN on a trunk.
// The pair of virtual interfaces to the host does not count. Where ENIs are made of other things, their addresses tell.
func carries(l netdev.Link, macs []string) bool {
	if l.Loopback {
		return false
	}
	return l.Kind == "" || l.Kind == "vlan" || slices.ContainsFunc(macs, func(mac string) bool { return strings.EqualFold(mac, l.MAC) && mac != "" })
}

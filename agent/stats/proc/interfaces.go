package proc

import "github.com/aws/amazon-ecs-agent/agent/netdev"

// carries reports whether the link connects a task with awsvpc network to the outside: the ENI, or its VLAN on a trunk.
// The pair of virtual interfaces to the host does not count.
func carries(l netdev.Link) bool {
	return (l.Kind == "" || l.Kind == "vlan") && !l.Loopback
}

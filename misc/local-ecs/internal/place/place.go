// Package place decides which container instance a task goes to. It is pure: instances and tasks in, a choice or the
// reasons against each instance out.
package place

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/query"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// Reasons of failures, as the API words them.
const (
	ReasonAgent     = "AGENT"
	ReasonAttribute = "ATTRIBUTE"
	ReasonCPU       = "RESOURCE:CPU"
	ReasonMemory    = "RESOURCE:MEMORY"
	ReasonPorts     = "RESOURCE:PORTS"
	ReasonGPU       = "RESOURCE:GPU"
	ReasonENI       = "RESOURCE:ENI"
	ReasonMemberOf  = "MemberOf placement constraint unsatisfied."
	ReasonDistinct  = "DistinctInstance placement constraint unsatisfied."
	ReasonInactive  = "INACTIVE"
	ReasonMissing   = "MISSING"
)

// Node is an instance with what is left of it.
type Node struct {
	Instance   *state.Instance
	Connected  bool // the agent holds a control session
	FreeCPU    int
	FreeMemory int
	FreeGPUs   []string
	TCP, UDP   map[int]bool // taken host ports
	Running    int
	Pending    int
	Groups     map[string]int // live tasks by group
}

// NewNode takes the live tasks off an instance's registered resources.
func NewNode(i *state.Instance, live []*state.Task, connected bool) *Node {
	n := &Node{Instance: i, Connected: connected, TCP: map[int]bool{}, UDP: map[int]bool{}, Groups: map[string]int{}}
	n.FreeGPUs = slices.Clone(i.GPUs)
	for _, r := range i.RegisteredResources {
		switch r.Name {
		case "CPU":
			n.FreeCPU = r.IntegerValue
		case "MEMORY":
			n.FreeMemory = r.IntegerValue
		case "PORTS":
			takePorts(n.TCP, r.StringSetValue)
		case "PORTS_UDP":
			takePorts(n.UDP, r.StringSetValue)
		}
	}
	for _, t := range live {
		n.Take(t)
	}
	return n
}

func takePorts(set map[int]bool, ports []string) {
	for _, p := range ports {
		if v, err := strconv.Atoi(p); err == nil {
			set[v] = true
		}
	}
}

// Take counts one more task.
func (n *Node) Take(t *state.Task) {
	n.FreeCPU -= t.Demand.CPU
	n.FreeMemory -= t.Demand.Memory
	n.Groups[t.Group]++
	if t.LastStatus == ecs.Running {
		n.Running++
	} else {
		n.Pending++
	}
	for _, p := range t.Demand.TCPPorts {
		n.TCP[p] = true
	}
	for _, p := range t.Demand.UDPPorts {
		n.UDP[p] = true
	}
	for _, c := range t.Containers {
		for _, b := range c.NetworkBindings {
			if b.HostPort != nil {
				n.ports(b.Protocol)[*b.HostPort] = true
			}
		}
	}
	for _, ids := range t.GPUs {
		n.FreeGPUs = slices.DeleteFunc(n.FreeGPUs, func(id string) bool { return slices.Contains(ids, id) })
	}
}

func (n *Node) ports(protocol string) map[int]bool {
	if protocol == "udp" {
		return n.UDP
	}
	return n.TCP
}

// Request is a task that looks for an instance.
type Request struct {
	Demand     ecs.Demand
	Attributes []ecs.Attribute
	MemberOf   []query.Expression
	Distinct   bool // at most one task of Group on an instance
	Group      string
	LaunchType string // "", EC2 or EXTERNAL; "" goes anywhere
	Strategy   []ecs.PlacementStrategy
}

// Constrain adds placement constraints to the request: InvalidParameterException for those that cannot be read.
func (r *Request) Constrain(constraints []ecs.PlacementConstraint) error {
	for _, c := range constraints {
		switch c.Type {
		case "distinctInstance":
			r.Distinct = true
		case "memberOf":
			e, err := query.Parse(c.Expression)
			if err != nil || c.Expression == "" {
				return ecs.InvalidParameter("Invalid expression in 'placementConstraints': '%s': %v.", c.Expression, err)
			}
			r.MemberOf = append(r.MemberOf, e)
		default:
			return ecs.InvalidParameter("Invalid 'placementConstraints' type: '%s'. Valid values: distinctInstance, memberOf.", c.Type)
		}
	}
	return nil
}

// CheckStrategy refuses strategies the service does not know: InvalidParameterException.
func CheckStrategy(strategy []ecs.PlacementStrategy) error {
	for _, s := range strategy {
		field := strings.ToLower(s.Field)
		switch {
		case s.Type == "random":
		case s.Type == "binpack" && (field == "cpu" || field == "memory"):
		case s.Type == "spread" && (field == "instanceid" || field == "host" || strings.HasPrefix(field, "attribute:")):
		default:
			return ecs.InvalidParameter("Invalid 'placementStrategy': type '%s' with field '%s'.", s.Type, s.Field)
		}
	}
	return nil
}

// Fit tells why the node cannot take the task; reason is empty when it can. The detail is for people.
func (n *Node) Fit(r *Request) (reason, detail string) {
	if !n.Connected {
		return ReasonAgent, "the agent of the container instance is not connected"
	}
	if _, external := n.Instance.Attribute("ecs.capability.external"); r.LaunchType != "" && external != (r.LaunchType == "EXTERNAL") {
		return ReasonAttribute, "launch type " + r.LaunchType
	}
	for _, a := range r.Attributes {
		v, ok := n.Instance.Attribute(a.Name)
		if !ok || a.Value != "" && a.Value != v {
			return ReasonAttribute, "missing attribute " + a.Name
		}
	}
	subject := n.Subject()
	for _, e := range r.MemberOf {
		if !e.Match(subject) {
			return ReasonMemberOf, ""
		}
	}
	switch {
	case r.Distinct && n.Groups[r.Group] > 0:
		return ReasonDistinct, ""
	case r.Demand.CPU > n.FreeCPU:
		return ReasonCPU, "needs " + strconv.Itoa(r.Demand.CPU) + " units, " + strconv.Itoa(n.FreeCPU) + " free"
	case r.Demand.Memory > n.FreeMemory:
		return ReasonMemory, "needs " + strconv.Itoa(r.Demand.Memory) + " MiB, " + strconv.Itoa(n.FreeMemory) + " free"
	case r.Demand.GPUs > len(n.FreeGPUs):
		return ReasonGPU, "needs " + strconv.Itoa(r.Demand.GPUs) + ", " + strconv.Itoa(len(n.FreeGPUs)) + " free"
	}
	for _, p := range r.Demand.TCPPorts {
		if n.TCP[p] {
			return ReasonPorts, "port " + strconv.Itoa(p) + "/tcp is taken"
		}
	}
	for _, p := range r.Demand.UDPPorts {
		if n.UDP[p] {
			return ReasonPorts, "port " + strconv.Itoa(p) + "/udp is taken"
		}
	}
	return "", ""
}

// Subject shows the node to the cluster query language.
func (n *Node) Subject() query.Subject {
	return func(name string) ([]string, bool) {
		if a, ok := strings.CutPrefix(name, "attribute:"); ok {
			v, ok := n.Instance.Attribute(a)
			if !ok {
				return nil, false
			}
			return []string{v}, true
		}
		switch name {
		case "ec2InstanceId":
			return []string{n.Instance.EC2InstanceID}, n.Instance.EC2InstanceID != ""
		case "agentConnected":
			return []string{strconv.FormatBool(n.Connected)}, true
		case "agentVersion":
			return []string{n.Instance.VersionInfo.AgentVersion}, true
		case "runningTasksCount":
			return []string{strconv.Itoa(n.Running)}, true
		case "pendingTasksCount":
			return []string{strconv.Itoa(n.Pending)}, true
		case "registeredAt":
			return []string{n.Instance.RegisteredAt.Format(time.RFC3339)}, true
		case "task:group":
			var groups []string
			for g := range n.Groups {
				groups = append(groups, g)
			}
			return groups, len(groups) > 0
		}
		return nil, false
	}
}

// Choose returns the best of the nodes that fit, or none and one failure for each node.
func Choose(nodes []*Node, r *Request) (*Node, []ecs.Failure) {
	var fitting []*Node
	var failures []ecs.Failure
	for _, n := range nodes {
		if reason, detail := n.Fit(r); reason != "" {
			failures = append(failures, ecs.Failure{Arn: n.Instance.ContainerInstanceArn, Reason: reason, Detail: detail})
		} else {
			fitting = append(fitting, n)
		}
	}
	if len(fitting) == 0 {
		return nil, failures
	}
	order(fitting, nodes, r)
	return fitting[0], nil
}

func order(fitting, all []*Node, r *Request) {
	rand.Shuffle(len(fitting), func(i, j int) { fitting[i], fitting[j] = fitting[j], fitting[i] })
	strategy := r.Strategy
	if len(strategy) == 0 {
		strategy = []ecs.PlacementStrategy{{Type: "spread", Field: "instanceId"}}
	}
	keys := make([]func(*Node) int, 0, len(strategy)+1)
	for _, s := range strategy {
		keys = append(keys, sortKey(s, all, r.Group))
	}
	// Equal so far: the less busy one.
	keys = append(keys, func(n *Node) int { return n.Running + n.Pending })
	slices.SortStableFunc(fitting, func(a, b *Node) int {
		for _, k := range keys {
			if c := cmp.Compare(k(a), k(b)); c != 0 {
				return c
			}
		}
		return 0
	})
	if strategy[0].Type == "random" {
		rand.Shuffle(len(fitting), func(i, j int) { fitting[i], fitting[j] = fitting[j], fitting[i] })
	}
}

func sortKey(s ecs.PlacementStrategy, all []*Node, group string) func(*Node) int {
	switch s.Type {
	case "binpack":
		if strings.EqualFold(s.Field, "cpu") {
			return func(n *Node) int { return n.FreeCPU }
		}
		return func(n *Node) int { return n.FreeMemory }
	case "spread":
		name, ok := strings.CutPrefix(s.Field, "attribute:")
		if !ok {
			return func(n *Node) int { return n.Groups[group] }
		}
		count := map[string]int{}
		for _, n := range all {
			v, _ := n.Instance.Attribute(name)
			count[v] += n.Groups[group]
		}
		return func(n *Node) int { v, _ := n.Instance.Attribute(name); return count[v] }
	}
	return func(*Node) int { return 0 }
}

// Remaining returns the instance's free resources in the form of the API: for ports, those taken.
func (n *Node) Remaining() []ecs.Resource {
	out := make([]ecs.Resource, 0, len(n.Instance.RegisteredResources))
	for _, r := range n.Instance.RegisteredResources {
		switch r.Name {
		case "CPU":
			r.IntegerValue = n.FreeCPU
		case "MEMORY":
			r.IntegerValue = n.FreeMemory
		case "PORTS":
			r.StringSetValue = portList(n.TCP)
		case "PORTS_UDP":
			r.StringSetValue = portList(n.UDP)
		case "GPU":
			r.StringSetValue = n.FreeGPUs
		}
		out = append(out, r)
	}
	return out
}

func portList(set map[int]bool) []string {
	ports := make([]int, 0, len(set))
	for p := range set {
		ports = append(ports, p)
	}
	slices.Sort(ports)
	out := make([]string, len(ports))
	for i, p := range ports {
		out[i] = strconv.Itoa(p)
	}
	return out
}

package hostnet

import "slices"

// The agent's address for containers, and its ports.
const (
	agentAddress      = "169.254.170.2"
	agentPort         = "80"
	credentialsTarget = "127.0.0.1:51679"
	credentialsPort   = "51679"
	introspectionPort = "51678"
)

// Filter says which of the protecting rules an operator left out.
type Filter struct {
	SkipLocalhost             bool // ECS_SKIP_LOCALHOST_TRAFFIC_FILTER
	AllowOffhostIntrospection bool // ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS
}

// rule is one rule of iptables.
type rule struct {
	table  string
	insert bool // at the head of the chain, else at its end
	spec   []string
	ipv6   bool // also in ip6tables
}

func words(list ...string) []string { return list }

// Containers reach the credentials endpoint of the agent at its own address.
var redirectContainers = rule{table: "nat", spec: words("PREROUTING", "-p", "tcp", "-d", agentAddress, "--dport", agentPort,
	"-j", "DNAT", "--to-destination", credentialsTarget)}

// So do processes of the host.
var redirectHost = rule{table: "nat", spec: words("OUTPUT", "-p", "tcp", "-d", agentAddress, "--dport", agentPort,
	"-j", "REDIRECT", "--to-ports", credentialsPort)}

// Now that packets for 127.0.0.0/8 are routed, other hosts must not reach what listens there.
var protectLocalhost = rule{table: "filter", insert: true, spec: words("INPUT", "--dst", "127.0.0.0/8", "!", "--src", "127.0.0.0/8",
	"-m", "conntrack", "!", "--ctstate", "RELATED,ESTABLISHED,DNAT", "-j", "DROP")}

// protectIntrospection keeps other hosts from the introspection port.
func protectIntrospection(loopback string) rule {
	return rule{table: "filter", insert: true, ipv6: true,
		spec: words("INPUT", "-p", "tcp", "--dport", introspectionPort, "!", "-i", loopback, "-j", "DROP")}
}

// allowBridge lets containers on Docker's default network through to it.
func allowBridge(bridge string) rule {
	return rule{table: "filter", insert: true, ipv6: true,
		spec: words("INPUT", "-p", "tcp", "--dport", introspectionPort, "-i", bridge, "-j", "ACCEPT")}
}

// wanted lists the rules in the order in which they are added: what is inserted last comes first in its chain. bridge
// is empty on hosts without a default network.
func wanted(f Filter, loopback, bridge string) []rule {
	rules := []rule{redirectContainers}
	if !f.SkipLocalhost {
		rules = append(rules, protectLocalhost)
	}
	if !f.AllowOffhostIntrospection {
		rules = append(rules, protectIntrospection(loopback))
		if bridge != "" {
			rules = append(rules, allowBridge(bridge))
		}
	}
	return append(rules, redirectHost)
}

// possible lists every rule that ecs-init may have added under any settings, except for the one of the bridge.
func possible(loopback string) []rule {
	return []rule{redirectContainers, protectLocalhost, protectIntrospection(loopback), redirectHost}
}

// arguments of iptables for an operation (-A, -I, -C, -D) on r. -w waits while another program changes the tables.
func (r rule) arguments(operation string) []string {
	return slices.Concat(words("-w", "-t", r.table, operation), r.spec)
}

func (r rule) add() string {
	if r.insert {
		return "-I"
	}
	return "-A"
}

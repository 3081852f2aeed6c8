package fault

import (
	"fmt"
	"strconv"
	"strings"
)

// Kinds of traffic, as requests and chains name them.
const (
	ingress = "ingress"
	egress  = "egress"
)

// Where containers reach the task server. A black hole never covers it: the task could not end its fault any more.
const (
	taskServerAddress = "169.254.170.2"
	taskServerPort    = 80
)

// blackhole drops the packets to a port. Its rules are a chain of their own in the filter table, named after all that makes
// two black holes different; what else was asked for is not compared.
type blackhole struct {
	Port     uint16
	Protocol string
	Traffic  string
	spared   []string // destinations that stay reachable
}

func (b blackhole) chain() string {
	return fmt.Sprintf("%s-%s-%d", b.Traffic, b.Protocol, b.Port)
}

func (b blackhole) hook() string {
	if b.Traffic == ingress {
		return "INPUT"
	}
	return "OUTPUT"
}

// A family is one of the two packet filters of a host.
type family struct {
	tool string
	all  string
	ipv6 bool
}

var families = []family{{"iptables", "0.0.0.0/0", false}, {"ip6tables", "::/0", true}}

// command is one call of the packet filter. It waits up to 5 s for the lock that all users of the tables share.
func (f family) command(args string) []string {
	return strings.Fields(f.tool + " -w 5 " + args)
}

// check asks whether the black hole exists. IPv4 speaks for both families: they come and go together.
func (b blackhole) check() []string {
	return families[0].command(fmt.Sprintf("-C %s -p %s --dport %d -j DROP", b.chain(), b.Protocol, b.Port))
}

// start are the commands that make the black hole in one family. The hook comes last: it has no effect before it is whole.
func (b blackhole) start(f family) [][]string {
	chain, port := b.chain(), strconv.Itoa(int(b.Port))
	commands := [][]string{f.command("-N " + chain)}
	for _, address := range b.spared {
		if isIPv6(address) == f.ipv6 {
			commands = append(commands, f.command("-A "+chain+" -p "+b.Protocol+" -d "+address+" --dport "+port+" -j ACCEPT"))
		}
	}
	return append(commands,
		f.command("-A "+chain+" -p "+b.Protocol+" -d "+f.all+" --dport "+port+" -j DROP"),
		f.command("-I "+b.hook()+" -j "+chain))
}

// stop are the commands that remove it. Each is worth trying whatever became of the others.
func (b blackhole) stop(f family) [][]string {
	chain := b.chain()
	return [][]string{f.command("-F " + chain), f.command("-D " + b.hook() + " -j " + chain), f.command("-X " + chain)}
}

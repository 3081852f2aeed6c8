//go:build integration

package hostnet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
)

// network is a network namespace that plays one host. Its programs are started by a thread that never leaves it.
type network struct {
	name string
	do   chan func()
}

// newNetwork makes a namespace that lives as long as the test.
func newNetwork(t *testing.T, name string) *network {
	t.Helper()
	n := &network{name: fmt.Sprintf("%s-%d", name, os.Getpid()), do: make(chan func())}
	shell(t, "ip", "netns", "add", n.name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", n.name).Run() })
	entered := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		entered <- enter(n.name)
		for f := range n.do {
			f()
		}
	}()
	if err := <-entered; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(n.do) })
	n.in(func() { shell(t, "ip", "link", "set", "lo", "up") })
	return n
}

func enter(name string) error {
	file, err := os.Open("/run/netns/" + name)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
}

// in runs f inside the namespace.
func (n *network) in(f func()) {
	done := make(chan struct{})
	n.do <- func() {
		defer close(done)
		f()
	}
	<-done
}

func shell(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// saved is the state of both firewalls without counters and comments.
func (n *network) saved(t *testing.T) string {
	t.Helper()
	var all string
	n.in(func() { all = shell(t, "iptables-save") + shell(t, "ip6tables-save") })
	var rules []string
	for line := range strings.Lines(all) {
		if !strings.HasPrefix(line, "#") {
			rules = append(rules, regexp.MustCompile(`\[\d+:\d+\]`).ReplaceAllString(line, ""))
		}
	}
	return strings.Join(rules, "")
}

func (n *network) firewall(t *testing.T) Firewall {
	t.Helper()
	return Firewall{Root: "/", Loopback: "lo", Run: func(ctx context.Context, name string, args ...string) (out string, err error) {
		n.in(func() { out, err = command.Exec(ctx, name, args...) })
		return out, err
	}}
}

func TestRulesComeAndGoCompletely(t *testing.T) {
	host := newNetwork(t, "rules")
	firewall := host.firewall(t)
	host.in(func() {
		shell(t, "ip", "link", "add", "docker0", "type", "bridge")
		// Tables appear with their first rule; these rules are of others and must stay.
		for _, program := range []string{"iptables", "ip6tables"} {
			shell(t, program, "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
		}
		shell(t, "iptables", "-t", "nat", "-A", "OUTPUT", "-d", "192.0.2.1", "-p", "tcp", "-j", "REDIRECT", "--to-ports", "99")
	})
	before := host.saved(t)
	for _, filter := range []Filter{{}, {SkipLocalhost: true}, {AllowOffhostIntrospection: true}, {SkipLocalhost: true, AllowOffhostIntrospection: true}} {
		for _, bridge := range []string{"docker0", ""} {
			t.Run(fmt.Sprintf("%+v bridge %q", filter, bridge), func(t *testing.T) {
				if err := firewall.Protect(t.Context(), filter, bridge); err != nil {
					t.Fatal(err)
				}
				protected := host.saved(t)
				checkSaved(t, protected, filter, bridge)
				if err := firewall.Protect(t.Context(), filter, bridge); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(protected, host.saved(t)); diff != "" {
					t.Errorf("the second time: %s", diff)
				}
				for range 2 {
					firewall.Remove(t.Context())
					if diff := cmp.Diff(before, host.saved(t)); diff != "" {
						t.Errorf("after the removal: %s", diff)
					}
				}
			})
		}
	}
	t.Run("copies and rules of other settings go as well", func(t *testing.T) {
		host.in(func() {
			for _, r := range append(wanted(Filter{}, "lo", "docker0"), wanted(Filter{}, "lo", "br-gone")...) {
				for _, program := range []string{"iptables", "ip6tables"} {
					if r.in(program) {
						shell(t, program, r.arguments(r.add())...)
					}
				}
			}
		})
		firewall.Remove(t.Context())
		if diff := cmp.Diff(before, host.saved(t)); diff != "" {
			t.Error(diff)
		}
	})
}

func checkSaved(t *testing.T, saved string, filter Filter, bridge string) {
	t.Helper()
	want := map[string]int{
		"-A PREROUTING -d 169.254.170.2/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 127.0.0.1:51679":               1,
		"-A OUTPUT -d 169.254.170.2/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 51679":                               1,
		"-A INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP":                1,
		"-A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP":                                                              2, // IPv4 and IPv6
		"-A INPUT -i docker0 -p tcp -m tcp --dport 51678 -j ACCEPT\n-A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP\n": 2,
	}
	for rule := range want {
		switch {
		case strings.Contains(rule, "conntrack") && filter.SkipLocalhost,
			strings.Contains(rule, "51678") && filter.AllowOffhostIntrospection,
			strings.Contains(rule, "docker0") && bridge == "":
			want[rule] = 0
		}
		if got := strings.Count(saved, rule); got != want[rule] {
			t.Errorf("%d times, want %d: %s\n%s", got, want[rule], rule, saved)
		}
	}
}

// join connects two namespaces with a cable; its ends get addresses with prefix lengths, empty means none.
func join(t *testing.T, a *network, devA, addrA string, b *network, devB, addrB string) {
	t.Helper()
	a.in(func() {
		shell(t, "ip", "link", "add", devA, "type", "veth", "peer", "name", devB, "netns", b.name)
		if addrA != "" {
			shell(t, "ip", "addr", "add", addrA, "dev", devA)
		}
		shell(t, "ip", "link", "set", devA, "up")
	})
	b.in(func() {
		shell(t, "ip", "addr", "add", addrB, "dev", devB)
		shell(t, "ip", "link", "set", devB, "up")
	})
}

// serve answers every connection to an address inside the namespace with a word.
func (n *network) serve(t *testing.T, address, word string) {
	t.Helper()
	var listener net.Listener
	var err error
	n.in(func() { listener, err = net.Listen("tcp", address) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, word+"\n")
			_ = conn.Close()
		}
	}()
}

// reach gives what a connection from inside the namespace is answered with; empty when there is none.
func (n *network) reach(address string) (answer string) {
	n.in(func() {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
		answer, _ = bufio.NewReader(conn).ReadString('\n')
	})
	return strings.TrimSpace(answer)
}

func TestWhoReachesTheAgent(t *testing.T) {
	host, containers, peer := newNetwork(t, "host"), newNetwork(t, "task"), newNetwork(t, "peer")
	host.in(func() {
		shell(t, "ip", "link", "add", "docker0", "type", "bridge")
		shell(t, "ip", "addr", "add", "172.30.0.1/16", "dev", "docker0")
		shell(t, "ip", "link", "set", "docker0", "up")
		shell(t, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
		shell(t, "ip", "route", "add", "default", "via", "172.30.0.9")
	})
	join(t, host, "veth-task", "", containers, "eth0", "172.30.0.2/16")
	host.in(func() { shell(t, "ip", "link", "set", "veth-task", "master", "docker0") })
	containers.in(func() { shell(t, "ip", "route", "add", "default", "via", "172.30.0.1") })
	join(t, host, "eth0", "192.0.2.1/24", peer, "eth0", "192.0.2.2/24")
	// The peer is malicious: it sends packets for the host's 127.0.0.1.
	peer.in(func() {
		shell(t, "ip", "link", "set", "lo", "down")
		shell(t, "ip", "addr", "flush", "dev", "lo")
		shell(t, "sysctl", "-q", "-w", "net.ipv4.conf.all.route_localnet=1")
		shell(t, "ip", "route", "add", "127.0.0.0/8", "via", "192.0.2.1", "dev", "eth0")
	})
	host.serve(t, "127.0.0.1:51679", "credentials")
	host.serve(t, "0.0.0.0:51678", "introspection")

	firewall := host.firewall(t)
	reached := func() map[string]string {
		return map[string]string{
			"a process of the host, credentials":                host.reach("169.254.170.2:80"),
			"a process of the host, introspection":              host.reach("127.0.0.1:51678"),
			"a container, credentials":                          containers.reach("169.254.170.2:80"),
			"a container, introspection":                        containers.reach("172.30.0.1:51678"),
			"another host, introspection":                       peer.reach("192.0.2.1:51678"),
			"another host, credentials":                         peer.reach("192.0.2.1:51679"),
			"another host with packets for 127.0.0.1":           peer.reach("127.0.0.1:51679"),
			"another host with packets for the agent's address": peer.reach("169.254.170.2:80"),
		}
	}
	protect := func(filter Filter) {
		t.Helper()
		if err := EnableLoopbackRouting(t.Context(), firewall.Run); err != nil {
			t.Fatal(err)
		}
		if err := firewall.Protect(t.Context(), filter, "docker0"); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{
		"a process of the host, credentials":   "credentials",
		"a process of the host, introspection": "introspection",
		"a container, credentials":             "credentials",
		"a container, introspection":           "introspection",
	}
	check := func(when string) {
		t.Helper()
		got := reached()
		for who, word := range got {
			if word != want[who] {
				t.Errorf("%s: %s got %q, want %q", when, who, word, want[who])
			}
		}
	}
	protect(Filter{})
	check("protected")

	// Without the filters the same packets get through: the test can fail.
	firewall.Remove(t.Context())
	protect(Filter{SkipLocalhost: true, AllowOffhostIntrospection: true})
	want["another host, introspection"] = "introspection"
	want["another host with packets for 127.0.0.1"] = "credentials"
	check("with everything allowed")
	firewall.Remove(t.Context())

	if err := RestoreLoopbackRouting(t.Context(), firewall.Run); err != nil {
		t.Error(err)
	}
	host.in(func() {
		if got := strings.TrimSpace(shell(t, "sysctl", "-n", "net.ipv4.conf.all.route_localnet")); got != "0" {
			t.Errorf("route_localnet is %s", got)
		}
	})
}

func TestRouteOfAHostWithIPv6Alone(t *testing.T) {
	host := newNetwork(t, "v6")
	routes := func() (list string) {
		host.in(func() { list = shell(t, "ip", "-4", "route", "show") })
		return list
	}
	root := t.TempDir()
	host.in(func() {
		// /proc/net is that of the process's first thread; the one in the namespace has its own.
		thread := fmt.Sprintf("/proc/%d/task/%d/net", os.Getpid(), unix.Gettid())
		if err := errors.Join(os.MkdirAll(root+"/proc", 0o755), os.Symlink(thread, root+"/proc/net")); err != nil {
			t.Error(err)
		}
	})
	change := func(do func(root string) error) {
		t.Helper()
		host.in(func() {
			if err := do(root); err != nil {
				t.Error(err)
			}
		})
	}
	const route = "169.254.170.2 dev lo scope link"
	for range 2 {
		change(AddAgentRoute)
		if got := strings.TrimSpace(routes()); got != route {
			t.Errorf("routes %q", got)
		}
	}
	for range 2 {
		change(RemoveAgentRoute)
		if got := strings.TrimSpace(routes()); got != "" {
			t.Errorf("routes %q", got)
		}
	}
	host.in(func() {
		shell(t, "ip", "link", "add", "eth0", "type", "bridge")
		shell(t, "ip", "addr", "add", "192.0.2.1/24", "dev", "eth0")
		shell(t, "ip", "link", "set", "eth0", "up")
		shell(t, "ip", "route", "add", "default", "via", "192.0.2.2", "dev", "eth0")
	})
	before := routes()
	change(AddAgentRoute)
	if got := routes(); got != before {
		t.Errorf("a host with IPv4 got %q", got)
	}
}

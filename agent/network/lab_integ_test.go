//go:build integration

package network_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const (
	gateway      = "10.9.0.1"
	gateway6     = "fd00:9::1"
	credentials  = "169.254.170.2"
	instanceData = "169.254.169.254"
)

// lab is a host of its own: a network namespace with a VPC, in which the plug-ins run. Docker is that of the machine; it has
// no part in the network of the tasks.
type lab struct {
	t         *testing.T
	namespace string
	plugins   string // directory
	leases    string // file
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("this test makes network namespaces, for which it takes root")
	}
	l := &lab{t: t, namespace: dockertest.Name("lab"), plugins: filepath.Join(t.TempDir(), "plugins"), leases: filepath.Join(t.TempDir(), "ipam.db")}
	l.host("ip", "netns", "add", l.namespace)
	t.Cleanup(func() { l.host("ip", "netns", "del", l.namespace) })
	for _, command := range []string{
		"ip link set lo up",
		"ip addr add " + credentials + "/32 dev lo", "ip addr add " + instanceData + "/32 dev lo",
		"ip link add vpc type bridge", "ip link set vpc up",
		"ip addr add " + gateway + "/24 dev vpc", "ip addr add " + gateway6 + "/64 dev vpc nodad",
	} {
		l.run(command)
	}
	l.buildPlugins()
	t.Setenv("IPAM_DB_PATH", l.leases)
	for _, address := range []string{credentials, instanceData, "[" + gateway6 + "]"} {
		l.serve(l.path(), address+":80")
	}
	return l
}

// buildPlugins makes the plug-ins; each is called through a script that enters the lab.
func (l *lab) buildPlugins() {
	l.t.Helper()
	real := filepath.Join(l.plugins, "real")
	if err := os.MkdirAll(real, 0o755); err != nil {
		l.t.Fatal(err)
	}
	l.host("go", "build", "-o", filepath.Join(real, "all"), "github.com/aws/amazon-ecs-agent/misc/cni-plugins")
	for _, name := range []string{"vpc-eni", "vpc-branch-eni", "ecs-bridge", "ecs-ipam", "aws-appmesh", "ecs-serviceconnect"} {
		script := fmt.Sprintf("#!/bin/sh\nexec nsenter --net=%s %s/%s \"$@\"\n", l.path(), real, name)
		if err := os.Symlink("all", filepath.Join(real, name)); err != nil {
			l.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(l.plugins, name), []byte(script), 0o755); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *lab) path() string { return "/run/netns/" + l.namespace }

func (l *lab) host(name string, args ...string) string {
	l.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// run runs a command in the lab.
func (l *lab) run(command string) string {
	l.t.Helper()
	return l.host("ip", append([]string{"netns", "exec", l.namespace}, strings.Fields(command)...)...)
}

func mac(n int) string { return fmt.Sprintf("02:09:00:00:00:%02x", n) }

// attach plugs interface number n in, as EC2 does.
func (l *lab) attach(n int) task.ENI {
	l.t.Helper()
	l.run(fmt.Sprintf("ip link add eni%d address %s type veth peer name port%d", n, mac(n), n))
	l.run(fmt.Sprintf("ip link set port%d master vpc up", n))
	return task.ENI{
		EC2ID: fmt.Sprintf("eni-%d", n), MAC: mac(n), IPv4: []task.ENIAddress{{Primary: true, Address: fmt.Sprintf("10.9.0.%d", n)}},
		IPv6: []task.ENIAddress{{Address: fmt.Sprintf("fd00:9::%d", n)}}, GatewayIPv4: gateway + "/24", GatewayIPv6: gateway6 + "/64",
		NameServers: []string{"10.9.0.2"}, SearchDomains: []string{"lab.internal"}, DNSName: fmt.Sprintf("ip-10-9-0-%d.lab.internal", n), Protocol: task.ENIDefault,
	}
}

// trunkMAC is the address of the trunk.
const trunkMAC = "02:0a:00:00:00:01"

// trunk plugs an interface in whose branch with the given VLAN id belongs to the VPC, too; false where the kernel knows no
// VLANs.
func (l *lab) trunk(vlan int) bool {
	l.t.Helper()
	l.run("ip link add trunk address " + trunkMAC + " type veth peer name switch")
	l.run("ip link set switch up")
	add := exec.Command("ip", "netns", "exec", l.namespace, "ip", "link", "add", "link", "switch", "name", "switch.1", "type", "vlan", "id", strconv.Itoa(vlan))
	if text, err := add.CombinedOutput(); err != nil {
		l.t.Logf("branch interfaces are not tested: %v: %s", err, text)
		return false
	}
	l.run("ip link set switch.1 master vpc up")
	return true
}

// view is what there is in the lab: links (interfaces by their MAC address, since they come back under another name), routes,
// rules, namespaces. What comes and goes by itself is left out.
func (l *lab) view() []string {
	l.t.Helper()
	var lines []string
	for line := range strings.Lines(l.run("ip -o link")) {
		name, _, _ := strings.Cut(strings.TrimSuffix(strings.Fields(line)[1], ":"), "@")
		if _, after, found := strings.Cut(line, "link/ether 02:09:"); found {
			name = "02:09:" + strings.Fields(after)[0]
		}
		lines = append(lines, "link "+name)
	}
	for _, command := range []string{"ip route show table all", "ip -6 route show table all", "ip rule", "ip -6 rule"} {
		for line := range strings.Lines(l.run(command)) {
			if !strings.Contains(line, "fe80:") && !strings.HasPrefix(line, "multicast ") && !strings.HasPrefix(line, "anycast ") {
				lines = append(lines, strings.TrimSpace(strings.ReplaceAll(line, "linkdown ", "")))
			}
		}
	}
	for line := range strings.Lines(l.host("ip", "netns", "list")) {
		lines = append(lines, "namespace "+strings.TrimSpace(line))
	}
	slices.Sort(lines)
	return lines
}

// owners are those of local addresses.
func (l *lab) owners() []string {
	l.t.Helper()
	db, err := bolt.Open(l.leases, 0o600, &bolt.Options{Timeout: 5 * time.Second, ReadOnly: true})
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	var owners []string
	err = db.View(func(tx *bolt.Tx) error {
		leases := tx.Bucket([]byte("IPAM"))
		if leases == nil {
			return nil
		}
		return leases.ForEach(func(k, v []byte) error {
			if owner := string(v[8:]); strings.HasPrefix(string(k), "1") && owner != "GateWay" {
				owners = append(owners, string(k)+" "+owner)
			}
			return nil
		})
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return owners
}

// inside runs f on a thread in a network namespace, which ends with it.
func inside(path string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		ns, err := os.Open(path)
		if err != nil {
			done <- err
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// serve answers everybody in a namespace with his own address.
func (l *lab) serve(namespace, address string) {
	l.t.Helper()
	var listener net.Listener
	err := until(10*time.Second, func() error { // IPv6 addresses take a moment
		return inside(namespace, func() (err error) {
			listener, err = net.Listen("tcp", address)
			return err
		})
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
			_, _ = io.WriteString(conn, host)
			conn.Close()
		}
	}()
}

// dial says as whom the server at an address sees a caller in the namespace.
func dial(namespace, address string) (seen string, err error) {
	err = inside(namespace, func() error {
		conn, err := net.DialTimeout("tcp", address, 2*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		text, err := io.ReadAll(conn)
		seen = string(text)
		return err
	})
	return seen, err
}

// until tries f until it succeeds, and gives its last error when the time is over.
func until(limit time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

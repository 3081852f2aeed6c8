//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	types040 "github.com/containernetworking/cni/pkg/types/040"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// programs is the directory with the plugins, made by TestMain.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getuid() != 0 {
			fmt.Fprintln(os.Stderr, "skipped: these tests make network namespaces, for which it takes root")
			return 0
		}
		dir, err := os.MkdirTemp("", "cni-plugins")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		programs = dir
		if err := provide(filepath.Join(dir, plugins[0].Name)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		for _, p := range plugins[1:] {
			if err := os.Symlink(plugins[0].Name, filepath.Join(dir, p.Name)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		return m.Run()
	}())
}

// provide puts the program there: built, or one that was built before, on machines without Go.
func provide(path string) error {
	if built := os.Getenv("CNI_PLUGINS_BUILT"); built != "" {
		return os.Symlink(built, path)
	}
	if text, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	return nil
}

// lab is a host of its own, a network namespace in which the plugins run, with tasks and a network beside it.
type lab struct {
	t    *testing.T
	host *space
	dir  string
}

// space is a network namespace, named for error texts.
type space struct {
	ns.NetNS
	t    *testing.T
	name string
}

func newLab(t *testing.T) *lab {
	return &lab{t: t, host: newSpace(t, "host"), dir: t.TempDir()}
}

func newSpace(t *testing.T, name string) *space {
	t.Helper()
	n, err := ns.TempNetNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	s := &space{n, t, name}
	s.do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	return s
}

// path leads other processes to the namespace.
func (s *space) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), s.Fd()) }

// do runs f in the namespace.
func (s *space) do(f func() error) {
	s.t.Helper()
	if err := s.Do(func(ns.NetNS) error { return f() }); err != nil {
		s.t.Fatalf("in %s: %v", s.name, err)
	}
}

// sh runs a command in the namespace and returns what it prints.
func (s *space) sh(name string, args ...string) string {
	s.t.Helper()
	var out []byte
	s.do(func() (err error) {
		if out, err = exec.Command(name, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
		}
		return nil
	})
	return string(out)
}

// plugin runs a plugin in the host. Its configuration gets a version and a name.
func (l *lab) plugin(command, name, ifName, netns, config string) (*types040.Result, error) {
	env := append(os.Environ(), "CNI_COMMAND="+command, "CNI_CONTAINERID=c", "CNI_NETNS="+netns, "CNI_IFNAME="+ifName, "CNI_PATH="+programs,
		"IPAM_DB_PATH="+l.database(), "IPAM_DB_CONNECTION_TIMEOUT=50s", // the disk of a test machine may be slow
		"ECS_CNI_LOG_FILE="+filepath.Join(l.dir, "ecs.log"), "VPC_CNI_LOG_FILE="+filepath.Join(l.dir, "vpc.log"))
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(filepath.Join(programs, name))
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &stdout, &stderr
	cmd.Stdin = strings.NewReader(`{"cniVersion":"0.3.0","name":"network-name","type":"` + name + `",` + strings.TrimPrefix(config, "{"))
	if err := l.host.Do(func(ns.NetNS) error { return cmd.Run() }); err != nil {
		var failure struct{ Msg, Details string }
		if jsonErr := json.Unmarshal(stdout.Bytes(), &failure); jsonErr != nil {
			return nil, fmt.Errorf("%s %s: %w: no error object: %q, %q", name, command, err, &stdout, &stderr)
		}
		return nil, errors.New(strings.TrimSuffix(failure.Msg+"; "+failure.Details, "; "))
	}
	if command == "DEL" {
		if stdout.Len() > 0 {
			return nil, fmt.Errorf("%s DEL prints %q", name, &stdout)
		}
		return nil, nil
	}
	result := &types040.Result{}
	return result, json.Unmarshal(stdout.Bytes(), result)
}

func (l *lab) database() string { return filepath.Join(l.dir, "eni-ipam.db") }

// must is plugin for calls that succeed.
func (l *lab) must(command, name, ifName string, task *space, config string) *types040.Result {
	l.t.Helper()
	result, err := l.plugin(command, name, ifName, task.path(), config)
	if err != nil {
		l.t.Fatalf("%s %s in %s: %v", name, command, task.name, err)
	}
	return result
}

// fails is plugin for calls that fail, with that text.
func (l *lab) fails(want, command, name, ifName string, task *space, config string) {
	l.t.Helper()
	if _, err := l.plugin(command, name, ifName, task.path(), config); err == nil || err.Error() != want {
		l.t.Errorf("%s %s in %s: error %v, want %s", name, command, task.name, err, want)
	}
}

// interfaceTo adds an interface to the host, like one that was attached to an instance, whose other end is in a network.
// It returns its hardware address.
func (l *lab) interfaceTo(network *space, name, mac string, gateways ...string) {
	l.t.Helper()
	address, err := net.ParseMAC(mac)
	if err != nil {
		l.t.Fatal(err)
	}
	l.host.do(func() error {
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, HardwareAddr: address, TxQLen: -1, MTU: 9001}, PeerName: "peer", PeerTxQLen: -1}
		if err := netlink.LinkAdd(pair); err != nil {
			return err
		}
		peer, err := netlink.LinkByName("peer")
		if err != nil {
			return err
		}
		return netlink.LinkSetNsFd(peer, int(network.Fd()))
	})
	network.do(func() error {
		peer, err := netlink.LinkByName("peer")
		if err != nil {
			return err
		}
		err = errors.Join(netlink.LinkSetName(peer, "to-"+name), netlink.LinkSetUp(peer))
		for _, gateway := range gateways {
			a, parseErr := netlink.ParseAddr(gateway)
			if parseErr != nil {
				return parseErr
			}
			if a.IP.To4() == nil {
				a.Flags = unix.IFA_F_NODAD
			}
			err = errors.Join(err, netlink.AddrAdd(peer, a))
		}
		return err
	})
}

// view is what there is in a namespace, one line each: interfaces with their addresses, routes, rules, packet filters.
func (s *space) view() []string {
	s.t.Helper()
	var lines []string
	s.do(func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		names := map[int]string{}
		for _, l := range links {
			names[l.Attrs().Index] = l.Attrs().Name
		}
		for _, l := range links {
			line, err := viewLink(l, names)
			if err != nil {
				return err
			}
			lines = append(lines, line)
		}
		for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
			routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
			if err != nil {
				return err
			}
			for _, r := range routes {
				// Link-local addresses come when the kernel is ready for them.
				if r.Table != unix.RT_TABLE_LOCAL && r.Dst.String() != "fe80::/64" {
					lines = append(lines, viewRoute(r, names))
				}
			}
			rules, err := netlink.RuleList(family)
			if err != nil {
				return err
			}
			for _, r := range rules {
				if r.Mark != 0 {
					lines = append(lines, fmt.Sprintf("rule family %d mark %d table %d", family, r.Mark, r.Table))
				}
			}
		}
		return nil
	})
	for _, program := range []string{"iptables-save", "ip6tables-save"} {
		for line := range strings.Lines(s.sh(program)) {
			if strings.HasPrefix(line, "-A") || strings.HasPrefix(line, ":") && strings.Contains(line, " - ") {
				lines = append(lines, strings.TrimSuffix(program, "-save")+" "+strings.TrimSuffix(strings.Split(line, " [")[0], "\n"))
			}
		}
	}
	return lines
}

func viewLink(l netlink.Link, names map[int]string) (string, error) {
	a := l.Attrs()
	state := "down"
	if a.Flags&net.FlagUp != 0 {
		state = "up"
	}
	line := fmt.Sprintf("link %s %s mtu %d %s", a.Name, l.Type(), a.MTU, state)
	if a.Name != "lo" {
		line += " mac " + a.HardwareAddr.String()
	}
	if a.MasterIndex != 0 {
		line += " port of " + names[a.MasterIndex]
	}
	addresses, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	for _, address := range addresses {
		if !address.IP.IsLinkLocalUnicast() || address.IP.To4() != nil {
			line += " " + address.IPNet.String()
		}
	}
	return line, err
}

func viewRoute(r netlink.Route, names map[int]string) string {
	line := "route "
	if r.Type != unix.RTN_UNICAST {
		line += map[int]string{unix.RTN_BLACKHOLE: "blackhole ", unix.RTN_LOCAL: "local "}[r.Type]
	}
	line += r.Dst.String()
	if r.Gw != nil {
		line += " via " + r.Gw.String()
	}
	if r.Type != unix.RTN_BLACKHOLE {
		line += " dev " + names[r.LinkIndex]
	}
	if r.Table != unix.RT_TABLE_MAIN {
		line += fmt.Sprintf(" table %d", r.Table)
	}
	return line
}

// added compares two views and returns what is new in the second. Nothing of the first may be gone.
func added(t *testing.T, before, after []string) []string {
	t.Helper()
	var fresh []string
	left := slices.Clone(before)
	for _, line := range after {
		if i := slices.Index(left, line); i >= 0 {
			left = slices.Delete(left, i, i+1)
			continue
		}
		fresh = append(fresh, line)
	}
	if len(left) > 0 {
		t.Errorf("gone: %q", left)
	}
	slices.Sort(fresh)
	return fresh
}

func sameLines(t *testing.T, what string, want, got []string) {
	t.Helper()
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

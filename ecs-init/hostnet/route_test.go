package hostnet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const routeHead = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

func TestHasIPv4DefaultRoute(t *testing.T) {
	cases := []struct {
		name, table string
		want        bool
	}{
		{"a default route with a gateway", routeHead +
			"eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", true},
		{"only networks", routeHead +
			"eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n", false},
		{"a default route without a gateway", routeHead +
			"tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n", false},
		{"half of the addresses", routeHead +
			"tun0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n", false},
		{"no routes", routeHead, false},
		{"nothing", "", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, "/proc/net"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "/proc/net/route"), []byte(c.table), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, err := HasIPv4DefaultRoute(root); got != c.want || err != nil {
				t.Errorf("%t, %v", got, err)
			}
		})
	}
	if got, err := HasIPv4DefaultRoute(t.TempDir()); got || err != nil {
		t.Errorf("without IPv4: %t, %v", got, err)
	}
}

func TestAHostWithIPv4IsLeftAlone(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "/proc/net/route"), 0o755); err != nil { // a directory cannot be read
		t.Fatal(err)
	}
	if err := AddAgentRoute(root); err == nil || !strings.HasPrefix(err.Error(), "error when looking up IPv4 default routes: ") {
		t.Errorf("%v", err)
	}
	change := func(int) error { return errors.New("boom") }
	empty := t.TempDir()
	if err := onIPv6OnlyHost(empty, "adding", change); err == nil || !strings.HasPrefix(err.Error(), "error adding route 169.254.170.2/32 dev lo: boom") {
		t.Errorf("%v", err)
	}
	withIPv4 := t.TempDir()
	if err := os.MkdirAll(filepath.Join(withIPv4, "/proc/net"), 0o755); err != nil {
		t.Fatal(err)
	}
	table := routeHead + "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
	if err := os.WriteFile(filepath.Join(withIPv4, "/proc/net/route"), []byte(table), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := onIPv6OnlyHost(withIPv4, "adding", change); err != nil {
		t.Errorf("%v", err)
	}
}

func TestLoopbackName(t *testing.T) {
	if name, err := LoopbackName(); err != nil || name == "" {
		t.Errorf("%q, %v", name, err)
	}
}

// recorder runs nothing and remembers what it should have run.
type recorder struct {
	lines  []string
	answer string
	err    error
}

func (r *recorder) run(_ context.Context, name string, args ...string) (string, error) {
	r.lines = append(r.lines, name+" "+strings.Join(args, " "))
	return r.answer, r.err
}

func TestSysctl(t *testing.T) {
	r := &recorder{answer: "net.ipv4.conf.default.route_localnet = 0\n"}
	if err := errors.Join(EnableLoopbackRouting(t.Context(), r.run), DisableRouterAdvertisements(t.Context(), r.run), RestoreLoopbackRouting(t.Context(), r.run)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"sysctl -w net.ipv4.conf.all.route_localnet=1",
		"sysctl -e -w net.ipv6.conf.docker0.accept_ra=0",
		"sysctl net.ipv4.conf.default.route_localnet",
		"sysctl -w net.ipv4.conf.all.route_localnet=0",
	}
	if !slices.Equal(r.lines, want) {
		t.Errorf("%v", r.lines)
	}
	on := &recorder{answer: "net.ipv4.conf.default.route_localnet=1"}
	if err := RestoreLoopbackRouting(t.Context(), on.run); err != nil || on.lines[1] != "sysctl -w net.ipv4.conf.all.route_localnet=1" {
		t.Errorf("%v, %v", err, on.lines)
	}
	odd := &recorder{answer: "nonsense"}
	if err := RestoreLoopbackRouting(t.Context(), odd.run); err == nil || len(odd.lines) != 1 {
		t.Errorf("%v, %v", err, odd.lines)
	}
	broken := &recorder{err: errors.New("boom")}
	if EnableLoopbackRouting(t.Context(), broken.run) == nil || RestoreLoopbackRouting(t.Context(), broken.run) == nil {
		t.Error("no error")
	}
}

package lab

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAllocate(t *testing.T) {
	l := Default()
	taken := map[netip.Addr]bool{}
	last := netip.Addr{}
	give := func() string {
		ipv4, ipv6, err := l.Allocate(last, func(a netip.Addr) bool { return taken[a] })
		if err != nil {
			return err.Error()
		}
		taken[ipv4], last = true, ipv4
		return ipv4.String() + " " + ipv6.String()
	}
	for _, want := range []string{"10.200.0.10 fd00:c8::a", "10.200.0.11 fd00:c8::b"} {
		if got := give(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	delete(taken, netip.MustParseAddr("10.200.0.10"))
	if got := give(); got != "10.200.0.12 fd00:c8::c" {
		t.Errorf("an address given back does not rest: %s", got)
	}
	last = netip.MustParseAddr("10.200.0.250")
	if got := give(); got != "10.200.0.10 fd00:c8::a" {
		t.Errorf("behind the last one: %s", got)
	}
	for n := firstHost; n <= lastHost; n++ {
		taken[host(l.IPv4, n).Addr()] = true
	}
	if got := give(); got != ErrFull.Error() {
		t.Errorf("nothing left: %s", got)
	}
}

func TestCheck(t *testing.T) {
	for name, change := range map[string]func(*Lab){
		"a name longer than an interface's": func(l *Lab) { l.Name = "abcdefghijklmnop" },
		"a name with a slash":               func(l *Lab) { l.Name = "a/b" },
		"no name":                           func(l *Lab) { l.Name = "" },
		"an address, no network":            func(l *Lab) { l.IPv4 = netip.MustParsePrefix("10.0.0.1/24") },
		"too small":                         func(l *Lab) { l.IPv4 = netip.MustParsePrefix("10.0.0.0/25") },
		"the wrong family":                  func(l *Lab) { l.IPv6 = netip.MustParsePrefix("10.0.0.0/24") },
		"none":                              func(l *Lab) { l.IPv6 = netip.Prefix{} },
	} {
		l := Default()
		change(&l)
		if l.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := Default().Check(); err != nil {
		t.Error(err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); !errors.Is(err, ErrNone) {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lab.json"), []byte(`{"name":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "local-ecs lab up") {
		t.Errorf("with a wrong file: %v", err)
	}
}

func TestVLAN(t *testing.T) {
	l := Default()
	for address, want := range map[string]int{"10.200.0.10": 10, "10.200.0.250": 250, "10.200.0.9": 0, "10.201.0.10": 0} {
		if got, err := l.VLAN(netip.MustParseAddr(address)); got != want || (err != nil) != (want == 0) {
			t.Errorf("%s: %d, %v", address, got, err)
		}
	}
}

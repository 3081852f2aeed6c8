package proc

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/netdev"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/stats/internal/kernelfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseStat(t *testing.T) {
	h, ok := ParseStat([]byte("cpu  1 2 3 4 5 6 7 800 9 9\ncpu0 1 2\ncpu1 1 2\ncpu3 1\nintr 5\ncpu9 1\n"))
	if want := (Host{CPU: 28 * tick, OnlineCPUs: 3}); !ok || h != want {
		t.Error(h, ok)
	}
	if _, ok := ParseStat([]byte("intr 5\n")); ok {
		t.Error("no CPUs, but ok")
	}
}

func TestParseMemTotal(t *testing.T) {
	if n, ok := ParseMemTotal([]byte("MemFree: 1 kB\nMemTotal:       16384000 kB\n")); !ok || n != 16384000<<10 {
		t.Error(n, ok)
	}
	for _, text := range []string{"", "MemTotal: x kB\n", "MemTotal: 1 GB\n", "MemTotal: 99999999999999999999 kB\n"} {
		if _, ok := ParseMemTotal([]byte(text)); ok {
			t.Errorf("accepted %q", text)
		}
	}
}

const netDev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:      99      99    0    0    0     0          0         0       99      99    0    0    0     0       0          0
  eth0:564655295  384960    1    2    5     6          7         8  3043269   54355    3    4    0     0       0          0
eth0:1: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1
  eth1: 1 2 3
`

func TestParseNetDev(t *testing.T) {
	want := dockerstats.Networks{{Name: "eth0", Network: dockerstats.Network{
		RxBytes: 564655295, RxPackets: 384960, RxErrors: 1, RxDropped: 2, TxBytes: 3043269, TxPackets: 54355, TxErrors: 3, TxDropped: 4}}}
	got := parseNetDev([]byte(netDev), DockerInterface, nil)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if again := parseNetDev([]byte(netDev), DockerInterface, got); &again[0] != &got[0] {
		t.Error("the list was not used again")
	}
}

func TestDockerInterface(t *testing.T) {
	for name, want := range map[string]bool{"eth0": true, "eth12": true, "eth": false, "veth0": false, "ethx": false, "lo": false, "docker0": false, "eth0.1": false} {
		if DockerInterface([]byte(name)) != want {
			t.Error(name)
		}
	}
}

func TestInterfacesOfTasks(t *testing.T) {
	for _, c := range []struct {
		link    netdev.Link
		carries bool
	}{
		{netdev.Link{Name: "lo", Loopback: true}, false}, {netdev.Link{Name: "eth0"}, true}, {netdev.Link{Name: "eth0", Kind: "vlan"}, true},
		{netdev.Link{Name: "ecs-eth0", Kind: "veth"}, false}, {netdev.Link{Name: "tunl0", Kind: "ipip"}, false},
		{netdev.Link{Name: "eth0", Kind: "veth", MAC: "0a:1b:2c:3d:4e:5f"}, true}, {netdev.Link{Name: "eth1", Kind: "veth", MAC: "0a:1b:2c:3d:4e:60"}, false},
	} {
		if carries(c.link, []string{"", "0A:1B:2C:3D:4E:5F"}) != c.carries {
			t.Errorf("%+v", c)
		}
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("agent/7/cgroup", "0::/\n") // the agent's own proc has a process of that number, too
	write("host/7/cgroup", "0::/docker/abc\n")
	write("host/7/net/dev", netDev)
	roots := []string{filepath.Join(root, "none"), filepath.Join(root, "agent"), filepath.Join(root, "host")}
	var b kernelfile.Buffer
	p, text, err := Find(roots, 7, "abc", &b)
	if err != nil || string(text) != "0::/docker/abc\n" {
		t.Fatal(string(text), err)
	}
	defer p.Close()
	networks, err := p.Networks(&b, DockerInterface, nil)
	if err != nil || len(networks) != 1 {
		t.Error(networks, err)
	}
	if _, _, err := Find(roots, 7, "abd", &b); err == nil {
		t.Error("found another container's process")
	}
	if _, _, err := Find(roots, 8, "abc", &b); err == nil {
		t.Error("found a process that is not there")
	}
	if err := os.RemoveAll(filepath.Join(root, "host/7")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Networks(&b, DockerInterface, nil); err == nil {
		t.Error("the process has ended")
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte(netDev))
	f.Add([]byte("cpu  1 2 3 4 5 6 7 800 9 9\ncpu0 1 2\n"))
	f.Add([]byte("MemTotal:       16384000 kB\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ParseStat(text)
		ParseMemTotal(text)
		for _, n := range parseNetDev(text, func([]byte) bool { return true }, nil) {
			if n.Name == "" {
				t.Error("an interface without a name")
			}
		}
	})
}

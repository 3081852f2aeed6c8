package stats

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/stats/proc"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// filled is a collector that does not run, in which every running container of the tasks has the given number of samples.
func filled(t *testing.T, samples int, tasks ...*task.Task) (*Collector, *world) {
	t.Helper()
	w := newWorld(t)
	w.show(tasks...)
	c := New(w.cfg, w, &w.docker)
	c.platform.cpus = 2
	c.observe(&choice{})
	for id := range c.containers {
		sampled(t, c, id, 0, samples)
	}
	return c, w
}

var begun = time.Now()

// sampled adds samples from..to-1 of a container: a second, 0.5 s of CPU time and 100 bytes apart.
func sampled(t testing.TB, c *Collector, id string, from, to int) {
	t.Helper()
	x := c.find(id)
	for i := from; i < to; i++ {
		o := &dockerstats.Object{Read: begun.Add(time.Duration(i) * time.Second),
			CPU:    dockerstats.CPU{Usage: dockerstats.CPUUsage{Total: uint64(i) * 5e8}},
			Memory: dockerstats.Memory{Usage: uint64(i+1) << 20}}
		if tk, ct := x.snapshot(); hasInterfaces(tk, ct) {
			o.Networks = dockerstats.Networks{{Name: "eth0", Network: dockerstats.Network{RxBytes: uint64(i) * 100, TxBytes: uint64(i) * 10}}}
		}
		if _, err := x.add(o, false); err != nil {
			t.Fatal(err)
		}
	}
}

func names(m Metrics) string {
	var list []string
	for _, t := range m.Tasks {
		for _, c := range t.Containers {
			name := c.Name
			switch {
			case c.Network == nil:
			case c.Network.RxBytes == nil:
				name += "+empty"
			default:
				name += "+net"
			}
			list = append(list, name)
		}
	}
	return strings.Join(list, " ")
}

func TestMetricsOfATask(t *testing.T) {
	c, _ := filled(t, 3, oneTask("aaa"))
	m, err := c.Metrics(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	rate := &Set{Min: 100, Max: 100, SampleCount: 2, Sum: 200}
	want := Metrics{Tasks: []TaskMetrics{{
		ARN: "arn:aws:ecs:us-west-2:123456789012:task/default/t1", Family: "web", Revision: "7",
		Containers: []ContainerMetrics{{
			Name: "c0", CPU: &Set{Min: 25, Max: 25, SampleCount: 2, Sum: 50}, Memory: &Set{Min: 1, Max: 3, SampleCount: 3, Sum: 6},
			Storage: &StorageSets{ReadBytes: &CounterSet{SampleCount: 3}, WriteBytes: &CounterSet{SampleCount: 3}},
			Network: &NetworkSets{
				RxBytes: &CounterSet{Max: 200, Sum: 300, SampleCount: 3}, RxRate: rate, RxDropped: &CounterSet{SampleCount: 3}, RxErrors: &CounterSet{SampleCount: 3}, RxPackets: &CounterSet{SampleCount: 3},
				TxBytes: &CounterSet{Max: 20, Sum: 30, SampleCount: 3}, TxRate: &Set{Min: 10, Max: 10, SampleCount: 2, Sum: 20}, TxDropped: &CounterSet{SampleCount: 3}, TxErrors: &CounterSet{SampleCount: 3}, TxPackets: &CounterSet{SampleCount: 3},
			},
		}},
	}}}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}

	// Nothing is sent twice.
	if m, err := c.Metrics(t.Context(), false); !errors.Is(err, ErrNoMetrics) || len(m.Tasks) != 0 || m.Idle {
		t.Error(m, err)
	}
	sampled(t, c, "aaa", 3, 4)
	if m, err := c.Metrics(t.Context(), false); err != nil || m.Tasks[0].Containers[0].CPU.SampleCount != 1 || m.Tasks[0].Containers[0].Network.RxBytes.Min != 300 {
		t.Error(m, err)
	}
}

func TestIdle(t *testing.T) {
	c, _ := filled(t, 0)
	if m, err := c.Metrics(t.Context(), true); err != nil || !m.Idle || len(m.Tasks) != 0 {
		t.Error(m, err)
	}
	c, _ = filled(t, 1, oneTask("aaa"))
	if m, err := c.Metrics(t.Context(), false); !errors.Is(err, ErrNoMetrics) || m.Idle {
		t.Error("the first container has just started:", m, err)
	}
	w := newWorld(t)
	w.show(oneTask("aaa"))
	if m, err := New(w.cfg, w, nil).Metrics(t.Context(), false); !errors.Is(err, ErrNoMetrics) || m.Idle {
		t.Error("a container was running before the agent, which has not looked yet:", m, err)
	}
	// What could not be reported is not marked as sent.
	sampled(t, c, "aaa", 1, 2)
	if m, err := c.Metrics(t.Context(), false); err != nil || m.Tasks[0].Containers[0].Memory.SampleCount != 2 {
		t.Error(m, err)
	}
}

func TestContainerWithoutEnoughSamplesIsLeftOut(t *testing.T) {
	c, _ := filled(t, 0, oneTask("aaa", "bbb"))
	sampled(t, c, "aaa", 0, 3)
	sampled(t, c, "bbb", 0, 1)
	m, err := c.Metrics(t.Context(), false)
	if err != nil || names(m) != "c0+net" {
		t.Error(names(m), err)
	}
	sampled(t, c, "aaa", 3, 4)
	sampled(t, c, "bbb", 1, 2)
	if m, err = c.Metrics(t.Context(), false); err != nil || names(m) != "c0+net c1+net" || m.Tasks[0].Containers[1].Memory.SampleCount != 1 {
		t.Error(names(m), err)
	}
}

// Which containers have which network set, by the network mode of the task.
func TestNetworkSets(t *testing.T) {
	for _, c := range []struct {
		mode, want string
	}{
		{"", "c0+net c1+net"}, {"bridge", "c0+net c1+net"}, {"host", "c0 c1 pause"}, {"none", "c0 c1 pause"},
	} {
		tk := oneTask("aaa", "bbb", "ppp")
		tk.NetworkMode = c.mode
		tk.Containers[2].Type, tk.Containers[2].Name = task.CNIPause, "pause"
		want := c.want
		if c.mode == "" || c.mode == "bridge" {
			tk.Containers[1].NetworkMode = "container:ppp" // Service Connect
			want += " pause"
		} else {
			tk.Containers[0].NetworkMode, tk.Containers[1].NetworkMode, tk.Containers[2].NetworkMode = c.mode, c.mode, c.mode
		}
		collector, _ := filled(t, 3, tk)
		m, err := collector.Metrics(t.Context(), false)
		if err != nil || names(m) != want {
			t.Errorf("%q: %s, want %s, %v", c.mode, names(m), want, err)
		}
	}
}

func awsvpcTask() *task.Task {
	tk := oneTask("aaa", "ppp")
	tk.NetworkMode = "awsvpc"
	tk.Containers[0].NetworkMode = "container:ppp"
	tk.Containers[1].Type, tk.Containers[1].Name, tk.Containers[1].NetworkMode = task.CNIPause, "pause", "none"
	tk.Containers[1].Known = task.ContainerResourcesProvisioned
	return tk
}

func TestTaskNetwork(t *testing.T) {
	tk := awsvpcTask()
	c, w := filled(t, 3, tk)
	n := c.networkOf(tk.ARN)
	if n == nil || n.pid != 1001 || n.id != "ppp" {
		t.Fatalf("%+v", n)
	}
	// Before there is a sample, what exists of the set is sent: nothing.
	m, err := c.Metrics(t.Context(), false)
	if err != nil || names(m) != "c0+empty pause" {
		t.Fatal(names(m), err)
	}
	if text, _ := json.Marshal(m.Tasks[0].Containers[0].Network); string(text) != "{}" {
		t.Error(string(text))
	}
	if _, text, _ := body(t, c, tk, 0); strings.Contains(text, "networks") || strings.Contains(text, "rate") {
		t.Error(text)
	}

	w.write("proc/1001/cgroup", "0::/docker/ppp\n")
	w.write("proc/1001/net/dev", "lo: 9 9 9 9 0 0 0 0 9 9 9 9\neth1: 1000 10 0 0 0 0 0 0 100 1 0 0\nveth9: 1 1 1 1 1 1 1 1 1 1 1 1\n")
	w.write("proc/1001/ns/net", "")
	c.procs = []string{w.root + "/none", w.root + "/proc"}
	start := time.Now()
	c.sampleNetworks(start.Add(9 * time.Second))
	if n.process != nil || n.delay != 0 {
		t.Error("sampled before it was due")
	}
	c.sampleNetworks(start.Add(11 * time.Second)) // the namespace is no namespace
	if n.delay != retryFirst || n.count != 0 || n.due.Before(start.Add(12*time.Second)) {
		t.Errorf("%+v", n)
	}
	c.sampleNetworks(start.Add(14 * time.Second))
	if n.delay != 2*retryFirst || n.count != 0 {
		t.Errorf("%+v", n)
	}
	n.devices = []string{"eth1"}
	c.sampleNetworks(start.Add(20 * time.Second))
	w.write("proc/1001/net/dev", "eth1: 3000 30 0 0 0 0 0 0 200 2 0 0\n")
	c.sampleNetworks(start.Add(40 * time.Second))
	if n.delay != 0 || n.count != 2 {
		t.Fatalf("%+v", n)
	}
	o, text, _ := body(t, c, tk, 0)
	if len(o.Networks) != 1 || o.Networks.Get("eth1").RxBytes != 3000 || !strings.Contains(text, `"network_rate_stats":{"rx_bytes_per_sec":100,"tx_bytes_per_sec":5}}`) {
		t.Error(text)
	}
	if o, _, _ := body(t, c, tk, 1); len(o.Networks) != 1 {
		t.Error("the pause container shows it, too:", o)
	}
	sampled(t, c, "aaa", 3, 5)
	sampled(t, c, "ppp", 3, 5)
	m, err = c.Metrics(t.Context(), false)
	if err != nil || names(m) != "c0+net pause" || m.Tasks[0].Containers[0].Network.RxBytes.Sum != 4000 {
		t.Fatal(names(m), err)
	}
	// Its samples are not sent twice either.
	sampled(t, c, "aaa", 5, 6)
	if m, err = c.Metrics(t.Context(), false); err != nil || names(m) != "c0+empty" {
		t.Error(names(m), err)
	}

	// The pause container goes, and with it its process.
	gone := tk.Clone()
	gone.Edit(1).Known = task.ContainerStopped
	w.show(gone)
	c.observe(&choice{})
	if c.networkOf(tk.ARN) != nil || n.process != nil {
		t.Error("still there")
	}
	sampled(t, c, "aaa", 6, 9)
	if m, err := c.Metrics(t.Context(), false); !errors.Is(err, ErrNoMetrics) {
		t.Error("without its network the task has no metrics:", names(m), err)
	}
}

func TestTaskNetworkThatIsNotSampled(t *testing.T) {
	alone := awsvpcTask()
	alone.Containers = alone.Containers[1:]
	unknown := awsvpcTask()
	unknown.Containers[1].PID = 0
	for _, tk := range []*task.Task{alone, unknown, oneTask("aaa", "bbb")} {
		if networkPause(tk) != nil {
			t.Error(tk.Containers)
		}
	}
	if _, _, err := proc.Find(nil, 1, "a", nil); err == nil {
		t.Error("found without looking")
	}
}

func TestGrace(t *testing.T) {
	tk := awsvpcTask()
	tk.Containers[0].StartedAt = time.Now().Add(-time.Minute)
	c, _ := filled(t, 3, tk)
	m, err := c.Metrics(t.Context(), false)
	if err != nil || names(m) != "c0 pause" {
		t.Error("a network set that cannot be built is left out after 30 s:", names(m), err)
	}
}

func TestHealth(t *testing.T) {
	since := time.Date(2025, 5, 9, 14, 30, 0, 5e8, time.UTC)
	tk := oneTask("aaa", "bbb", "ccc", "ddd")
	for i, kind := range []string{"docker", "docker", "DOCKER", "docker"} {
		tk.Containers[i].HealthCheckType = kind
	}
	tk.Containers[0].Health = task.Health{Status: task.HealthHealthy, Since: since.In(time.FixedZone("x", 3600))}
	tk.Containers[3].Known = task.ContainerStopped
	foreign := oneTask("eee")
	foreign.Containers[0].HealthCheckType, foreign.Family = "docker", ""
	none := oneTask("fff")
	none.ARN += "2"
	c, w := filled(t, 0, foreign, tk, none)
	c.disabled = true // health goes on without metrics
	before := time.Now()
	got := c.Health()
	if len(got) != 1 || got[0].ARN != tk.ARN || got[0].Family != "web" || got[0].Revision != "7" || len(got[0].Containers) != 2 {
		t.Fatalf("%+v", got)
	}
	a, b := got[0].Containers[0], got[0].Containers[1]
	if a != (ContainerHealth{"c0", "HEALTHY", since}) || b.Status != "UNKNOWN" || b.Since.Before(before) || b.Since.Location() != time.UTC {
		t.Errorf("%+v", got)
	}
	w.show(none)
	if got := c.Health(); got != nil {
		t.Error(got)
	}
}

type volumes func(context.Context, *task.Task) []VolumeUsage

func (v volumes) VolumeUsage(ctx context.Context, t *task.Task) []VolumeUsage { return v(ctx, t) }

func TestVolumes(t *testing.T) {
	c, _ := filled(t, 3, oneTask("aaa"))
	c.Volumes = volumes(func(_ context.Context, t *task.Task) []VolumeUsage {
		return []VolumeUsage{{ID: "vol-12345", Name: "test-volume", Used: 15 << 30, Size: 20 << 30}}
	})
	m, err := c.Metrics(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(m.Tasks[0].Volumes)
	if string(text) != `[{"volumeId":"vol-12345","volumeName":"test-volume","utilized":{"max":16106127360,"min":16106127360,"sampleCount":1,"sum":16106127360},"size":{"max":21474836480,"min":21474836480,"sampleCount":1,"sum":21474836480}}]` {
		t.Error(string(text))
	}
}

func TestServiceConnectOnly(t *testing.T) {
	socket := serveProxy(t, "# TYPE N counter\nN{Direction=\"egress\"} 3\n")
	meshed := func(name string) *task.Task {
		tk := oneTask("aaa", "bbb")
		tk.ServiceConnect, _ = json.Marshal(map[string]any{"containerName": name, "runtimeConfig": map[string]string{"adminSocketPath": socket, "statsRequest": "http://localhost/stats/prometheus"}})
		return tk
	}
	c, w := filled(t, 0, meshed("c1"))
	c.disabled = true
	if m, err := c.Metrics(t.Context(), false); !errors.Is(err, ErrNoMetrics) || m.Idle {
		t.Error("between its turns:", m, err)
	}
	for range 2 {
		m, err := c.Metrics(t.Context(), true)
		if err != nil || len(m.Tasks) != 1 || len(m.Tasks[0].Containers) != 0 || len(m.Tasks[0].ServiceConnect) != 1 || m.Tasks[0].ServiceConnect[0].Metrics[0].Values[0] != 3 {
			t.Error(m, err)
		}
	}
	// The proxy has ended, but the task goes on; then it is over.
	over := meshed("c1")
	over.Containers[1].Known = task.ContainerStopped
	w.show(over)
	if m, err := c.Metrics(t.Context(), true); err != nil || len(m.Tasks) != 1 {
		t.Error(m, err)
	}
	ended := over.Clone()
	ended.Edit(0).Known = task.ContainerStopped
	// Records of other agents name a proxy for every task.
	for _, tk := range []*task.Task{ended, meshed("service-connect"), meshed("")} {
		w.show(tk)
		c.containers = map[string]*tracked{}
		if m, err := c.Metrics(t.Context(), true); err != nil || !m.Idle {
			t.Error(m, err)
		}
	}
}

// One proxy that cannot be reached takes nothing from the others.
func TestServiceConnectFailure(t *testing.T) {
	socket := serveProxy(t, "# TYPE N counter\nN 3\n")
	good, bad := oneTask("aaa"), oneTask("bbb")
	good.ARN += "good"
	good.ServiceConnect = json.RawMessage(`{"containerName":"c0","runtimeConfig":{"adminSocketPath":"` + socket + `","statsRequest":"http://localhost/"}}`)
	bad.ServiceConnect = json.RawMessage(`{"containerName":"c0","runtimeConfig":{"adminSocketPath":"` + socket + `x","statsRequest":"http://localhost/"}}`)
	c, _ := filled(t, 3, bad, good)
	m, err := c.Metrics(t.Context(), true)
	if err != nil || len(m.Tasks) != 2 || len(m.Tasks[0].ServiceConnect) != 0 || len(m.Tasks[1].ServiceConnect) != 1 || len(m.Tasks[0].Containers) != 1 {
		t.Errorf("%+v %v", m, err)
	}
}

//go:build integration

package stats

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// These tests compare the kernel's numbers with Docker's on a real Docker engine. They need the Debian package
// busybox-static and no registry.

const integImage = "agent-stats-integ:latest"

func endpoint() string { return cmp.Or(os.Getenv("DOCKER_HOST"), "unix:///var/run/docker.sock") }

// connect gives the agent's Docker client and the library's, and imports the image.
func connect(t *testing.T) (*docker.Client, *client.Client) {
	t.Helper()
	engine, err := docker.Connect(t.Context(), endpoint())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	sdk, err := client.NewClientWithOpts(client.WithHost(endpoint()), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sdk.Close() })
	binary, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatalf("%v; install the package busybox-static", err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755, Size: int64(len(binary))})
	_, _ = w.Write(binary)
	for _, name := range []string{"sh", "dd", "sleep", "wget", "httpd", "timeout", "tr"} {
		_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox"})
	}
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777})
	_ = w.Close()
	answer, err := sdk.ImageImport(t.Context(), image.ImportSource{Source: &archive, SourceName: "-"}, integImage, image.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer)
	_ = answer.Close()
	t.Cleanup(func() {
		_, _ = sdk.ImageRemove(context.Background(), integImage, image.RemoveOptions{Force: true})
	})
	return engine, sdk
}

// start runs a shell script in a container and returns it as the engine would show it.
func start(t *testing.T, engine *docker.Client, sdk *client.Client, host *container.HostConfig, command string) *task.Container {
	t.Helper()
	created, err := sdk.ContainerCreate(t.Context(), &container.Config{Image: integImage, Cmd: []string{"sh", "-c", command}, StopSignal: "KILL"}, host, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sdk.ContainerRemove(context.Background(), created.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	})
	if err := sdk.ContainerStart(t.Context(), created.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	return inspect(t, engine, &task.Container{Known: task.ContainerRunning, RuntimeID: created.ID})
}

func inspect(t *testing.T, engine *docker.Client, c *task.Container) *task.Container {
	t.Helper()
	state, err := engine.Inspect(t.Context(), c.RuntimeID)
	if err != nil {
		t.Fatal(err)
	}
	c.Observe(state)
	c.Name = c.RuntimeName
	return c
}

type fixedTasks []*task.Task

func (f fixedTasks) Tasks() []*task.Task { return f }

// collect starts a collector with one source.
func collect(t *testing.T, engine Docker, source config.StatsSource, tasks ...*task.Task) *Collector {
	t.Helper()
	c := New(&config.Config{CgroupPath: "/sys/fs/cgroup", StatsSource: source}, fixedTasks(tasks), engine)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

// script waits until it is told to begin, then uses CPU (up to its limit), memory, disk and network for 20 s, and rests.
const script = `
while [ ! -e /data/begin ]; do sleep 0.2; done
held=$(dd if=/dev/zero bs=1M count=20 2>/dev/null | tr "\\0" x)
timeout 20 sh -c '
while :; do
  dd if=/dev/zero of=/data/f bs=1M count=2 oflag=direct 2>/dev/null
  dd if=/data/f of=/dev/null bs=1M iflag=direct 2>/dev/null
  wget -q -O /dev/null http://PEER:8080/big
  n=0; while [ $n -lt 60000 ]; do n=$((n+1)); done
done'
sleep 1000`

func TestBothSourcesGiveTheSameNumbers(t *testing.T) {
	engine, sdk := connect(t)
	peer := start(t, engine, sdk, &container.HostConfig{}, "dd if=/dev/zero of=/tmp/big bs=1M count=4 2>/dev/null; exec httpd -f -p 8080 -h /tmp")
	data := t.TempDir()
	loaded := start(t, engine, sdk, &container.HostConfig{
		Resources: container.Resources{Memory: 256 << 20, NanoCPUs: 4e8}, Binds: []string{data + ":/data"},
	}, strings.ReplaceAll(script, "PEER", peer.Networks[0].IPv4))
	tk := &task.Task{ARN: "arn:aws:ecs:us-west-2:123456789012:task/integ/1", Family: "integ", Revision: "1", NetworkMode: "bridge", Known: task.Running, Containers: []*task.Container{peer, loaded}}
	kernel := collect(t, engine, config.StatsSourceCgroup, tk)
	api := collect(t, engine, config.StatsSourceDocker, tk)

	// Both see the whole load.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no samples")
		}
		if samples(kernel, loaded) >= 2 && samples(api, loaded) >= 2 && samples(api, peer) >= 2 {
			break
		}
	}
	for _, c := range []*Collector{kernel, api} {
		if _, err := c.Metrics(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(data+"/begin", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	var used uint64
	settled := 0
	for deadline := time.Now().Add(3 * time.Minute); settled < 4; time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Fatal("the load does not end")
		}
		now := newestOf(t, api, tk, 1).CPU.Usage.Total
		if settled++; now > used+20e6 || time.Since(begun) < 15*time.Second {
			used, settled = now, 0
		}
	}
	x, y := average(kernel, loaded, begun), average(api, loaded, begun)
	t.Logf("CPU in the middle of the load: kernel %.3f %%, docker %.3f %%", x, y)
	if !near(x, y, 0) {
		t.Errorf("CPU: kernel %g %%, docker %g %%", x, y)
	}
	a, b := newestOf(t, kernel, tk, 1), newestOf(t, api, tk, 1)
	compareObjects(t, a, b)
	compareMetrics(t, kernel, api)
}

func samples(c *Collector, ct *task.Container) int {
	x := c.find(ct.RuntimeID)
	if x == nil {
		return 0
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.queue.length
}

func newestOf(t *testing.T, c *Collector, tk *task.Task, i int) *dockerstats.Object {
	t.Helper()
	body, tracked := c.ContainerStats(tk, tk.Containers[i], true)
	if !tracked {
		t.Fatal("not tracked")
	}
	if body == nil {
		return nil
	}
	o := &dockerstats.Object{}
	if err := json.Unmarshal(body, o); err != nil {
		t.Fatal(err)
	}
	return o
}

// near reports whether two numbers are within 2 %, or so small that a single page or packet is more.
func near(a, b, least float64) bool {
	return math.Abs(a-b) <= max(0.02*max(math.Abs(a), math.Abs(b)), least)
}

// compareObjects compares two samples of a container at rest, member by member.
func compareObjects(t *testing.T, kernel, docker *dockerstats.Object) {
	t.Helper()
	flat := func(o *dockerstats.Object) map[string]any {
		text, _ := json.Marshal(o)
		var v any
		_ = json.Unmarshal(text, &v)
		m := map[string]any{}
		flatten("", v, m)
		return m
	}
	a, b := flat(kernel), flat(docker)
	keys := slices.Collect(func(yield func(string) bool) {
		for _, m := range []map[string]any{a, b} {
			for k := range m {
				if !yield(k) {
					return
				}
			}
		}
	})
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		x, hasX := a[k]
		y, hasY := b[k]
		if hasX != hasY {
			t.Errorf("%s: kernel %v, docker %v", k, x, y)
			continue
		}
		n, isNumber := x.(float64)
		least := 64.0 // packets, processes
		switch {
		case strings.HasSuffix(k, "read"), k == "/preread":
			continue
		case strings.Contains(k, "cpu_stats"):
			least = 20e6 // ns
		case strings.Contains(k, "memory_stats"):
			least = 1 << 20
		}
		if isNumber && !near(n, y.(float64), least) || !isNumber && !gocmp.Equal(x, y) {
			t.Errorf("%s: kernel %v, docker %v", k, x, y)
		}
	}
	t.Logf("compared %d members; CPU %v s and %v s, written %s and %s", len(slices.Compact(keys)),
		float64(kernel.CPU.Usage.Total)/1e9, float64(docker.CPU.Usage.Total)/1e9, written(kernel), written(docker))
	if n := kernel.Networks.Get("eth0"); n == nil || n.RxBytes < 48<<20 {
		t.Error("the load used no network:", kernel.Networks)
	}
}

func written(o *dockerstats.Object) string {
	return strconv.FormatUint(thisPlatform(false).convert(o).write>>20, 10) + " MiB"
}

func flatten(path string, v any, into map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			into[path+"/"] = "{}"
		}
		for k, e := range v {
			flatten(path+"/"+k, e, into)
		}
	case []any:
		if len(v) == 0 {
			into[path+"/"] = "[]"
		}
		for i, e := range v {
			flatten(fmt.Sprintf("%s/%d", path, i), e, into)
		}
	default:
		into[path] = v
	}
}

// compareMetrics compares the statistics sets of the time of the load: what only grows. The peak of memory is what a sample
// happened to meet; memory at rest is compared in compareObjects.
func compareMetrics(t *testing.T, kernel, docker *Collector) {
	t.Helper()
	read := func(c *Collector) TaskMetrics {
		m, err := c.Metrics(t.Context(), false)
		if err != nil || len(m.Tasks) != 1 || len(m.Tasks[0].Containers) != 2 {
			t.Fatal(m, err)
		}
		return m.Tasks[0]
	}
	a, b := read(kernel), read(docker)
	for i := range a.Containers {
		x, y := a.Containers[i], b.Containers[i]
		for what, pair := range map[string][3]float64{
			"written":  {float64(x.Storage.WriteBytes.Max), float64(y.Storage.WriteBytes.Max), 4096},
			"read":     {float64(x.Storage.ReadBytes.Max), float64(y.Storage.ReadBytes.Max), 4096},
			"received": {float64(x.Network.RxBytes.Max), float64(y.Network.RxBytes.Max), 4096},
			"sent":     {float64(x.Network.TxBytes.Max), float64(y.Network.TxBytes.Max), 4096},
		} {
			t.Logf("container %d, %s: kernel %.4g, docker %.4g", i, what, pair[0], pair[1])
			if !near(pair[0], pair[1], pair[2]) {
				t.Errorf("container %d, %s: kernel %g, docker %g", i, what, pair[0], pair[1])
			}
		}
	}
}

// average is the CPU usage from 4 to 16 s after the beginning of a load, whatever the intervals between samples.
func average(c *Collector, ct *task.Container, begun time.Time) float64 {
	x := c.find(ct.RuntimeID)
	x.mu.Lock()
	defer x.mu.Unlock()
	var used, elapsed float64
	for i := 1; i < x.queue.length; i++ {
		e, before := x.queue.at(i), x.queue.at(i-1)
		if before.at > begun.Add(4*time.Second).UnixNano() && e.at < begun.Add(16*time.Second).UnixNano() {
			dt := float64(e.at - before.at)
			used += e.cpuPercent * dt
			elapsed += dt
		}
	}
	return used / elapsed
}

// A container that is started again is found again, and its counters continue.
func TestRealRestart(t *testing.T) {
	engine, sdk := connect(t)
	c := start(t, engine, sdk, &container.HostConfig{}, "n=0; while [ $n -lt 300000 ]; do n=$((n+1)); done; sleep 1000")
	c.RestartPolicy = &task.RestartPolicy{Enabled: true}
	c.Restarts = &task.RestartTracker{}
	tk := &task.Task{ARN: "arn:aws:ecs:us-west-2:123456789012:task/integ/2", Family: "integ", NetworkMode: "bridge", Known: task.Running, Containers: []*task.Container{c}}
	w := &world{t: t}
	w.show(tk)
	collector := New(&config.Config{CgroupPath: "/sys/fs/cgroup", StatsSource: config.StatsSourceCgroup}, w, engine)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = collector.Run(ctx) }()
	defer func() { cancel(); <-done }()

	first := waitForCPU(t, collector, tk, 0)
	if err := sdk.ContainerKill(t.Context(), c.RuntimeID, "KILL"); err != nil {
		t.Fatal(err)
	}
	wait, failed := sdk.ContainerWait(t.Context(), c.RuntimeID, container.WaitConditionNotRunning)
	select {
	case <-wait:
	case err := <-failed:
		t.Fatal(err)
	}
	last := newestOf(t, collector, tk, 0).CPU.Usage.Total
	next := again(tk, 0)
	if err := sdk.ContainerStart(t.Context(), c.RuntimeID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	inspect(t, engine, next.Containers[0])
	w.show(next)
	second := waitForCPU(t, collector, next, last)
	t.Logf("CPU %v ns, at the end %v ns, after the restart %v ns", first, last, second)
	if second < last+first/4 {
		t.Error("the counter does not continue")
	}
}

// waitForCPU waits until the container has used more than it had and some more, and then rests.
func waitForCPU(t *testing.T, c *Collector, tk *task.Task, more uint64) uint64 {
	t.Helper()
	var before uint64
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
		o := newestOf(t, c, tk, 0)
		if o == nil {
			continue
		}
		now := o.CPU.Usage.Total
		if now > more+50e6 && now-before < 5e6 {
			return now
		}
		before = now
	}
	t.Fatal("the container does not come to rest")
	return 0
}

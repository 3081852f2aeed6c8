package stats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a host with containers: tasks as the engine shows them, a cgroup tree, a proc file system, and a Docker daemon.
type world struct {
	t     testing.TB
	root  string
	cfg   *config.Config
	saved []string

	mu    sync.Mutex
	tasks []*task.Task

	docker fakeDocker
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, root: t.TempDir()}
	w.cfg = &config.Config{CgroupPath: filepath.Join(w.root, "cgroup"), PollingMetricsWaitDuration: 10 * time.Second}
	w.write("cgroup/cgroup.controllers", "cpu io memory pids\n")
	w.write("proc/stat", "cpu  100 0 100 1000 0 0 0 0\ncpu0 1\n")
	w.write("proc/meminfo", "MemTotal: 1024 kB\n")
	return w
}

func (w *world) write(path, text string) {
	w.t.Helper()
	full := filepath.Join(w.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(path string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.root, path)); err != nil {
		w.t.Fatal(err)
	}
}

// usage is what a container has used so far.
type usage struct {
	cpu    time.Duration
	memory int // MiB
	read   int
	rx, tx int
}

// run makes the kernel show a container.
func (w *world) run(id string, pid int, u usage) {
	w.t.Helper()
	dir := "cgroup/docker/" + id + "/"
	w.write(dir+"cpu.stat", fmt.Sprintf("usage_usec %d\n", u.cpu.Microseconds()))
	w.write(dir+"memory.current", strconv.Itoa(u.memory<<20))
	w.write(dir+"memory.stat", "inactive_file 0\n")
	w.write(dir+"io.stat", fmt.Sprintf("8:0 rbytes=%d wbytes=0\n", u.read))
	w.process(id, pid, u)
}

func (w *world) process(id string, pid int, u usage) {
	w.t.Helper()
	w.write(fmt.Sprintf("proc/%d/cgroup", pid), "0::/docker/"+id+"\n")
	w.write(fmt.Sprintf("proc/%d/net/dev", pid), fmt.Sprintf("eth0: %d 1 0 0 0 0 0 0 %d 1 0 0 0 0 0 0\n", u.rx, u.tx))
}

// stop makes the kernel forget a container.
func (w *world) stop(id string, pid int) {
	w.remove("cgroup/docker/" + id)
	w.remove(fmt.Sprintf("proc/%d", pid))
}

// Tasks is the engine's list.
func (w *world) Tasks() []*task.Task {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.tasks)
}

func (w *world) show(tasks ...*task.Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks = tasks
}

func (w *world) KeepRestartStats(arn, name string, data []byte) {
	w.saved = append(w.saved, arn+" "+name+" "+string(data))
}

// begin starts a collector; it ends with the test.
func (w *world) begin() *Collector {
	w.t.Helper()
	c := New(w.cfg, w, &w.docker)
	c.procs = []string{filepath.Join(w.root, "proc")}
	c.platform.cpus = 2
	c.Restarts = w
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	w.t.Cleanup(func() { cancel(); <-done })
	return c
}

// oneTask is a task with a running container for each id.
func oneTask(ids ...string) *task.Task {
	t := &task.Task{ARN: "arn:aws:ecs:us-west-2:123456789012:task/default/t1", Family: "web", Revision: "7", NetworkMode: "bridge", Known: task.Running}
	for i, id := range ids {
		t.Containers = append(t.Containers, &task.Container{
			Name: "c" + strconv.Itoa(i), RuntimeID: id, RuntimeName: "ecs-" + id, Known: task.ContainerRunning, PID: 1000 + i,
			NetworkMode: "bridge", StartedAt: time.Now(),
		})
	}
	return t
}

// fakeDocker answers statistics requests by what feed gives, once a second.
type fakeDocker struct {
	mu      sync.Mutex
	feed    func(id string, call int) (object string, err error)
	calls   map[string]int
	opened  map[string]int
	streams int
}

func (d *fakeDocker) next(id string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls == nil {
		d.calls = map[string]int{}
	}
	d.calls[id]++
	if d.feed == nil {
		return "", errors.New("no such container: " + id)
	}
	return d.feed(id, d.calls[id])
}

func (d *fakeDocker) asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.calls))
}

func (d *fakeDocker) count(id string) (calls, opened, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[id], d.opened[id], d.streams
}

func (d *fakeDocker) StreamStats(ctx context.Context, id string, deliver func([]byte) error) error {
	d.mu.Lock()
	if d.opened == nil {
		d.opened = map[string]int{}
	}
	d.opened[id]++
	d.streams++
	d.mu.Unlock()
	defer func() { d.mu.Lock(); d.streams--; d.mu.Unlock() }()
	for {
		object, err := d.next(id)
		if err != nil || object == "" {
			return err
		}
		if err := deliver([]byte(object)); err != nil {
			return err
		}
		if !wait(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

func (d *fakeDocker) Stats(ctx context.Context, id string) ([]byte, error) {
	if !wait(ctx, time.Second) { // Docker takes that long
		return nil, ctx.Err()
	}
	object, err := d.next(id)
	return []byte(object), err
}

// object is a sample in Docker's form.
func object(read time.Time, cpu time.Duration, memory int) string {
	o := dockerstats.Object{Read: read, CPU: dockerstats.CPU{Usage: dockerstats.CPUUsage{Total: uint64(cpu), PerCPU: []uint64{uint64(cpu)}}}, Memory: dockerstats.Memory{Usage: uint64(memory) << 20}}
	text, _ := json.Marshal(o)
	return string(text)
}

// inBubble runs a test in simulated time.
func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	root := newWorld(t) // its directory is removed after the bubble
	synctest.Test(t, func(t *testing.T) {
		root.t = t
		test(t, root)
	})
}

// after lets simulated time pass, to a moment between two beats.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

package stats

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// body is what the stats endpoint answers.
func body(t *testing.T, c *Collector, tk *task.Task, i int) (o *dockerstats.Object, text string, tracked bool) {
	t.Helper()
	b, tracked := c.ContainerStats(tk, tk.Containers[i], true)
	if b == nil {
		return nil, "", tracked
	}
	o = &dockerstats.Object{}
	if err := json.Unmarshal(b, o); err != nil {
		t.Fatal(err)
	}
	return o, string(b), tracked
}

// kept tells how many samples of a container are kept, and how many there were.
func kept(c *Collector, id string) (length, added int) {
	x := c.find(id)
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.queue.length, x.queue.added
}

func groups(c *Collector) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.groups)
}

func TestContainerIsSampledEverySecondWhileItRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		tk := oneTask("aaa")
		w.run("aaa", 1000, usage{cpu: time.Second, memory: 3})
		c := w.begin()
		after(500 * time.Millisecond)
		w.show(tk)
		if _, _, tracked := body(t, c, tk, 0); !tracked {
			t.Error("a container that has just started counts as not measured")
		}
		after(10 * time.Millisecond) // asking made the collector look
		o, text, _ := body(t, c, tk, 0)
		if o == nil || o.ID != "aaa" || o.Name != "/ecs-aaa" || o.CPU.Usage.Total != 1e9 || !o.PreRead.IsZero() || o.CPU.System != 12e9 {
			t.Fatal(text)
		}
		w.run("aaa", 1000, usage{cpu: 1500 * time.Millisecond, memory: 3, rx: 1000})
		after(time.Second)
		o, text, _ = body(t, c, tk, 0)
		if o.CPU.Usage.Total != 15e8 || o.PreCPU.Usage.Total != 1e9 || o.PreRead.IsZero() || o.Networks.Get("eth0").RxBytes != 1000 {
			t.Error(text)
		}
		after(30 * time.Second)
		if n, _ := kept(c, "aaa"); n < 31 || n > 33 {
			t.Error("samples:", n)
		}
		if asked := w.docker.asked(); asked != nil {
			t.Error("Docker was asked about", asked)
		}

		stopped := tk.Clone()
		stopped.Edit(0).Known = task.ContainerStopped
		w.show(stopped)
		if _, _, tracked := body(t, c, stopped, 0); tracked {
			t.Error("a stopped container is measured")
		}
		after(time.Second)
		if c.find("aaa") != nil || groups(c) != 1 {
			t.Error("still tracked")
		}
		w.show()
		after(time.Second)
		if groups(c) != 0 {
			t.Error("the task is remembered")
		}
	})
}

func TestWhatIsMeasured(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		edit := func(change func(*task.Task, *task.Container)) *task.Task {
			tk := oneTask("aaa")
			change(tk, tk.Containers[0])
			return tk
		}
		c := w.begin()
		for name, tk := range map[string]struct {
			t        *task.Task
			measured bool
		}{
			"running": {oneTask("aaa"), true},
			"provisioned": {edit(func(_ *task.Task, c *task.Container) {
				c.Known, c.Type = task.ContainerResourcesProvisioned, task.CNIPause
			}), true},
			"created":   {edit(func(_ *task.Task, c *task.Container) { c.Known = task.ContainerCreated }), false},
			"stopped":   {edit(func(_ *task.Task, c *task.Container) { c.Known = task.ContainerStopped }), false},
			"no id":     {edit(func(_ *task.Task, c *task.Container) { c.RuntimeID = "" }), false},
			"no family": {edit(func(t *task.Task, _ *task.Container) { t.Family = "" }), false},
			"no ARN":    {edit(func(t *task.Task, _ *task.Container) { t.ARN = "" }), false},
			"task over": {edit(func(t *task.Task, _ *task.Container) { t.Known = task.Stopped }), false},
		} {
			w.show(tk.t)
			after(2 * time.Second)
			if got := c.find("aaa") != nil; got != tk.measured {
				t.Errorf("%s: measured %t", name, got)
			}
			if _, _, got := body(t, c, tk.t, 0); got != tk.measured {
				t.Errorf("%s: stats endpoint says %t", name, got)
			}
			w.show()
			after(2 * time.Second)
		}
	})
}

func TestDisabled(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.cfg.DisableMetrics = true
		tk := oneTask("aaa")
		w.run("aaa", 1000, usage{})
		w.show(tk)
		c := w.begin()
		after(time.Minute)
		if _, _, tracked := body(t, c, tk, 0); tracked {
			t.Error("measured")
		}
		if m, err := c.Metrics(t.Context(), true); err != nil || !m.Idle {
			t.Error(m, err)
		}
	})
}

func TestPolling(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.cfg.PollMetrics = true
		w.cfg.PollingMetricsWaitDuration = 15 * time.Second
		tk := oneTask("aaa", "bbb")
		w.run("aaa", 1000, usage{})
		w.run("bbb", 1001, usage{})
		w.show(tk)
		w.docker.feed = func(string, int) (string, error) { return object(time.Now(), 0, 1), nil }
		c := w.begin()
		after(100 * time.Millisecond)
		if o, _, _ := body(t, c, tk, 0); o == nil {
			t.Error("no sample at once")
		}
		after(14 * time.Second)
		if n, _ := kept(c, "aaa"); n != 2 {
			t.Error("in the first interval:", n)
		}
		after(60 * time.Second)
		if n, added := kept(c, "aaa"); n != 5 || added != 6 {
			t.Error(n, added)
		}
	})
}

func TestQueueLengths(t *testing.T) {
	for interval, want := range map[time.Duration]int{5 * time.Second: 16, 10 * time.Second: 8, 15 * time.Second: 5, 20 * time.Second: 4, 0: 8} {
		c := New(&config.Config{PollMetrics: true, PollingMetricsWaitDuration: interval}, nil, nil)
		if got := c.queueLength(); got != want {
			t.Errorf("%v: %d, want %d", interval, got, want)
		}
	}
	if got := New(&config.Config{}, nil, nil).queueLength(); got != 80 {
		t.Error(got)
	}
}

// Where the agent does not see a container's cgroup, Docker is asked.
func TestInvisibleContainersComeFromDocker(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.docker.feed = func(string, int) (string, error) { return object(time.Now(), 0, 5), nil }
		tk := oneTask("aaa", "bbb", "ccc")
		w.run("aaa", 1000, usage{memory: 1})
		w.process("bbb", 1001, usage{}) // no cgroup
		w.process("xxx", 1002, usage{}) // another container's process
		w.show(tk)
		c := w.begin()
		after(7500 * time.Millisecond)
		for i, want := range []uint64{1 << 20, 5 << 20, 5 << 20} {
			if o, _, _ := body(t, c, tk, i); o == nil || o.Memory.Usage != want {
				t.Error(i, o)
			}
		}
		if asked := w.docker.asked(); len(asked) != 2 || asked[0] != "bbb" {
			t.Error(asked)
		}
		w.show()
		after(2 * time.Second)
		if _, _, open := w.docker.count("bbb"); open != 0 {
			t.Error("streams stay open:", open)
		}
	})
}

func TestNoCgroupTree(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.remove("cgroup")
		w.docker.feed = func(string, int) (string, error) { return object(time.Now(), 0, 5), nil }
		tk := oneTask("aaa")
		w.show(tk)
		c := w.begin()
		after(100 * time.Millisecond)
		if o, _, _ := body(t, c, tk, 0); o == nil || o.Memory.Usage != 5<<20 {
			t.Error(o)
		}
	})
}

func TestSourceSetting(t *testing.T) {
	for name, c := range map[string]struct {
		source  config.StatsSource
		visible bool
		want    uint64 // MiB, 0: no sample
	}{
		"cgroup":              {config.StatsSourceCgroup, true, 1},
		"cgroup, not visible": {config.StatsSourceCgroup, false, 0},
		"docker":              {config.StatsSourceDocker, true, 5},
	} {
		inBubble(t, func(t *testing.T, w *world) {
			w.cfg.StatsSource = c.source
			w.docker.feed = func(string, int) (string, error) { return object(time.Now(), 0, 5), nil }
			if c.visible {
				w.run("aaa", 1000, usage{memory: 1})
			}
			tk := oneTask("aaa")
			w.show(tk)
			collector := w.begin()
			after(10500 * time.Millisecond)
			o, _, tracked := body(t, collector, tk, 0)
			if got := o != nil; !tracked || got != (c.want > 0) || got && o.Memory.Usage != c.want<<20 {
				t.Errorf("%s: %+v", name, o)
			}
		})
	}
	inBubble(t, func(t *testing.T, w *world) {
		w.remove("cgroup")
		w.cfg.StatsSource = config.StatsSourceCgroup
		tk := oneTask("aaa")
		w.show(tk)
		c := w.begin()
		after(10 * time.Second)
		if o, _, tracked := body(t, c, tk, 0); o != nil || !tracked || w.docker.asked() != nil {
			t.Error("cgroup without a tree:", o, tracked)
		}
	})
}

// A container's process may become known after the container, and change.
func TestProcessThatIsKnownLate(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		tk := oneTask("aaa")
		tk.Containers[0].PID = 0
		w.run("aaa", 1000, usage{memory: 1})
		w.show(tk)
		c := w.begin()
		after(2500 * time.Millisecond)
		if o, _, _ := body(t, c, tk, 0); o != nil {
			t.Error(o)
		}
		next := tk.Clone()
		next.Edit(0).PID = 1000
		w.show(next)
		after(time.Second)
		if o, _, _ := body(t, c, next, 0); o == nil {
			t.Error("no sample")
		}
		w.stop("aaa", 1000)
		after(2 * time.Second)
		w.run("aaa", 2000, usage{memory: 2})
		last := next.Clone()
		last.Edit(0).PID = 2000
		w.show(last)
		after(time.Second)
		if o, _, _ := body(t, c, last, 0); o == nil || o.Memory.Usage != 2<<20 {
			t.Error(o)
		}
		if w.docker.asked() != nil {
			t.Error("Docker was asked")
		}
	})
}

func TestDockerStream(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.cfg.StatsSource = config.StatsSourceDocker
		failing := true
		w.docker.feed = func(_ string, call int) (string, error) {
			if failing {
				return "", errors.New("boom")
			}
			if call%10 == 0 {
				return "", nil // Docker ends the stream
			}
			return object(time.Now(), time.Duration(call)*time.Second, 5), nil
		}
		tk := oneTask("aaa")
		w.show(tk)
		c := w.begin()
		after(40 * time.Second)
		// Waits of 1, 2, 4, 8, 10, 10 … seconds, each up to half longer.
		if calls, _, _ := w.docker.count("aaa"); calls < 5 || calls > 7 {
			t.Error("attempts:", calls)
		}
		w.docker.mu.Lock()
		failing = false
		w.docker.mu.Unlock()
		after(60 * time.Second)
		if n, _ := kept(c, "aaa"); n < 40 {
			t.Error("samples:", n)
		}
		if _, opened, open := w.docker.count("aaa"); opened < 10 || open > 1 {
			t.Error(opened, open)
		}
	})
}

// A sample that is not valid ends the stream; nothing of it is kept.
func TestDockerSendsRubbish(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "rubbish", "no CPU time on cgroup v1": `{"read":"2025-01-02T03:04:05Z"}`,
	} {
		inBubble(t, func(t *testing.T, w *world) {
			w.remove("cgroup") // counts as version 1
			w.docker.feed = func(string, int) (string, error) { return text, nil }
			w.show(oneTask("aaa"))
			c := w.begin()
			after(10 * time.Second)
			if _, added := kept(c, "aaa"); added != 0 {
				t.Errorf("%s: %d samples", name, added)
			}
			if _, opened, open := w.docker.count("aaa"); opened < 3 || open != 0 {
				t.Errorf("%s: %d, %d", name, opened, open)
			}
		})
	}
}

func TestDockerPolling(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.cfg.StatsSource, w.cfg.PollMetrics = config.StatsSourceDocker, true
		w.docker.feed = func(_ string, call int) (string, error) {
			if call == 3 {
				return "", errors.New("boom")
			}
			return object(time.Now(), 0, 5), nil
		}
		tk := oneTask("aaa")
		w.show(tk)
		c := w.begin()
		after(1100 * time.Millisecond)
		if o, _, _ := body(t, c, tk, 0); o == nil {
			t.Error("no sample at once")
		}
		after(9 * time.Second)
		if n, _ := kept(c, "aaa"); n != 2 {
			t.Error("in the first interval:", n)
		}
		after(90 * time.Second)
		if n, added := kept(c, "aaa"); added < 10 || added > 12 || n != 8 {
			t.Error(n, added)
		}
	})
}

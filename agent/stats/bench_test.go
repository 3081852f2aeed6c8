package stats

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/stats/cgroup"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// One round of the cgroup source: a look at the tasks and a sample of each container. A second has one round.
func BenchmarkRound(b *testing.B) {
	for _, n := range []int{50, 200} {
		b.Run(fmt.Sprint(n, " containers"), func(b *testing.B) {
			w := newWorld(b)
			var tasks []*task.Task
			for i := range n {
				id := fmt.Sprintf("%064x", i)
				w.run(id, 1000+i, usage{cpu: time.Second, memory: 10})
				tk := oneTask(id)
				tk.ARN += fmt.Sprint(i)
				tk.Containers[0].PID = 1000 + i
				tasks = append(tasks, tk)
			}
			w.show(tasks...)
			c := New(w.cfg, w, nil)
			host, err := cgroup.Open(w.cfg.CgroupPath, filepath.Join(w.root, "proc"))
			if err != nil {
				b.Fatal(err)
			}
			sources := &choice{first: newCgroupSource(host, c)}
			defer func() { c.end(sources) }()
			round := func() {
				c.observe(sources)
				now := time.Now()
				sources.beat(now)
				c.sampleNetworks(now)
			}
			round()
			round()
			b.ReportAllocs()
			for b.Loop() {
				round()
			}
			if x := c.find(tasks[n-1].Containers[0].RuntimeID); x.queue.added < b.N {
				b.Errorf("%d samples in %d rounds", x.queue.added, b.N)
			}
		})
	}
}

// The stats endpoint between two samples.
func BenchmarkContainerStats(b *testing.B) {
	tk := oneTask("aaa")
	w := newWorld(b)
	w.show(tk)
	c := New(w.cfg, w, nil)
	c.observe(&choice{})
	sampledFor(b, c, "aaa")
	b.ReportAllocs()
	for b.Loop() {
		if body, _ := c.ContainerStats(tk, tk.Containers[0], true); body == nil {
			b.Fatal("no body")
		}
	}
}

// The metrics of 50 containers; every 20 s.
func BenchmarkMetrics(b *testing.B) {
	w := newWorld(b)
	var tasks []*task.Task
	for i := range 50 {
		tk := oneTask(fmt.Sprintf("%064x", i))
		tk.ARN += fmt.Sprint(i)
		tasks = append(tasks, tk)
	}
	w.show(tasks...)
	c := New(w.cfg, w, nil)
	c.observe(&choice{})
	for _, tk := range tasks {
		sampledFor(b, c, tk.Containers[0].RuntimeID)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, x := range c.containers {
			x.queue.sent = 60
		}
		if m, err := c.Metrics(b.Context(), false); err != nil || len(m.Tasks) != 50 {
			b.Fatal(len(m.Tasks), err)
		}
	}
}

func sampledFor(b *testing.B, c *Collector, id string) {
	b.Helper()
	x := c.find(id)
	for i := range queueSize {
		x.queue.add(begun.Add(time.Duration(i)*time.Second), point{cpu: uint64(i), memory: 1 << 20, hasNetwork: true, restartCount: -1})
	}
	x.newest, x.count = newestObject(b), 1
}

func newestObject(b *testing.B) *dockerstats.Object {
	b.Helper()
	o := &dockerstats.Object{}
	if err := json.Unmarshal([]byte(object(begun, time.Second, 10)), o); err != nil {
		b.Fatal(err)
	}
	return o
}

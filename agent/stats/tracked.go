package stats

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// tracked is a container that is being measured.
type tracked struct {
	id        string
	collector *Collector
	since     time.Time

	source source     // owned by the collector's goroutine
	kernel kernelView // owned by the cgroup source

	asked atomic.Int64 // when task metadata was last asked for it, Unix ns

	mu        sync.Mutex
	task      *task.Task // newest snapshots
	container *task.Container
	queue     *queue
	newest    *dockerstats.Object // nil before the first sample; never handed out
	count     uint64              // of samples
	life      life
	bodies    [2]cachedBody
}

func newTracked(c *Collector, t *task.Task, ct *task.Container) *tracked {
	return &tracked{id: ct.RuntimeID, collector: c, since: time.Now(), task: t, container: ct,
		queue: newQueue(c.queueLength()), life: restoreLife(ct)}
}

func (t *tracked) update(tk *task.Task, c *task.Container) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.task, t.container = tk, c
}

func (t *tracked) snapshot() (*task.Task, *task.Container) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.task, t.container
}

// restartable reports whether the container has a restart policy that is on.
func restartable(c *task.Container) bool { return c.RestartPolicy != nil && c.RestartPolicy.Enabled }

// add takes a sample over and gives back one that may be filled anew. complete tells that the sample says how things were
// at the sample before, as those of Docker do.
func (t *tracked) add(o *dockerstats.Object, complete bool) (spare *dockerstats.Object, err error) {
	t.mu.Lock()
	c := t.container
	if err := t.collector.platform.validate(o, restartable(c)); err != nil {
		t.mu.Unlock()
		return o, err
	}
	var save []byte
	if restartable(c) {
		save = t.life.detect(o, c, t.newest)
		t.life.resume(o, t.collector.platform.windows)
	}
	if !complete || t.life.ever() {
		o.Follow(t.newest)
	}
	p := t.collector.platform.convert(o)
	if restartable(c) {
		p.restartCount = 0
		if c.Restarts != nil {
			p.restartCount = c.Restarts.Count
		}
	}
	t.queue.add(o.Read, p)
	spare, t.newest = t.newest, o
	t.count++
	arn := t.task.ARN
	t.mu.Unlock()

	if save != nil {
		logger.Info("Container was restarted; its statistics continue", logger.F("taskARN", arn), logger.F("containerName", c.Name))
		if t.collector.Restarts != nil {
			t.collector.Restarts.KeepRestartStats(arn, c.Name, save)
		}
	}
	if spare == nil {
		spare = &dockerstats.Object{}
	}
	return spare, nil
}

// hasInterfaces reports whether Docker shows interfaces for a container: not when it uses the host's network or none, by
// itself or as a guest of another container.
func hasInterfaces(t *task.Task, c *task.Container) bool {
	mode := c.NetworkMode
	if id, joined := strings.CutPrefix(mode, "container:"); joined {
		mode = ""
		for _, other := range t.Containers {
			if other.RuntimeID == id {
				mode = other.NetworkMode
			}
		}
	}
	if mode == "" {
		mode = t.NetworkMode
	}
	return mode != "host" && mode != "none" && mode != "awsvpc"
}

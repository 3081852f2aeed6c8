package stats

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/stats/internal/kernelfile"
	"github.com/aws/amazon-ecs-agent/agent/stats/proc"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// taskNetwork samples the network of a task in awsvpc mode: Docker does not know its interfaces, so they are read in the
// network namespace of the pause container. The numbers are those of the whole task.
type taskNetwork struct {
	id  string // of the pause container
	pid int    // of its process

	// Owned by the collector's goroutine.
	arn     string
	macs    []string // of the task's ENIs
	process *proc.Process
	devices []string
	due     time.Time
	delay   time.Duration // of the next retry

	mu       sync.Mutex
	queue    *queue
	networks dockerstats.Networks // nil before the first sample; never changed
	count    uint64               // of samples
}

// networkPause finds the container that holds a task's network namespace and for whose task there is something to measure.
func networkPause(t *task.Task) *task.Container {
	if t.NetworkMode != "awsvpc" || len(t.Containers) < 2 {
		return nil
	}
	for _, c := range t.Containers {
		if c.Type == task.CNIPause && running(c) && c.PID != 0 {
			return c
		}
	}
	return nil
}

// followNetwork begins or ends with the network of a task, after a change. The caller holds the lock.
func (c *Collector) followNetwork(g *group) {
	pause := networkPause(g.snapshot)
	if pause == nil || len(g.containers) == 0 {
		if g.network != nil {
			g.network.close()
			g.network = nil
		}
		return
	}
	if g.network == nil || g.network.pid != pause.PID || g.network.id != pause.RuntimeID {
		if g.network != nil {
			g.network.close()
		}
		g.network = &taskNetwork{id: pause.RuntimeID, pid: pause.PID, arn: g.snapshot.ARN, macs: macsOf(g.snapshot), due: time.Now().Add(c.networkInterval), queue: newQueue(queueSize)}
	}
}

func macsOf(t *task.Task) []string {
	var macs []string
	for _, eni := range t.ENIs {
		macs = append(macs, eni.MAC)
	}
	return macs
}

func (n *taskNetwork) close() {
	if n.process != nil {
		n.process.Close()
		n.process = nil
	}
}

// sampleNetworks samples the tasks' networks that are due.
func (c *Collector) sampleNetworks(now time.Time) {
	var buffer kernelfile.Buffer
	for _, n := range c.networksDue(now) {
		err := n.sample(now, c.procs, &buffer)
		if err == nil {
			n.due, n.delay = n.due.Add(c.networkInterval), 0
			continue
		}
		n.close()
		n.delay = min(max(2*n.delay, retryFirst), retryMax)
		n.due = now.Add(n.delay + time.Duration(rand.Float64()*retryJitter*float64(n.delay)))
		logger.Warn("Cannot read the network of the task", logger.F("taskARN", n.arn), logger.Err(err))
	}
}

func (c *Collector) networksDue(now time.Time) []*taskNetwork {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var due []*taskNetwork
	for _, g := range c.groups {
		if g.network != nil && !now.Before(g.network.due) {
			due = append(due, g.network)
		}
	}
	return due
}

var errNoDevices = errors.New("the task has no network device yet")

func (n *taskNetwork) sample(now time.Time, procs []string, buffer *kernelfile.Buffer) error {
	if n.process == nil {
		process, _, err := proc.Find(procs, n.pid, n.id, buffer)
		if err != nil {
			return err
		}
		n.process = process
	}
	if len(n.devices) == 0 {
		devices, err := n.process.TaskInterfaces(n.macs)
		if err != nil {
			return err
		}
		if n.devices = devices; len(devices) == 0 {
			return errNoDevices
		}
	}
	networks, err := n.process.Networks(buffer, func(name []byte) bool { return slices.Contains(n.devices, string(name)) }, nil)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.networks = networks
	n.queue.add(now, point{network: networks.Total(), hasNetwork: true, restartCount: -1})
	n.count++
	return nil
}

// networkOf gives the sampled network of a task; nil when there is none.
func (c *Collector) networkOf(arn string) *taskNetwork {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if g := c.groups[arn]; g != nil {
		return g.network
	}
	return nil
}

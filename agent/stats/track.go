package stats

import (
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// group is a task with tracked containers, or one that was looked at and has none.
type group struct {
	snapshot   *task.Task
	containers []*tracked
	network    *taskNetwork // in awsvpc mode, once there is something to read
	seen       bool         // in this beat
}

// belongs reports whether a task's containers are measured. Tasks of the agent itself have no family.
func belongs(t *task.Task) bool {
	return t.ARN != "" && t.Family != "" && !t.Known.Terminal()
}

// running reports whether a container is measured. One that is being restarted by its policy counts as running all the
// time.
func running(c *task.Container) bool {
	return c.RuntimeID != "" && c.Known >= task.ContainerRunning && !c.Known.Terminal()
}

// observe compares what is tracked with what runs.
func (c *Collector) observe(sources *choice) {
	for _, t := range c.tasks.Tasks() {
		c.mu.RLock()
		g := c.groups[t.ARN]
		c.mu.RUnlock()
		if g == nil {
			if !belongs(t) {
				continue
			}
			g = &group{}
		}
		if g.snapshot != t {
			c.mu.Lock()
			c.groups[t.ARN] = g
			c.change(g, t, sources)
			c.mu.Unlock()
		}
		g.seen = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for arn, g := range c.groups {
		if !g.seen {
			c.drop(g, sources)
			delete(c.groups, arn)
		}
		g.seen = false
	}
}

// change takes over a new snapshot of a task. The caller holds the lock.
func (c *Collector) change(g *group, t *task.Task, sources *choice) {
	g.snapshot = t
	if !belongs(t) {
		c.drop(g, sources)
		return
	}
	var kept []*tracked
	for _, ct := range t.Containers {
		if !running(ct) {
			continue
		}
		x := c.containers[ct.RuntimeID]
		if x == nil {
			x = newTracked(c, t, ct)
			c.containers[ct.RuntimeID] = x
			sources.follow(x)
			logger.Debug("Measuring container", logger.F("taskARN", t.ARN), logger.F("containerName", ct.Name), logger.F("runtimeID", ct.RuntimeID))
		}
		x.update(t, ct)
		kept = append(kept, x)
	}
	for _, x := range g.containers {
		if !slices.Contains(kept, x) {
			c.untrack(x, sources)
		}
	}
	g.containers = kept
	c.followNetwork(g)
}

// drop stops measuring a task. The caller holds the lock.
func (c *Collector) drop(g *group, sources *choice) {
	for _, x := range g.containers {
		c.untrack(x, sources)
	}
	g.containers = nil
	c.followNetwork(g)
}

func (c *Collector) untrack(x *tracked, sources *choice) {
	logger.Debug("Container is terminal, removing from stats", logger.F("runtimeID", x.id))
	sources.forget(x)
	delete(c.containers, x.id)
}

// find gives a tracked container by its Docker id; nil when it is not tracked.
func (c *Collector) find(id string) *tracked {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.containers[id]
}

// nudge makes Run look at once.
func (c *Collector) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

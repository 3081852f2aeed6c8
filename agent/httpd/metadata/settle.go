package metadata

import (
	"context"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Bounds of the wait for the look at a container that has just been started.
const (
	inspectWait = time.Second
	inspectPoll = 5 * time.Millisecond
	// maxLooks bounds the looks that are remembered; when there are more, all may be waited for anew.
	maxLooks = 1024
)

// settled is caller for a container that asks about itself. Such a container runs, but the agent may not have had the time
// to look at it since its start: then it waits for that a little, and goes on with what is known.
func (h *handler) settled(ctx context.Context, id string) (*task.Task, *task.Container, bool) {
	t, c, known := h.caller(id)
	if !known || !lookPending(c) {
		return t, c, known
	}
	ctx, cancel := context.WithDeadline(ctx, h.looks.expected(c))
	defer cancel()
	tick := time.NewTicker(inspectPoll)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return t, c, known
		case <-tick.C:
		}
		if t, c, known = h.caller(id); !known || !lookPending(c) {
			return t, c, known
		}
	}
	return t, c, known
}

// lookPending reports whether the container is being started, or runs and was never looked at.
func lookPending(c *task.Container) bool {
	switch c.Engine.Step {
	case task.StepStart, task.StepRestart:
		return true
	}
	running := c.Known == task.ContainerRunning || c.Engine.Inspecting || !c.Engine.InspectAt.IsZero()
	return running && c.NetworkMode == "" && len(c.Networks) == 0
}

// looks remembers until when a look is waited for: Docker may hang, and then only the first requests after a start wait.
// The zero value is ready.
type looks struct {
	mu    sync.Mutex
	until map[look]time.Time
}

// look is the one at a start of a container.
type look struct {
	id       string
	restarts int
}

// expected is when the look at a container is not waited for any more, counted from the first request.
func (l *looks) expected(c *task.Container) time.Time {
	k := look{id: c.RuntimeID}
	if c.Restarts != nil {
		k.restarts = c.Restarts.Count
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	until, has := l.until[k]
	if !has {
		if l.until == nil || len(l.until) >= maxLooks {
			l.until = map[look]time.Time{}
		}
		until = time.Now().Add(inspectWait)
		l.until[k] = until
	}
	return until
}

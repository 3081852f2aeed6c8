package engine

import (
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/aws/amazon-ecs-agent/agent/turnstile"
)

// Tasks gives the present snapshot of every task, in the order of their acceptance.
func (e *Engine) Tasks() []*task.Task {
	e.mu.RLock()
	defer e.mu.RUnlock()
	tasks := make([]*task.Task, len(e.order))
	for i, o := range e.order {
		tasks[i] = o.snap.Load()
	}
	return tasks
}

// Task gives the present snapshot of one task.
func (e *Engine) Task(arn string) (*task.Task, bool) {
	o, known := e.owner(arn)
	if !known {
		return nil, false
	}
	return o.snap.Load(), true
}

// ByEndpoint finds a container by the id in its metadata address.
func (e *Engine) ByEndpoint(id string) (*task.Task, *task.Container, bool) {
	e.mu.RLock()
	o, known := e.byEndpoint[id]
	e.mu.RUnlock()
	if !known {
		return nil, nil, false
	}
	t := o.snap.Load()
	for _, c := range t.Containers {
		if c.EndpointID == id {
			return t, c, true
		}
	}
	return nil, nil, false
}

// HostUse is what tasks have of the host's resources.
type HostUse struct {
	CPU, CPUUsed             int64 // shares, 1024 per logical CPU
	MemoryMiB, MemoryUsedMiB int64
	GPUs, GPUsUsed           int
	// Waiting is the number of tasks that wait for their share.
	Waiting int
}

// Host tells how much of the host is given to tasks.
func (e *Engine) Host() HostUse {
	a := e.admission
	a.mu.Lock()
	defer a.mu.Unlock()
	return HostUse{
		CPU: a.total.CPU, CPUUsed: a.sum.cpu, MemoryMiB: a.total.Memory, MemoryUsedMiB: a.sum.memory,
		GPUs: len(a.total.GPUs), GPUsUsed: len(a.sum.gpus), Waiting: len(a.waiting),
	}
}

// Starts tells how many containers are being started and wait for others (ECS_MAX_CONCURRENT_STARTS).
func (e *Engine) Starts() turnstile.State { return e.starts.State() }

// ByRuntimeID finds a container by its Docker id, or by a prefix of it that is unique.
func (e *Engine) ByRuntimeID(id string) (*task.Task, *task.Container, bool) {
	if id == "" {
		return nil, nil, false
	}
	e.mu.RLock()
	o, known := e.byRuntime[id]
	if !known {
		for full, candidate := range e.byRuntime {
			if !strings.HasPrefix(full, id) {
				continue
			}
			if known {
				e.mu.RUnlock()
				return nil, nil, false // ambiguous
			}
			o, known = candidate, true
		}
	}
	e.mu.RUnlock()
	if !known {
		return nil, nil, false
	}
	t := o.snap.Load()
	for _, c := range t.Containers {
		if strings.HasPrefix(c.RuntimeID, id) {
			return t, c, true
		}
	}
	return nil, nil, false
}

func (e *Engine) owner(arn string) (*owner, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	o, known := e.byARN[arn]
	return o, known
}

// index makes a task's containers findable. The caller holds the lock.
func (e *Engine) index(o *owner, t *task.Task) {
	for _, c := range t.Containers {
		if c.EndpointID != "" {
			e.byEndpoint[c.EndpointID] = o
		}
		if c.RuntimeID != "" {
			e.byRuntime[c.RuntimeID] = o
		}
	}
}

// reindex makes containers findable by Docker ids that became known.
func (e *Engine) reindex(o *owner, before, after *task.Task) {
	for i, c := range after.Containers {
		if c.RuntimeID != before.Containers[i].RuntimeID {
			e.mu.Lock()
			e.index(o, after)
			e.mu.Unlock()
			return
		}
	}
}

package report

import (
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// line is what one task still has to tell ECS, in order, and what ECS has accepted of it in this run of the agent: the
// engine takes acknowledgements over a little later. The nil line is that of a task with nothing to tell.
type line struct {
	arn string
	// batch are container changes that wait for a task change to go with.
	batch []containerChange
	// queue are the changes to be submitted; the first one is under way while sending is set.
	queue   []taskChange
	sending bool
	// due is when the first change may be submitted.
	due    time.Time
	pauses backoff.Pauses
	// parked is set while ECS refuses the first change for a reason that does not pass by itself; refusal says it is
	// that change which is refused, and not the agent.
	parked, refusal bool

	accepted           task.Status
	acceptedContainers map[string]task.ContainerStatus
}

func (l *line) sentTask() task.Status {
	if l == nil {
		return task.None
	}
	return l.accepted
}

func (l *line) sentContainer(name string) task.ContainerStatus {
	if l == nil {
		return task.ContainerNone
	}
	return l.acceptedContainers[name]
}

// has reports whether the container's status, or a later one, waits in the line already.
func (l *line) has(name string, status task.ContainerStatus) bool {
	if l == nil {
		return false
	}
	same := func(c containerChange) bool { return c.Name == name && c.status >= status }
	return slices.ContainsFunc(l.batch, same) || slices.ContainsFunc(l.queue, func(t taskChange) bool {
		return slices.ContainsFunc(t.containers, same)
	})
}

// add queues a task change with the container changes gathered so far, and reports whether there is news to submit. A
// change that only repeats the newest one adds nothing.
func (l *line) add(change taskChange, now time.Time) bool {
	change.containers, l.batch = l.batch, nil
	if n := len(l.queue); n > 0 {
		newest := &l.queue[n-1]
		if newest.status == change.status && newest.reason == change.reason {
			if len(change.containers) == 0 {
				return false
			}
			if n > 1 || !l.sending {
				newest.containers = append(newest.containers, change.containers...)
				return false
			}
		}
		l.queue = append(l.queue, change)
		if l.refusal && !l.sending {
			l.due = now // the new change may be what makes ECS take the old one
			return true
		}
		return false
	}
	l.queue = append(l.queue, change)
	if l.due.Before(now) {
		l.due = now
	}
	return true
}

// shift removes the first change.
func (l *line) shift() {
	l.queue[0] = taskChange{}
	l.queue = l.queue[1:]
	if len(l.queue) == 0 {
		l.queue = nil
	}
}

// yield gives the first change's container changes to the second and removes the first.
func (l *line) yield() {
	next := &l.queue[1]
	next.containers = append(slices.Clone(l.queue[0].containers), next.containers...)
	l.shift()
}

// accept notes what ECS has accepted with the first change, and removes it.
func (l *line) accept() (task.Status, map[string]task.ContainerStatus) {
	change := l.queue[0]
	l.accepted = max(l.accepted, change.status)
	containers := make(map[string]task.ContainerStatus, len(change.containers))
	for _, c := range change.containers {
		containers[c.Name] = max(containers[c.Name], c.status)
		l.acceptedContainers[c.Name] = max(l.acceptedContainers[c.Name], c.status)
	}
	l.shift()
	return change.status, containers
}

// acknowledgedBy reports whether the engine's snapshot knows all that ECS has accepted.
func (l *line) acknowledgedBy(t *task.Task) bool {
	if t.Sent < l.accepted {
		return false
	}
	for _, c := range t.Containers {
		if c.Sent < l.acceptedContainers[c.Name] {
			return false
		}
	}
	return true
}

package engine

import (
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Rules are the settings that change what Apply and Plan decide.
type Rules struct {
	// PullMustSucceed is set for ECS_IMAGE_PULL_BEHAVIOR always and once: a failed pull ends the task. Otherwise the
	// create step goes on with the image that is there, or fails.
	PullMustSucceed bool
	// PullAlways is set for the behaviours default and always: every pull step really pulls.
	PullAlways bool
	// PullUpfront is ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT: dependsOn does not hold back pulls.
	PullUpfront bool
	// CleanupWait is how long a stopped task's containers are kept (ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION).
	CleanupWait time.Duration
}

// Event is something that happened to a task: a wish from ECS, a finished step, news from Docker, time passing.
type Event interface{ apply(w *work) }

// Change tells the outside what an event changed: a container's known status, or (Container nil) the task's.
type Change struct {
	// Task is the task at that moment; Container is one of its containers, or nil for a change of the task itself.
	Task      *task.Task
	Container *task.Container
	// Reason of a task change; empty unless the agent itself ended the task.
	Reason string
}

// Outcome is what an event led to.
type Outcome struct {
	Task    *task.Task
	Changes []Change
	// SaveTask and SaveContainers (by index) say which records differ from what is on disk.
	SaveTask       bool
	SaveContainers map[int]bool
}

// Apply returns the task as it is after ev. It is pure: it changes nothing it was given, does no I/O and reads no clock.
// Everything that follows without a call to the outside world (statuses derived from others, containers that stop
// without ever having run) has happened in the result; what needs calls is left to Plan.
func Apply(t *task.Task, ev Event, now time.Time, rules Rules) Outcome {
	w := newWork(t, now, rules)
	ev.apply(w)
	w.settle()
	return Outcome{Task: w.t, Changes: w.changes, SaveTask: w.saveTask, SaveContainers: w.saveContainers}
}

// work is a task being changed by one event.
type work struct {
	t              *task.Task
	now            time.Time
	rules          Rules
	changes        []Change
	saveTask       bool
	saveContainers map[int]bool
	edited         map[int]bool
}

func newWork(t *task.Task, now time.Time, rules Rules) *work {
	return &work{t: t.Clone(), now: now, rules: rules, saveContainers: map[int]bool{}, edited: map[int]bool{}}
}

// edit gives container i for a change that has to be saved.
func (w *work) edit(i int) *task.Container {
	w.saveContainers[i] = true
	return w.progress(i)
}

// progress gives container i for a change that a restart may forget.
func (w *work) progress(i int) *task.Container {
	if w.edited[i] {
		return w.t.Containers[i]
	}
	w.edited[i] = true
	return w.t.Edit(i)
}

// note records a change. The copies handed out must not change any more, so later edits start from new ones.
func (w *work) note(c *task.Container, reason string) {
	w.changes = append(w.changes, Change{Task: w.t, Container: c, Reason: reason})
	w.t = w.t.Clone()
	clear(w.edited)
}

// advance moves container i forward to status; a status it has passed already is ignored. It keeps the order of what
// ECS hears: the container first, then the task it changed.
func (w *work) advance(i int, status task.ContainerStatus) {
	if status <= w.t.Containers[i].Known {
		return
	}
	c := w.edit(i)
	c.Known = status
	if status == task.ContainerStopped {
		c.Engine.Died, c.Engine.MustStop, c.Engine.Restart = false, false, false
		c.Engine.InspectAt = time.Time{}
		if c.Essential && w.t.ExecutionStoppedAt.IsZero() {
			w.t.ExecutionStoppedAt = w.now
			w.saveTask = true
		}
	}
	w.note(c, "")
	w.derive()
}

// wantStopped gives the container no way but to stop.
func (w *work) wantStopped(i int) {
	if w.t.Containers[i].Desired < task.ContainerStopped {
		w.edit(i).Desired = task.ContainerStopped
	}
}

// stopTask gives the task no way but to stop. The first reason stays.
func (w *work) stopTask(reason string) {
	if w.t.TerminalReason == "" && reason != "" {
		w.t.TerminalReason = reason
		w.saveTask = true
	}
	if w.t.Desired < task.Stopped {
		w.t.Desired = task.Stopped
		w.saveTask = true
	}
}

// fail keeps the first error of container i; it becomes the reason of its reports.
func (w *work) fail(i int, err *task.Error) {
	if err != nil && w.t.Containers[i].Failure == nil {
		w.edit(i).Fail(err)
	}
}

// derive computes what follows from the containers: the task's known and desired status, and from that the desired
// status of each container and resource.
func (w *work) derive() {
	w.deriveDesired()
	w.deriveKnown()
}

func (w *work) deriveDesired() {
	t := w.t
	for _, c := range t.Containers {
		if c.Essential && (c.Known == task.ContainerStopped || c.Desired == task.ContainerStopped) {
			w.stopTask(w.internalFailure(c))
		}
	}
	for i, c := range t.Containers {
		if want := t.Desired.Container(c.Steady()); want > c.Desired {
			w.edit(i).Desired = want
		}
	}
	want := task.ResourceCreated
	if t.Desired.Terminal() {
		want = task.ResourceRemoved
	}
	for i := range t.Resources {
		if t.Resources[i].Desired < want {
			t.Resources[i].Desired = want
			w.saveTask = true
		}
	}
}

// internalFailure is why a container that the agent added ends a task that should go on. Nobody hears of that container, so
// the task has to say it.
func (w *work) internalFailure(c *task.Container) string {
	if !c.Internal() || w.t.Desired.Terminal() {
		return ""
	}
	return c.Failure.Reason()
}

func (w *work) deriveKnown() {
	t := w.t
	if len(t.Containers) == 0 {
		return
	}
	known, essentialStopped := task.Stopped, false
	for _, c := range t.Containers {
		known = min(known, c.TaskStatus())
		essentialStopped = essentialStopped || c.Essential && c.Known == task.ContainerStopped
	}
	if known <= t.Known || known == task.Running && essentialStopped {
		// Survivors of a dead essential container never make a task look RUNNING.
		return
	}
	w.setKnown(known)
}

// setKnown moves the task itself forward.
func (w *work) setKnown(status task.Status) {
	w.t.Known = status
	w.t.KnownTime = w.now
	w.saveTask = true
	reason := ""
	if status.Terminal() {
		reason = w.t.TerminalReason
	}
	w.note(nil, reason)
}

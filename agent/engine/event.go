package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// inspectRetry is the pause before an inspect that failed is tried again.
const inspectRetry = 5 * time.Second

// DesiredChanged is a new desired status from ECS. Lower ones than the present are ignored.
type DesiredChanged struct{ Status task.Status }

func (e DesiredChanged) apply(w *work) {
	if e.Status > w.t.Desired {
		w.t.Desired = e.Status
		w.saveTask = true
	}
}

// Ended says that the agent itself has to stop the task, and why.
type Ended struct{ Reason string }

func (e Ended) apply(w *work) { w.stopTask(task.SentenceCase(e.Reason)) }

// Admitted says that host resources were granted to the task.
type Admitted struct{}

func (Admitted) apply(w *work) {
	w.t.Engine.Admitted = true
	w.t.Engine.Waiting, w.t.Engine.NeverFits = "", false
	if waitingForRole(w.t) {
		w.t.Engine.Waiting = waitsForRole
	}
}

// waitsForRole is what a task waits for whose execution role has no credentials yet.
const waitsForRole = "CREDENTIALS (of the execution role; ECS has not sent them yet)"

// waitingForRole reports whether there is something that the task cannot do before it has the credentials of its execution
// role.
func waitingForRole(t *task.Task) bool {
	if t.Engine.ExecutionRole || t.Desired.Terminal() {
		return false
	}
	return slices.ContainsFunc(t.Containers, pullsWithExecutionRole) || slices.ContainsFunc(t.Resources, func(r task.Resource) bool {
		return r.Known == task.ResourceNone && r.NeedsExecutionRole()
	})
}

// Queued says why the task has to wait for host resources.
type Queued struct {
	Reason string
	// Never: the host as it is can never give what the task needs.
	Never bool
}

func (e Queued) apply(w *work) { w.t.Engine.Waiting, w.t.Engine.NeverFits = e.Reason, e.Never }

// Acknowledged says which statuses ECS has accepted.
type Acknowledged struct {
	Task       task.Status
	Containers map[string]task.ContainerStatus
}

func (e Acknowledged) apply(w *work) {
	if e.Task > w.t.Sent {
		w.t.Sent = e.Task
		w.saveTask = true
	}
	for i, c := range w.t.Containers {
		if sent, has := e.Containers[c.Name]; has && sent > c.Sent {
			w.edit(i).Sent = sent
		}
	}
}

// CredentialsSet says under which id a role's credentials are kept now, and that they are held.
type CredentialsSet struct{ Application, Execution string }

func (e CredentialsSet) apply(w *work) {
	if e.Application != "" {
		w.t.CredentialsID = e.Application
		w.saveTask = true
	}
	if e.Execution != "" {
		w.t.Engine.ExecutionRole = true
		if w.t.Engine.Waiting == waitsForRole {
			w.t.Engine.Waiting = ""
		}
		if w.t.ExecutionCredentialsID != e.Execution {
			w.t.ExecutionCredentialsID = e.Execution
			w.saveTask = true
		}
	}
}

// RestartStatsSet is what carries a container's statistics over its restarts, to be saved with it.
type RestartStatsSet struct {
	Container string
	Data      json.RawMessage
}

func (e RestartStatsSet) apply(w *work) {
	if i := w.t.Index(e.Container); i >= 0 {
		w.edit(i).RestartStats = &e.Data
	}
}

// Tick is time having passed: deadlines are looked at again.
type Tick struct{}

func (Tick) apply(*work) {}

// Started says that steps were handed out and run now.
type Started struct{ Steps []Step }

func (e Started) apply(w *work) {
	for _, s := range e.Steps {
		switch {
		case s.Kind == CleanTask:
			w.t.Engine.Cleaning = true
		case s.Kind == CreateResource:
			w.t.Resources[w.t.Resources.Find(s.Resource.Kind, s.Resource.Name)].InFlight = true
		case s.Kind == ReleaseResources:
			w.t.Engine.Releasing = true
		case s.Kind == DisconnectTask:
			w.t.Engine.Disconnecting = true
		case s.Kind == InspectContainer:
			c := w.progress(w.t.Index(s.Container))
			c.Engine.Inspecting, c.Engine.InspectAt = true, time.Time{}
		default:
			w.begin(w.t.Index(s.Container), s.Step)
		}
	}
}

// begin marks a container's step as in flight.
func (w *work) begin(i int, step task.Step) {
	c := w.progress(i)
	c.Engine.Step, c.Engine.StepSince = step, w.now
	switch step {
	case task.StepPull:
		if w.rules.PullAlways && w.t.PullStartedAt.IsZero() {
			// Known now already: a stop may come before the pull is over.
			w.t.PullStartedAt = w.now
			w.saveTask = true
		}
	case task.StepProvision:
		// From now on there is something to let go of, whatever becomes of the step.
		w.t.DefaultNetworkInterface = task.ENIInterface
		w.saveTask = true
	case task.StepStop:
		c.Engine.RetryStopAt = time.Time{}
		if c.Engine.CameBack {
			c.Engine.CameBack = false
			w.t.Engine.CameBackStopped = true
		}
	case task.StepRestart:
		c = w.edit(i)
		c.Engine.Restart = false
		c.Engine.EventExitCode, c.ExitCode = c.ExitCode, nil // back only if the start fails
		tracker := task.RestartTracker{Policy: *c.RestartPolicy}
		if c.Restarts != nil {
			tracker = *c.Restarts
		}
		tracker.Count++
		tracker.Last = w.now
		c.Restarts = &tracker
	}
}

// ResourceDone is the end of a resource's creation.
type ResourceDone struct {
	Resource ResourceID
	Err      error
	// GivenUp is set when the creation was given up because the task has to stop: nobody is to blame.
	GivenUp bool
}

func (e ResourceDone) apply(w *work) {
	i := w.t.Resources.Find(e.Resource.Kind, e.Resource.Name)
	if i < 0 {
		return
	}
	r := &w.t.Resources[i]
	r.InFlight = false
	if e.GivenUp {
		return
	}
	w.saveTask = true
	if e.Err != nil {
		w.stopTask(resourceReason(e.Err))
		return
	}
	r.Known = max(r.Known, task.ResourceCreated)
	r.CreatedAt = w.now
}

// resourceReason is the reason of a task that stops for want of a resource.
func resourceReason(err error) string {
	var unprepared *task.PrepareError
	if errors.As(err, &unprepared) {
		return unprepared.Error()
	}
	return cmp.Or(task.SentenceCase(err.Error()), "Resource cannot be created")
}

// Released is the end of the release step.
type Released struct{}

func (Released) apply(w *work) {
	w.t.Engine.Releasing = false
	w.t.Engine.Released = true
}

// Cleaned is the end of the task's cleanup: nothing of it is left.
type Cleaned struct{}

func (Cleaned) apply(w *work) {
	w.t.Engine.Cleaning = false
	w.t.Engine.Cleaned = true
}

// Left says that the cleanup could not remove everything; it is repeated.
type Left struct{}

func (Left) apply(w *work) {
	w.t.Engine.Cleaning = false
	w.t.Engine.CleanFailures++
	w.t.Engine.RetryCleanAt = w.now.Add(cleanRetry)
}

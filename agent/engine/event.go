package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// inspectRetry is the pause before an inspect that failed is tried again.
const inspectRetry = 5 * time.Second

// stopRetry is the pause before a stop is tried again that failed while Docker did not answer.
const stopRetry = 5 * time.Second

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
	c.Engine.Step = step
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

// StepDone is the end of a container's step. The result that belongs to the step is set, or Err.
type StepDone struct {
	Container string
	Step      task.Step
	Err       error
	Manifest  task.Manifest
	Pull      task.PullResult
	Create    task.CreateResult
	State     *task.ContainerState
	// Connection is the result of provisioning; TornDown says that it was undone before the stop.
	Connection task.Connection
	TornDown   bool
	// DockerAnswers is set with a failed stop when the daemon answers: then there is no use in trying on.
	DockerAnswers bool
}

func (e StepDone) apply(w *work) {
	i := w.t.Index(e.Container)
	if i < 0 {
		return
	}
	w.progress(i).Engine.Step = task.StepNone
	switch e.Step {
	case task.StepResolveManifest:
		w.manifestResolved(i, e)
	case task.StepPull:
		w.pulled(i, e)
	case task.StepCreate:
		w.created(i, e)
	case task.StepStart:
		w.started(i, e)
	case task.StepRestart:
		w.restarted(i, e)
	case task.StepProvision:
		w.provisioned(i, e)
	case task.StepStop:
		w.stopped(i, e)
	}
}

func (w *work) manifestResolved(i int, e StepDone) {
	if w.t.Containers[i].Known != task.ContainerNone {
		return // stopped meanwhile
	}
	if e.Err != nil {
		w.pullFailed(i, e.Err)
	} else if e.Manifest.Digest != "" {
		w.edit(i).ImageDigest = e.Manifest.Digest
	}
	w.advance(i, task.ContainerManifestPulled)
}

func (w *work) pulled(i int, e StepDone) {
	if !e.Pull.StartedAt.IsZero() {
		if w.t.PullStartedAt.IsZero() {
			w.t.PullStartedAt = e.Pull.StartedAt
		}
		if e.Pull.FinishedAt.After(w.t.PullStoppedAt) {
			w.t.PullStoppedAt = e.Pull.FinishedAt
		}
		w.saveTask = true
	}
	if w.t.Containers[i].Known >= task.ContainerPulled {
		return
	}
	if e.Err != nil {
		w.pullFailed(i, e.Err)
	}
	if e.Pull.Missing && w.t.Containers[i].Essential {
		w.stopTask(e.Err.Error()) // waiting for dependencies is of no use any more
	}
	if e.Pull.ImageID != "" {
		w.edit(i).ImageID = e.Pull.ImageID
	}
	if e.Pull.Digest != "" && w.t.Containers[i].ImageDigest == "" {
		w.edit(i).ImageDigest = e.Pull.Digest
	}
	w.advance(i, task.ContainerPulled)
}

// pullFailed keeps the error. Where a local image will do, the task goes on: create uses it or fails.
func (w *work) pullFailed(i int, err error) {
	w.fail(i, named(task.ErrCannotPullContainer, err))
	if w.rules.PullMustSucceed {
		w.stopTask("")
	}
}

func (w *work) created(i int, e StepDone) {
	if e.Create.RuntimeID != "" {
		c := w.edit(i)
		c.RuntimeID = e.Create.RuntimeID
		if e.Create.SinglePorts != nil || e.Create.HasPortRange {
			c.SinglePorts, c.HostRanges, c.HasPortRange = e.Create.SinglePorts, e.Create.HostRanges, e.Create.HasPortRange
		}
	}
	if e.Err != nil {
		w.fail(i, named(task.ErrCannotCreateContainer, e.Err))
		w.wantStopped(i)
		return
	}
	if w.t.Containers[i].Known == task.ContainerStopped {
		return // stopped meanwhile; cleanup removes it
	}
	w.advance(i, task.ContainerCreated)
	if e.Create.State != nil {
		w.observe(i, e.Create.State)
	}
}

func (w *work) started(i int, e StepDone) {
	switch {
	case e.Err == nil:
		w.progress(i).Observe(e.State)
		w.advance(i, task.ContainerRunning)
		w.afterStart(i, e.State)
	case errors.Is(e.Err, task.ErrGone) && !startRefused(e.Err):
		w.vanished(i)
	case task.ErrorName(e.Err) == task.ErrCannotInspectContainer:
		// Started; only the look at it failed. It is looked at again.
		w.progress(i).Engine.InspectAt = w.now.Add(inspectRetry)
		if w.t.Containers[i].StartedAt.IsZero() {
			w.edit(i).StartedAt = w.now
		}
		w.advance(i, task.ContainerRunning)
		if w.t.Containers[i].Engine.Died {
			w.progress(i).Engine.InspectAt = w.now
		}
	default:
		w.fail(i, named(task.ErrCannotStartContainer, e.Err))
		c := w.progress(i)
		c.Engine.MustStop = mayBeRunning(e.Err) || c.Engine.Died
		c.Engine.Died = false
		w.wantStopped(i)
	}
}

// afterStart deals with a container that had ended again when it was looked at after its start.
func (w *work) afterStart(i int, s *task.ContainerState) {
	switch {
	case s.Status == task.ContainerStopped:
		w.exited(i, s)
	case w.t.Containers[i].Engine.Died:
		// The inspect was faster than the death.
		w.progress(i).Engine.InspectAt = w.now
	}
}

func (w *work) restarted(i int, e StepDone) {
	if e.Err == nil || task.ErrorName(e.Err) == task.ErrCannotInspectContainer {
		c := w.progress(i)
		if !c.Engine.Died {
			c.Engine.EventExitCode = nil
		}
		if e.State != nil {
			c.Observe(e.State)
			w.afterStart(i, e.State)
		} else {
			c.Engine.InspectAt = w.now.Add(inspectRetry)
		}
		return
	}
	w.exitCode(i, w.t.Containers[i].Engine.EventExitCode)
	if mayBeRunning(e.Err) {
		w.wantStopped(i) // known is RUNNING: a stop call follows
		return
	}
	w.advance(i, task.ContainerStopped)
}

func (w *work) stopped(i int, e StepDone) {
	known := w.t.Containers[i].Known
	c := w.progress(i)
	c.Engine.MustStop = false
	code := c.Engine.EventExitCode
	if e.TornDown {
		w.tornDown(i)
		c = w.t.Containers[i]
	}
	if e.State != nil {
		c.Observe(e.State)
		code = nil
	}
	if known == task.ContainerStopped {
		return // it had come back and was stopped once more
	}
	switch {
	case e.Err == nil:
		w.exitCode(i, code)
		if e.State != nil && e.State.Failure != nil {
			w.fail(i, e.State.Failure)
		}
	case errors.Is(e.Err, task.ErrGone):
		w.exitCode(i, code)
	case !e.DockerAnswers:
		c.Engine.MustStop = known < task.ContainerRunning
		c.Engine.RetryStopAt = w.now.Add(stopRetry)
		return
	default:
		w.fail(i, named(task.ErrCannotStopContainer, e.Err))
	}
	w.advance(i, task.ContainerStopped)
}

// exitCode takes the exit code of an event where no inspect gave one.
func (w *work) exitCode(i int, code *int) {
	if code != nil && w.t.Containers[i].ExitCode == nil {
		w.edit(i).ExitCode = code
	}
}

// mayBeRunning reports whether a failed start call may have started the container all the same.
func mayBeRunning(err error) bool {
	switch task.ErrorName(err) {
	case task.ErrDockerTimeout:
		return true
	case task.ErrCannotStartContainer:
		return strings.HasSuffix(err.Error(), "EOF")
	}
	return false
}

// startRefused tells "no such container" in the answer to a start from one in the look afterwards.
func startRefused(err error) bool { return task.ErrorName(err) == task.ErrCannotStartContainer }

// named gives an error the name it has in reports, unless it has one.
func named(name string, err error) *task.Error {
	var e *task.Error
	if errors.As(err, &e) {
		return e
	}
	return task.NewError(name, err)
}

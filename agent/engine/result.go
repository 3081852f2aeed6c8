package engine

import (
	"errors"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// stopRetry is the pause before a stop is tried again that failed while Docker did not answer.
const stopRetry = 5 * time.Second

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

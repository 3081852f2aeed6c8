package engine

import (
	"errors"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// vanishedText is the message of ContainerVanishedError.
const vanishedText = "No container matching saved ID found"

// RuntimeNews is an event of the container runtime about one of the task's containers.
type RuntimeNews struct {
	Container string
	Event     task.RuntimeEvent
}

func (e RuntimeNews) apply(w *work) {
	i := w.t.Index(e.Container)
	if i < 0 {
		return
	}
	c := w.t.Containers[i]
	if c.RuntimeID != "" && e.Event.RuntimeID != c.RuntimeID {
		return // a namesake
	}
	switch e.Event.Action {
	case task.ActionCreate:
		if c.RuntimeID == "" {
			w.edit(i).RuntimeID = e.Event.RuntimeID
		}
	case task.ActionStart:
		if c.Engine.Step != task.StepStart && c.Engine.Step != task.StepRestart {
			w.progress(i).Engine.InspectAt = w.now
			w.runs(i)
		}
	case task.ActionDie, task.ActionStop:
		w.died(i, e.Event.ExitCode)
	case task.ActionRestart:
		w.progress(i).Engine.InspectAt = w.now
	case task.ActionHealth:
		if c.DockerHealthChecked() && c.Known < task.ContainerStopped {
			w.progress(i).Engine.InspectAt = w.now
		}
	case task.ActionDestroy:
		if !c.Engine.Died && c.Engine.Step == task.StepNone {
			w.vanished(i)
		}
	}
}

// runs notes that the container runs before an inspect has shown it: a stop does not wait for the inspect, which may hang.
func (w *work) runs(i int) {
	if c := w.t.Containers[i]; c.Known < task.ContainerRunning {
		w.progress(i).Engine.MustStop = true
	}
}

// died notes that the container's process ended. Whoever has a call under way that ends with a look at the container
// deals with it; otherwise the container is inspected now.
func (w *work) died(i int, exitCode *int) {
	c := w.t.Containers[i]
	if c.Known == task.ContainerStopped || c.Engine.Died && exitCode == nil {
		return
	}
	c = w.progress(i)
	if exitCode != nil {
		c.Engine.EventExitCode = exitCode
	}
	switch c.Engine.Step {
	case task.StepStop:
		// The call looks at the container when it returns. If it hangs, somebody else has to.
		if !c.Engine.Died {
			c.Engine.Died = true
			c.Engine.InspectAt = w.now.Add(inspectRetry)
		}
	case task.StepStart, task.StepRestart, task.StepCreate:
		c.Engine.Died = true
	default:
		if !c.Engine.Died {
			c.Engine.Died = true
			c.Engine.InspectAt = w.now
		}
	}
}

// Inspected is the answer to an inspect.
type Inspected struct {
	Container string
	State     *task.ContainerState
	Err       error
}

func (e Inspected) apply(w *work) {
	i := w.t.Index(e.Container)
	if i < 0 {
		return
	}
	c := w.progress(i)
	c.Engine.Inspecting = false
	switch {
	case e.Err == nil:
		w.observe(i, e.State)
	case c.Known == task.ContainerStopped:
		c.Engine.Restored = false
	case c.Engine.Died && !runsAgain(c):
		// It is dead whatever kept the inspect from telling more.
		w.exited(i, nil)
	case errors.Is(e.Err, task.ErrGone) && c.RuntimeID == "":
		c.Engine.MustStop, c.Engine.Restored = false, false // it was never created
	case errors.Is(e.Err, task.ErrGone):
		w.vanished(i)
	default:
		c.Engine.InspectAt = w.now.Add(inspectRetry)
	}
}

// runsAgain reports whether the end that Docker told of may be one before the last restart: docker stop is told after the
// process has ended, and by then the restart policy may have started it again.
func runsAgain(c *task.Container) bool {
	return c.Engine.EventExitCode == nil && restarts(c) > 0
}

// Listed is what a list of all containers says about this task's: by container name, nil for those not in it.
type Listed struct {
	Containers map[string]*task.ContainerState
	// Restored is set for the list made when the agent starts: every container is looked at once.
	Restored bool
}

func (e Listed) apply(w *work) {
	for i, c := range w.t.Containers {
		found := e.Containers[c.Name]
		if e.Restored && found != nil && found.Status == task.ContainerCreated {
			// The start call of an agent that was killed may be under way. A stop call waits for it in Docker.
			w.progress(i).Engine.MustStop = true
		}
		if c.RuntimeID == "" && (found == nil || emerging(c, found)) {
			continue // never created, or not yet
		}
		if found != nil && c.RuntimeID == "" {
			// Created, but the agent was gone before the answer came.
			w.edit(i).RuntimeID = found.RuntimeID
			if w.t.Containers[i].Desired < task.ContainerStopped {
				w.advance(i, task.ContainerCreated)
			}
		}
		c = w.progress(i)
		c.Engine.Restored = c.Engine.Restored || e.Restored
		if e.Restored && found != nil {
			c.Observe(found) // readers need not wait for the inspect
		}
		switch {
		case c.Known == task.ContainerStopped:
			// Looked at only if it runs again.
			if found != nil && found.Status == task.ContainerRunning {
				c.Engine.InspectAt = w.now
			}
		case found == nil, e.Restored, found.Status != c.Known && !(found.Status == task.ContainerRunning && c.Known == task.ContainerResourcesProvisioned),
			c.DockerHealthChecked() && found.Health != nil && found.Health.Status != c.Health.Status:
			// A list may be older than what is known by now: only an inspect decides.
			c.Engine.InspectAt = w.now
		}
		if found != nil && found.Status == task.ContainerRunning {
			w.runs(i)
		}
		if c.Engine.Step == task.StepStop && (found == nil || found.Status == task.ContainerStopped) {
			c.Engine.Died = true // should the stop call hang, this is how its end is noticed
		}
		if !c.Engine.RetryStopAt.IsZero() {
			c.Engine.RetryStopAt = w.now
		}
	}
}

// Unlisted says that Docker did not tell in time which containers there are: those of a former run are looked at one by one.
type Unlisted struct{}

func (Unlisted) apply(w *work) {
	if w.t.Known.Terminal() {
		return
	}
	for i, c := range w.t.Containers {
		if c.Known == task.ContainerStopped || c.RuntimeID == "" && c.RuntimeName == "" {
			continue
		}
		c = w.progress(i)
		c.Engine.Restored = true
		c.Engine.InspectAt = w.now
		c.Engine.MustStop = c.Known < task.ContainerRunning // a stop does not wait for what may hang
	}
}

// emerging reports whether Docker may still be making the container it lists: the call of an agent that was killed goes on,
// and until it is done there is nothing to look at. The create step finds the name taken and waits for it.
func emerging(c *task.Container, listed *task.ContainerState) bool {
	return listed.Status == task.ContainerCreated && listed.Name == c.RuntimeName
}

// observe takes over what an inspect found.
func (w *work) observe(i int, s *task.ContainerState) {
	c := w.t.Containers[i]
	if c.RuntimeID != s.RuntimeID || !c.StartedAt.Equal(s.StartedAt) && c.StartedAt.IsZero() || len(c.Bindings) == 0 && len(s.Bindings) > 0 {
		c = w.edit(i)
	} else {
		c = w.progress(i)
	}
	networks := c.Networks
	c.Observe(s)
	switch s.Status {
	case task.ContainerRunning:
		c.Engine.Died, c.Engine.EventExitCode, c.Engine.Restored = false, nil, false
		switch {
		case c.Known == task.ContainerStopped:
			if !w.t.Engine.CameBackStopped && c.Engine.Step == task.StepNone {
				c.Engine.CameBack = true
			}
		case c.Engine.Step == task.StepNone:
			w.advance(i, task.ContainerRunning)
		}
	case task.ContainerStopped:
		if c.Known < task.ContainerStopped && (c.Engine.Step == task.StepNone || stopHangs(c)) {
			w.exited(i, s)
		}
		if c := w.progress(i); c.Engine.Restart {
			c.Networks = networks // what readers see until it runs again
		}
	default:
		c.Engine.Restored = false
	}
}

// stopHangs reports whether the container has ended while its stop call goes on.
func stopHangs(c *task.Container) bool { return c.Engine.Step == task.StepStop && c.Engine.Died }

// exited ends a container whose process has ended; s is nil when the runtime could not tell more. A restart policy may
// bring it back.
func (w *work) exited(i int, s *task.ContainerState) {
	c := w.edit(i)
	if s == nil || s.ExitCode == nil {
		if c.Engine.EventExitCode != nil {
			c.ExitCode = c.Engine.EventExitCode
		}
	}
	restored := c.Engine.Restored
	c.Engine.Died, c.Engine.EventExitCode, c.Engine.Restored = false, nil, false
	restart, why := mayRestart(c, w.now)
	switch {
	case restart && restored:
		why = "it ended while no agent ran"
	case restart:
		c.Engine.Restart = true
		return
	}
	if c.RestartPolicy != nil && c.RestartPolicy.Enabled {
		c.Engine.NotRestarted = why
	}
	if s != nil && s.Failure != nil {
		w.fail(i, s.Failure)
	}
	w.advance(i, task.ContainerStopped)
}

// vanished ends a container that is not in the runtime any more.
func (w *work) vanished(i int) {
	c := w.progress(i)
	c.Engine.Restored = false
	if c.Known == task.ContainerStopped {
		return
	}
	w.fail(i, &task.Error{Name: task.ErrContainerVanished, Message: vanishedText})
	w.advance(i, task.ContainerStopped)
}

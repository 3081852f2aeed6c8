package engine

import (
	"fmt"
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// exitCodeNeverRan is the exit code of a container that could not start because of a container it depends on.
const exitCodeNeverRan = 143

// reasonBadState is the reason of a task that should run and has nothing left that could get it there.
const reasonBadState = "Task in a bad state; it's not steady state but no containers want to transition"

// reasonCannotStop is the reason of a task that should stop and has nothing left that could.
const reasonCannotStop = task.ErrTaskState + ": Agent could not progress task's state to stopped"

// settle makes every move that needs no call, until nothing moves any more.
func (w *work) settle() {
	if w.t.Known.Terminal() {
		return // also a refused task, whose containers nobody ever touches
	}
	w.derive()
	for w.settleOnce() {
	}
	w.settleStuck()
	w.settleBadState()
}

// settleOnce makes the first such move of any container and reports whether there was one.
func (w *work) settleOnce() bool {
	for i, c := range w.t.Containers {
		switch {
		case c.Known >= c.Desired:
		case c.Desired == task.ContainerStopped:
			if stopsWithoutCall(c) && len(blockingShutdown(w.t, c)) == 0 {
				w.advance(i, task.ContainerStopped)
				return true
			}
		case !w.t.Engine.Admitted:
		case neverStarts(w.t, c, w.now) != nil:
			w.failDependency(i, neverStarts(w.t, c, w.now))
			return true
		case c.Internal() && c.Known == task.ContainerNone && c.Engine.Step == task.StepNone && ready(w.t, c, w.now, w.rules) == nil:
			// Images of internal containers are loaded, not pulled.
			w.advance(i, task.ContainerPulled)
			return true
		}
	}
	return false
}

// stopsWithoutCall reports whether a container that has to stop can be called stopped at once: it never ran, and no
// call is under way or needed that could make it run or tell that it does.
func stopsWithoutCall(c *task.Container) bool {
	switch c.Engine.Step {
	case task.StepStart, task.StepRestart, task.StepProvision, task.StepStop:
		return false
	}
	if c.Engine.Inspecting || !c.Engine.InspectAt.IsZero() {
		return false
	}
	return c.Known < task.ContainerRunning && !c.Engine.MustStop && !c.Engine.Died
}

// failDependency ends a container that waits for something that can never happen.
func (w *work) failDependency(i int, cause error) {
	c := w.edit(i)
	if c.ExitCode == nil {
		code := exitCodeNeverRan
		c.ExitCode = &code
	}
	c.Fail(&task.Error{Name: task.ErrCannotStartContainer, Message: fmt.Sprintf("dependency graph: %s", cause)})
	w.wantStopped(i)
	w.advance(i, task.ContainerStopped)
}

// settleStuck ends a task that has to stop when none of its containers can move (a task that came without
// containers, a deadlock in its stop order).
func (w *work) settleStuck() {
	t := w.t
	if !t.Desired.Terminal() || t.Known.Terminal() {
		return
	}
	for _, c := range t.Containers {
		if c.Engine.Step != task.StepNone || c.Engine.Inspecting || !c.Engine.InspectAt.IsZero() || !c.Engine.RetryStopAt.IsZero() {
			return
		}
		if c.Known < task.ContainerStopped && len(blockingShutdown(t, c)) == 0 {
			return
		}
	}
	if t.TerminalReason == "" {
		t.TerminalReason = reasonCannotStop
	}
	w.setKnown(task.Stopped)
}

// settleBadState ends a task that should run when an essential container is not up and nothing can move any more: its record,
// written by another agent, asks for a container or a resource that is not there.
func (w *work) settleBadState() {
	t := w.t
	if t.Desired.Terminal() || !t.Engine.Admitted || waitingForRole(t) || creating(t) ||
		!slices.ContainsFunc(t.Containers, func(c *task.Container) bool { return c.Essential && c.Known < c.Steady() }) {
		return
	}
	for _, c := range t.Containers {
		if c.Engine.Step != task.StepNone || c.Engine.Inspecting || c.Known < c.Desired && waitsForOther(t, c) {
			return
		}
	}
	if steps, wake := Plan(t, w.now, w.rules); len(steps) > 0 || !wake.IsZero() {
		return
	}
	w.stopTask(reasonBadState)
	w.settle()
}

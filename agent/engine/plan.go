package engine

import (
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// StepKind says what a Step works on.
type StepKind int

// Kinds of steps.
const (
	RunContainer     StepKind = iota // Step.Step on Step.Container
	InspectContainer                 // beside any other step of that container
	CreateResource                   // Step.Resource
	ReleaseResources
	DisconnectTask
	CleanTask
)

// Step is work that may start now.
type Step struct {
	Kind      StepKind
	Container string
	Step      task.Step
	Resource  ResourceID
}

// ResourceID tells a resource of a task from its others.
type ResourceID struct{ Kind, Name string }

// Plan returns the steps that may start now for t, and when to look again without any news (zero: never). It is pure.
// A container gets at most one step at a time, and an inspect beside it; steps of different containers run side by side.
func Plan(t *task.Task, now time.Time, rules Rules) (steps []Step, wake time.Time) {
	p := &plan{t: t, now: now, rules: rules}
	if !t.Desired.Terminal() && t.Engine.Admitted {
		p.resources()
	}
	for _, c := range t.Containers {
		p.container(c)
	}
	p.release()
	p.disconnect()
	p.cleanup()
	return p.steps, p.wake
}

type plan struct {
	t     *task.Task
	now   time.Time
	rules Rules
	steps []Step
	wake  time.Time
}

// due reports whether at has come, and asks to be woken then if not. The zero time is never due.
func (p *plan) due(at time.Time) bool {
	if at.IsZero() {
		return false
	}
	if !at.After(p.now) {
		return true
	}
	if p.wake.IsZero() || at.Before(p.wake) {
		p.wake = at
	}
	return false
}

func (p *plan) run(c *task.Container, step task.Step) {
	p.steps = append(p.steps, Step{Kind: RunContainer, Container: c.Name, Step: step})
}

func (p *plan) resources() {
	for i := range p.t.Resources {
		r := &p.t.Resources[i]
		if r.Known != task.ResourceNone || r.Desired != task.ResourceCreated || r.InFlight || r.NeedsExecutionRole() && !p.t.Engine.ExecutionRole ||
			!networkReady(p.t) && r.NeedsNetwork() {
			continue
		}
		p.steps = append(p.steps, Step{Kind: CreateResource, Resource: ResourceID{r.Kind, r.Name}})
	}
}

// networkReady reports whether the task's network is there, if it is to have one of its own.
func networkReady(t *task.Task) bool {
	return t.NetworkMode != task.NetworkAWSVPC || slices.ContainsFunc(t.Containers, func(c *task.Container) bool {
		return c.Type == task.CNIPause && c.Known >= task.ContainerResourcesProvisioned
	})
}

// release plans to drop what resources hold for the creation of containers alone, once no container is left to create.
func (p *plan) release() {
	t := p.t
	if t.Known >= task.Created && len(t.Resources) > 0 && !t.Engine.Releasing && !t.Engine.Released && !creating(t) {
		p.steps = append(p.steps, Step{Kind: ReleaseResources})
	}
}

// disconnect plans to let go of the network of a task that has stopped.
func (p *plan) disconnect() {
	at := p.t.Engine.RetryDisconnectAt
	if disconnects(p.t) && !p.t.Engine.Disconnecting && (at.IsZero() || p.due(at)) {
		p.steps = append(p.steps, Step{Kind: DisconnectTask})
	}
}

// creating reports whether a resource of the task is being created.
func creating(t *task.Task) bool {
	return slices.ContainsFunc(t.Resources, func(r task.Resource) bool { return r.InFlight })
}

func (p *plan) container(c *task.Container) {
	if p.due(c.Engine.InspectAt) && !c.Engine.Inspecting && (c.Engine.Step == task.StepNone || stopHangs(c)) {
		p.steps = append(p.steps, Step{Kind: InspectContainer, Container: c.Name})
	}
	if c.Engine.Step != task.StepNone {
		return
	}
	switch {
	case c.Engine.CameBack:
		p.run(c, task.StepStop)
	case c.Known == task.ContainerStopped, p.t.Known.Terminal():
	case c.Desired == task.ContainerStopped:
		p.stop(c)
	case !p.t.Engine.Admitted || c.Engine.Died:
	case c.Engine.Restart:
		p.run(c, task.StepRestart)
	case c.Known < c.Desired:
		p.forward(c)
	}
}

// stop plans the stop of a container that may be running.
func (p *plan) stop(c *task.Container) {
	if c.Known < task.ContainerRunning && !c.Engine.MustStop || c.Engine.Died || len(blockingShutdown(p.t, c)) > 0 {
		return
	}
	if c.Engine.RetryStopAt.IsZero() || p.due(c.Engine.RetryStopAt) {
		p.run(c, task.StepStop)
	}
}

// forward plans the next step on the way up.
func (p *plan) forward(c *task.Container) {
	if c.Engine.Inspecting || !c.Engine.InspectAt.IsZero() {
		return // first know where it is
	}
	if ready(p.t, c, p.now, p.rules) != nil {
		p.watchDependencies(c)
		return
	}
	if pullsWithExecutionRole(c) && !p.t.Engine.ExecutionRole {
		return // ECS sends its credentials after a restart of the agent
	}
	switch c.Known {
	case task.ContainerNone:
		p.run(c, task.StepResolveManifest)
	case task.ContainerManifestPulled:
		p.run(c, task.StepPull)
	case task.ContainerPulled:
		p.run(c, task.StepCreate)
	case task.ContainerCreated:
		p.run(c, task.StepStart)
	case task.ContainerRunning:
		p.run(c, task.StepProvision)
	}
}

// pullsWithExecutionRole reports whether the container's next step asks Amazon ECR with the task's execution role.
func pullsWithExecutionRole(c *task.Container) bool {
	auth := c.RegistryAuth
	return c.Known < task.ContainerPulled && auth != nil && auth.Type == task.RegistryECR && auth.ECR != nil && auth.ECR.UseExecutionRole
}

// watchDependencies asks to be woken when waiting for a dependency ends.
func (p *plan) watchDependencies(c *task.Container) {
	for _, d := range c.DependsOn {
		if dep, found := p.t.Container(d.Container); found {
			if deadline, has := startDeadline(d.Condition, dep); has {
				p.due(deadline.Add(time.Nanosecond))
			}
		}
	}
}

// cleanup plans the removal of everything the task left, once ECS knows that it stopped and the wait is over.
func (p *plan) cleanup() {
	t := p.t
	if !t.Known.Terminal() || t.Engine.Cleaning || t.Engine.Cleaned || !t.Internal && !t.Sent.Terminal() {
		return
	}
	for _, c := range t.Containers {
		if c.Engine.Step != task.StepNone || c.Engine.Inspecting {
			return
		}
	}
	if t.Engine.Releasing || creating(t) || t.Engine.Disconnecting || disconnects(t) && t.Engine.RetryDisconnectAt.IsZero() {
		return
	}
	if !t.Engine.RetryCleanAt.IsZero() && !p.due(t.Engine.RetryCleanAt) {
		return
	}
	if refused(t) || t.Engine.CleanNow || p.due(t.KnownTime.Add(p.rules.CleanupWait+t.Engine.CleanupJitter)) {
		p.steps = append(p.steps, Step{Kind: CleanTask})
	}
}

// refused reports whether the task never got as far as its containers: there is nothing to wait for.
func refused(t *task.Task) bool {
	for _, c := range t.Containers {
		if c.Known != task.ContainerNone {
			return false
		}
	}
	return t.TerminalReason != ""
}

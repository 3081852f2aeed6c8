package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// errBlocked says that a container has to wait; it is not a failure.
var errBlocked = errors.New("waiting")

// ready reports why container c may not take its next step yet (an error that wraps errBlocked), or nil.
func ready(t *task.Task, c *task.Container, now time.Time, rules Rules) error {
	if err := dependenciesMet(t, c, now, rules); err != nil {
		return err
	}
	return requirementsMet(t, c)
}

// dependenciesMet checks dependsOn. Containers that only have to resolve their image need not wait; with pulls
// upfront neither do those that have to pull.
func dependenciesMet(t *task.Task, c *task.Container, now time.Time, rules Rules) error {
	if c.Known < task.ContainerManifestPulled || rules.PullUpfront && c.Known < task.ContainerPulled {
		return nil
	}
	if c.Desired != c.Steady() && c.Desired != task.ContainerCreated {
		return nil
	}
	for _, d := range c.DependsOn {
		dep, found := t.Container(d.Container)
		if !found || !conditionMet(d.Condition, c, dep) {
			return fmt.Errorf("%w for container %q to be %s", errBlocked, d.Container, d.Condition)
		}
	}
	for _, name := range c.RunDependencies {
		if dep, found := t.Container(name); !found || dep.Known < dep.Steady() {
			return fmt.Errorf("%w for container %q to run", errBlocked, name)
		}
	}
	return nil
}

// waitsForOther reports whether c waits for a container of the task to run, to end or to get healthy.
func waitsForOther(t *task.Task, c *task.Container) bool {
	return slices.ContainsFunc(c.DependsOn, func(d task.Dependency) bool {
		dep, found := t.Container(d.Container)
		return found && !conditionMet(d.Condition, c, dep)
	})
}

// conditionMet checks one dependsOn entry of target (ECS ContainerDependency).
func conditionMet(condition task.Condition, target, dep *task.Container) bool {
	switch condition {
	case task.ConditionCreate:
		return dep.Known >= task.ContainerCreated
	case task.ConditionStart:
		if target.Desired == task.ContainerCreated && dep.Known == task.ContainerCreated {
			return true
		}
		return dep.Known == task.ContainerStopped || dep.Known == dep.Steady()
	case task.ConditionComplete:
		return dep.Known == task.ContainerStopped && dep.ExitCode != nil
	case task.ConditionSuccess:
		return dep.Known == task.ContainerStopped && dep.ExitCode != nil && *dep.ExitCode == 0
	case task.ConditionHealthy:
		return dep.DockerHealthChecked() && dep.Health.Status == task.HealthHealthy && dep.Known < task.ContainerStopped
	}
	return false
}

// neverStarts reports why one of c's dependencies can never be met; nil while there is hope. The texts reach users.
func neverStarts(t *task.Task, c *task.Container, now time.Time) error {
	if c.Known >= task.ContainerCreated {
		return nil
	}
	for _, d := range c.DependsOn {
		dep, found := t.Container(d.Container)
		switch {
		case !found:
			//lint:ignore ST1005 the text is part of the contract
			return fmt.Errorf("container ordering dependency [<nil>] for target [%s] does not exist.", describe(c))
		case conditionMet(d.Condition, c, dep):
		case startTimedOut(d.Condition, dep, now):
			//lint:ignore ST1005 the text is part of the contract
			return fmt.Errorf("container ordering dependency [%s] for target [%s] has timed out.", describe(dep), describe(c))
		case d.Condition == task.ConditionSuccess && dep.Known == task.ContainerStopped:
			//lint:ignore ST1005 the text is part of the contract
			return fmt.Errorf("failed to resolve container ordering dependency [%s] for target [%s] as dependency did not exit successfully.", describe(dep), describe(c))
		case dep.Known < task.ContainerRunning && dep.Desired == task.ContainerStopped && dep.Engine.Step == task.StepNone,
			dep.Known == task.ContainerStopped && (d.Condition == task.ConditionHealthy || d.Condition == task.ConditionComplete):
			return fmt.Errorf("failed to resolve container ordering dependency [%s] for target [%s] because dependency will never start", describe(dep), describe(c))
		}
	}
	return nil
}

// startTimedOut applies the dependency's own startTimeout, counted from its first start.
func startTimedOut(condition task.Condition, dep *task.Container, now time.Time) bool {
	deadline, has := startDeadline(condition, dep)
	return has && now.After(deadline)
}

// startDeadline is when waiting for dep ends; START and CREATE have no limit.
func startDeadline(condition task.Condition, dep *task.Container) (time.Time, bool) {
	switch condition {
	case task.ConditionSuccess, task.ConditionComplete, task.ConditionHealthy:
	default:
		return time.Time{}, false
	}
	if dep.StartTimeout == 0 || dep.StartedAt.IsZero() || dep.Known == task.ContainerStopped {
		return time.Time{}, false
	}
	return dep.StartedAt.Add(time.Duration(dep.StartTimeout) * time.Second), true
}

// requirementsMet checks what the next step needs from other containers and resources of the task.
func requirementsMet(t *task.Task, c *task.Container) error {
	need, has := c.Transitions[c.Known+1]
	if !has {
		return nil
	}
	for _, r := range need.Containers {
		if dep, found := t.Container(r.Container); !found || dep.Known < r.Status {
			return fmt.Errorf("%w for container %q to be %s", errBlocked, r.Container, r.Status)
		}
	}
	for _, r := range need.Resources {
		if !t.Resources.Reached(r.Name, task.ResourceStatus(r.Status)) {
			return fmt.Errorf("%w for resource %q", errBlocked, r.Name)
		}
	}
	return nil
}

// blockingShutdown names the containers that have to be stopped before c may stop: those that depend on it, and those
// its stop requires to have got somewhere.
func blockingShutdown(t *task.Task, c *task.Container) []string {
	var names []string
	for _, other := range t.Containers {
		if other.Known == task.ContainerStopped || other.Name == c.Name {
			continue
		}
		if dependsOn(other, c.Name) || stopRequires(c, other) {
			names = append(names, other.Name)
		}
	}
	return names
}

func dependsOn(c *task.Container, name string) bool {
	return slices.ContainsFunc(c.DependsOn, func(d task.Dependency) bool { return d.Container == name })
}

// stopRequires reports whether c may not stop yet because of where other is. A container that is required and not there
// holds back nothing: nothing of it can run.
func stopRequires(c, other *task.Container) bool {
	return slices.ContainsFunc(c.Transitions[task.ContainerStopped].Containers, func(r task.ContainerRequirement) bool {
		return r.Container == other.Name && other.Known < r.Status
	})
}

// checkOrder refuses a task whose containers can never all start: a cycle, an unknown name or condition, HEALTHY on a
// container without a Docker health check.
func checkOrder(t *task.Task) error {
	placed := map[string]bool{}
	for len(placed) < len(t.Containers) {
		before := len(placed)
		for _, c := range t.Containers {
			if !placed[c.Name] && placeable(t, c, placed) {
				placed[c.Name] = true
			}
		}
		if len(placed) == before {
			return fmt.Errorf("Task dependencies cannot be resolved, taskArn: %s", t.ARN)
		}
	}
	return nil
}

func placeable(t *task.Task, c *task.Container, placed map[string]bool) bool {
	if c.Desired == task.ContainerStopped {
		return true
	}
	for _, d := range c.DependsOn {
		dep, found := t.Container(d.Container)
		if !found || !placed[d.Container] {
			return false
		}
		switch d.Condition {
		case task.ConditionCreate, task.ConditionComplete, task.ConditionSuccess:
		case task.ConditionStart:
			if dep.Desired < task.ContainerRunning {
				return false
			}
		case task.ConditionHealthy:
			if !dep.DockerHealthChecked() {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// describe is how dependency errors show a container: name(image) (KNOWN->DESIRED) - Exit: n.
func describe(c *task.Container) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s(%s) (%s->%s)", c.Name, c.Image, c.Known, c.Desired)
	if c.ExitCode != nil {
		fmt.Fprintf(&b, " - Exit: %d", *c.ExitCode)
	}
	return b.String()
}

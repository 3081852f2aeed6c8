package report

import (
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// taskChange is a report about a task as it was at one moment.
type taskChange struct {
	status     task.Status
	reason     string
	containers []containerChange

	pullStartedAt, pullStoppedAt, executionStoppedAt time.Time
}

// containerChange is a report about a container as it was at one moment, and the status it stands for.
type containerChange struct {
	ecsapi.ContainerStateChange
	status task.ContainerStatus
}

// containerReportable reports whether ECS is to hear of the container's known status, given the status it has heard of
// last: manifest pulled (only to tell a digest that the task definition does not contain), up, and stopped.
func containerReportable(c *task.Container, sent task.ContainerStatus) bool {
	switch c.Known {
	case task.ContainerManifestPulled:
		if !digestResolved(c) {
			return false
		}
	case c.Steady(), task.ContainerStopped:
	default:
		return false
	}
	return sent < c.Known
}

// digestResolved reports whether the agent found out the digest of the container's image.
func digestResolved(c *task.Container) bool {
	return c.ImageDigest != "" && !strings.Contains(c.Image, "@")
}

// taskReportable reports whether ECS is to hear of the task's known status, given the status it has heard of last.
func taskReportable(t *task.Task, sent task.Status) bool {
	if t.Internal || sent >= t.Known {
		return false
	}
	switch t.Known {
	case task.Running, task.Stopped:
		return true
	case task.ManifestPulled:
		for _, c := range t.Containers {
			if digestResolved(c) {
				return true
			}
		}
	}
	return false
}

// worthSubmitting reports whether a change tells ECS anything that it has not accepted yet.
func worthSubmitting(t *task.Task, l *line, change taskChange) bool {
	sent := max(t.Sent, l.accepted)
	switch {
	case t.Internal:
		return false
	case sent < change.status:
		return true
	case sent.Terminal() && !change.status.Terminal():
		return false // nothing is taken any more of a task that has stopped
	}
	for _, changed := range change.containers {
		c, found := t.Container(changed.Name)
		if found && max(c.Sent, l.acceptedContainers[c.Name]) < c.Known {
			return true
		}
	}
	return false
}

func newTaskChange(t *task.Task, reason string) taskChange {
	return taskChange{
		status: t.Known, reason: reason,
		pullStartedAt: t.PullStartedAt, pullStoppedAt: t.PullStoppedAt, executionStoppedAt: t.ExecutionStoppedAt,
	}
}

func newContainerChange(c *task.Container) containerChange {
	return containerChange{status: c.Known, ContainerStateChange: ecsapi.ContainerStateChange{
		Name:        c.Name,
		Status:      c.Known.ECS(c.Steady()),
		Reason:      c.Failure.Reason(),
		RuntimeID:   c.RuntimeID,
		ImageDigest: c.ImageDigest,
		ExitCode:    c.ExitCode,
		Ports:       ecsapi.Ports{Observed: c.Bindings, Single: c.SinglePorts, HostRanges: c.HostRanges, HasRange: c.HasPortRange},
	}}
}

// request gives the change as it is submitted.
func (change taskChange) request(cluster, arn string) ecsapi.TaskStateChange {
	containers := make([]ecsapi.ContainerStateChange, len(change.containers))
	for i, c := range change.containers {
		containers[i] = c.ContainerStateChange
	}
	return ecsapi.TaskStateChange{
		Cluster: cluster, TaskARN: arn, Status: change.status.String(), Reason: change.reason, Containers: containers,
		PullStartedAt: change.pullStartedAt, PullStoppedAt: change.pullStoppedAt, ExecutionStoppedAt: change.executionStoppedAt,
	}
}

package stats

import (
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// TaskHealth is the health of a task's containers.
type TaskHealth struct {
	ARN        string
	Family     string
	Revision   string
	Containers []ContainerHealth
}

// ContainerHealth is the result of a container's Docker health check.
type ContainerHealth struct {
	Name   string
	Status string    // HEALTHY, UNHEALTHY or UNKNOWN
	Since  time.Time // of the status
}

// Health gives the health of every running container that has a Docker health check, also when metrics are disabled.
func (c *Collector) Health() []TaskHealth {
	now := time.Now()
	var list []TaskHealth
	for _, t := range c.tasks.Tasks() {
		if !belongs(t) {
			continue
		}
		h := TaskHealth{ARN: t.ARN, Family: t.Family, Revision: t.Revision}
		for _, ct := range t.Containers {
			if !running(ct) || !ct.DockerHealthChecked() {
				continue
			}
			h.Containers = append(h.Containers, ContainerHealth{Name: ct.Name, Status: ct.Health.Status.String(), Since: since(ct.Health, now)})
		}
		if len(h.Containers) > 0 {
			list = append(list, h)
		}
	}
	return list
}

// since is when the status changed; now when it never did.
func since(h task.Health, now time.Time) time.Time {
	if h.Since.IsZero() {
		return now.UTC()
	}
	return h.Since.UTC()
}

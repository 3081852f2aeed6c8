package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// prepare makes an accepted task ready to run: ids and names chosen once for its whole life, ordering that follows
// from links and volumesFrom, resources. t is the engine's own; its containers are replaced, not changed.
func (e *Engine) prepare(t *task.Task, now time.Time) error {
	t.AcceptedAt = now
	for i := range t.Containers {
		c := t.Edit(i)
		c.TaskARN = t.ARN
		if c.EndpointID == "" {
			c.EndpointID = uuid.NewString()
		}
		if err := orderByReferences(t, c); err != nil {
			return err
		}
		if c.RestartPolicy != nil && c.RestartPolicy.Enabled && c.Restarts == nil {
			c.Restarts = &task.RestartTracker{Policy: *c.RestartPolicy}
		}
	}
	resources, err := e.config.Resources.Plan(t)
	if err != nil {
		return err
	}
	t.Resources = append(t.Resources, resources...)
	orderByLogRouter(t)
	for i := range t.Containers {
		requireResources(t, t.Edit(i))
	}
	if err := e.config.GPU.assign(t); err != nil {
		return err
	}
	if err := addNetworkPause(t, e.config.NetworkPauseImage); err != nil {
		return err
	}
	addNamespacePause(t)
	for i := range t.Containers {
		c := t.Containers[i]
		if c.RuntimeName == "" {
			c.RuntimeName = e.config.ContainerName(t, c)
		}
	}
	return nil
}

// orderByReferences adds the dependencies that volumesFrom and links imply.
func orderByReferences(t *task.Task, c *task.Container) error {
	for _, v := range c.VolumesFrom {
		if _, found := t.Container(v.SourceContainer); !found {
			return fmt.Errorf("could not find volume source container with name %s", v.SourceContainer)
		}
		addDependency(c, v.SourceContainer, task.ConditionCreate)
	}
	for _, link := range c.Links {
		parts := strings.Split(link, ":")
		if len(parts) > 2 {
			return fmt.Errorf("invalid link format")
		}
		if _, found := t.Container(parts[0]); !found {
			return fmt.Errorf("could not find container for link %s", link)
		}
		addDependency(c, parts[0], task.ConditionStart)
	}
	return nil
}

func addDependency(c *task.Container, name string, condition task.Condition) {
	c.DependsOn = append(append([]task.Dependency(nil), c.DependsOn...), task.Dependency{Container: name, Condition: condition})
}

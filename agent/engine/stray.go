package engine

import (
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// adoptStrays makes a task of every group of containers that run under the labels of this cluster while no record of their
// task is left (the checkpoint was damaged). What labels do not tell is lost: such a task can be looked at, reported and
// stopped, and that is all.
func (e *Engine) adoptStrays(byTask map[string][]*task.ContainerState) (found []*owner) {
	if e.config.AdoptStraysOf == "" {
		return nil
	}
	for arn, states := range byTask {
		if _, known := e.owner(arn); known || arn == "" {
			continue
		}
		if t := strayTask(arn, states, e.config.AdoptStraysOf, time.Now()); t != nil {
			logger.Warn("Task without a record is taken over as its containers run", logger.F("taskARN", arn), logger.F("containers", len(t.Containers)))
			if o, _ := e.keep(e.planned(t)); o != nil {
				found = append(found, o)
			}
		}
	}
	return found
}

// strayTask makes a task of its containers; nil unless one of them runs and belongs to the cluster.
func strayTask(arn string, states []*task.ContainerState, cluster string, now time.Time) *task.Task {
	t := &task.Task{ARN: arn, Desired: task.Running, AcceptedAt: now, KnownTime: now}
	runs := false
	for _, s := range states {
		if s.Labels[task.LabelCluster] != cluster {
			return nil
		}
		runs = runs || s.Status == task.ContainerRunning
		c := &task.Container{
			Name: s.Labels[task.LabelContainerName], TaskARN: arn, RuntimeID: s.RuntimeID, RuntimeName: s.Name,
			ImageID: s.ImageID, Desired: task.ContainerRunning, Known: task.ContainerCreated,
			// Which containers are essential is not known: one of several may end without ending the task.
			Essential: len(states) == 1,
		}
		if strings.HasPrefix(c.Name, "~internal~") {
			c.Type = task.NamespacePause
		}
		t.Family, t.Revision = s.Labels[task.LabelFamily], s.Labels[task.LabelRevision]
		t.Containers = append(t.Containers, c)
	}
	if !runs {
		return nil
	}
	for _, c := range t.Containers {
		if c.Internal() {
			outliveOthers(t, c)
		}
	}
	return t
}

package mapping

import (
	"maps"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// labels marks the container as the agent's own. By these labels it is found again after a restart, so they win over
// labels of the same name from the task definition.
func labels(b *build) error {
	if b.Config.Labels == nil {
		b.Config.Labels = map[string]string{}
	}
	if pause(b.c) {
		maps.Copy(b.Config.Labels, b.facts.PauseLabels)
	}
	cluster := b.facts.Cluster
	if cluster == "" {
		cluster = "default"
	}
	maps.Copy(b.Config.Labels, map[string]string{
		task.LabelTaskARN:       b.task.ARN,
		task.LabelContainerName: b.c.Name,
		task.LabelFamily:        b.task.Family,
		task.LabelRevision:      b.task.Revision,
		task.LabelCluster:       cluster,
	})
	return nil
}

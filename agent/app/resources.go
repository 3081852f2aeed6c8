package app

import (
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/resource"
	"github.com/aws/amazon-ecs-agent/agent/resource/volume"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// newResources gives the crafts of task resources, in the order in which a task's are planned.
func (a *agent) newResources() resource.Kinds {
	return resource.Kinds{
		{Name: task.ResourceDockerVolume, Craft: &volume.Craft{Docker: a.docker, MatchFullConfig: a.cfg.SharedVolumeMatchFullConfig, Name: mapping.VolumeName}},
	}
}

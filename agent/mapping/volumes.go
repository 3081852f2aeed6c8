package mapping

import (
	"fmt"
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// binds mount the task's volumes where the container wants them. The containers that held the empty volumes of tasks
// made by agents before 1.17 have volumes of their own.
func binds(b *build) error {
	if b.c.Type == task.EmptyHostVolume {
		return nil
	}
	for _, m := range b.c.MountPoints {
		i := slices.IndexFunc(b.task.Volumes, func(v task.Volume) bool { return v.Name == m.SourceVolume })
		if i < 0 {
			//lint:ignore ST1005 the text users see
			return fmt.Errorf("Invalid volume referenced: %s", m.SourceVolume)
		}
		source := b.task.Volumes[i].Source()
		if source == "" || m.ContainerPath == "" {
			//lint:ignore ST1005 the text users see
			return fmt.Errorf("Unable to resolve volume mounts; invalid path: %s %s; %s -> %s",
				b.c.Name, m.SourceVolume, source, m.ContainerPath)
		}
		bind := source + ":" + m.ContainerPath
		if m.ReadOnly {
			bind += ":ro"
		}
		b.HostConfig.Binds = append(b.HostConfig.Binds, bind)
	}
	return nil
}

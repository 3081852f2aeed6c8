package engine

import (
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// GPUSupport says how tasks get their GPUs.
type GPUSupport struct {
	// Enabled is ECS_ENABLE_GPU_SUPPORT; without it associations of GPUs mean nothing.
	Enabled bool
	// Runtime is the Docker runtime of containers with GPUs (ECS_NVIDIA_RUNTIME); empty on external instances, where
	// Docker is asked for the devices instead.
	Runtime string
}

// associationGPU is the type of associations that give a GPU, by its id, to a container.
const associationGPU = "gpu"

// assign gives the task's GPUs to its containers. ECS has chosen them.
func (g GPUSupport) assign(t *task.Task) error {
	if !g.Enabled {
		return nil
	}
	for _, a := range t.Associations {
		if a.Type != associationGPU {
			continue
		}
		if len(a.Containers) != 1 {
			return fmt.Errorf("could not associate multiple containers to GPU %s", a.Name)
		}
		i := t.Index(a.Containers[0])
		if i < 0 {
			return fmt.Errorf("could not find container with name %s for associating GPU %s", a.Containers[0], a.Name)
		}
		c := t.Edit(i)
		c.GPUIDs = append(c.GPUIDs[:len(c.GPUIDs):len(c.GPUIDs)], a.Name)
		t.NvidiaRuntime = g.Runtime
	}
	return nil
}

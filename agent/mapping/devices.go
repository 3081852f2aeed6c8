package mapping

import (
	"errors"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Variables that tell the NVIDIA and Neuron runtimes which devices a container sees.
const (
	visibleGPUs   = "NVIDIA_VISIBLE_DEVICES"
	visibleNeuron = "AWS_NEURON_VISIBLE_DEVICES"
)

// runtimeNeuron is the OCI runtime of containers with Inferentia or Trainium devices. The devices themselves come in the
// raw host config.
const runtimeNeuron = "neuron"

// Accelerators says how containers get at the devices of the host.
type Accelerators struct {
	// DeviceRequests asks Docker itself for the GPUs of a container, as external instances do; otherwise the task's
	// NVIDIA runtime gives them.
	DeviceRequests bool
	// Neuron is ECS_ENABLE_INF_SUPPORT.
	Neuron bool
}

// devices gives the container its GPUs and the OCI runtime it needs for them. The raw host config may name another one.
func devices(b *build) error {
	if b.c.Type == task.Normal {
		b.HostConfig.Runtime = b.facts.Runtime
	}
	if err := gpus(b); err != nil {
		return err
	}
	if _, wanted := b.c.Environment[visibleNeuron]; wanted && b.facts.Accelerators.Neuron {
		b.HostConfig.Runtime = runtimeNeuron
	}
	return nil
}

func gpus(b *build) error {
	if b.facts.Accelerators.DeviceRequests {
		if len(b.c.GPUIDs) > 0 {
			b.HostConfig.Runtime = "" // Docker chooses it by the request
			b.HostConfig.DeviceRequests = []container.DeviceRequest{{DeviceIDs: b.c.GPUIDs, Capabilities: [][]string{{"gpu"}}}}
		}
		return nil
	}
	// A container may also ask for devices by itself.
	_, asks := b.c.Environment[visibleGPUs]
	hasGPUs := slices.ContainsFunc(b.task.Associations, func(a task.Association) bool { return a.Type == "gpu" })
	if !hasGPUs || !asks && len(b.c.GPUIDs) == 0 {
		return nil
	}
	if b.task.NvidiaRuntime == "" {
		//lint:ignore ST1005 the text users see
		return errors.New("Runtime is not set for GPU containers")
	}
	b.HostConfig.Runtime = b.task.NvidiaRuntime
	return nil
}

// gpuVariable names the container's GPUs for the NVIDIA runtime.
func gpuVariable(b *build) error {
	if len(b.c.GPUIDs) > 0 && !b.facts.Accelerators.DeviceRequests {
		b.env[visibleGPUs] = strings.Join(b.c.GPUIDs, ",")
	}
	return nil
}

package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/gpu"
	"github.com/aws/amazon-ecs-agent/agent/registration"
)

// checkRuntime makes sure that Docker has the runtime that tasks are to run with.
func (a *agent) checkRuntime(ctx context.Context) error {
	if a.cfg.DockerRuntime == "" {
		return nil
	}
	info, err := a.docker.Info(ctx)
	if err != nil {
		return fmt.Errorf("ECS_DOCKER_RUNTIME: cannot ask Docker for its runtimes: %w", err)
	}
	if err := knownRuntime(a.cfg.DockerRuntime, info.Runtimes); err != nil {
		return terminal(err)
	}
	return nil
}

func knownRuntime(wanted string, available []string) error {
	if slices.Contains(available, wanted) {
		return nil
	}
	return fmt.Errorf("ECS_DOCKER_RUNTIME: Docker has no runtime %q, it has %s; add it to \"runtimes\" in /etc/docker/daemon.json and restart Docker, or correct ECS_DOCKER_RUNTIME",
		wanted, strings.Join(available, ", "))
}

// readGPUs finds out about the GPUs of the host; nil without support for them.
func (a *agent) readGPUs() (*registration.GPU, error) {
	if !a.cfg.GPUSupportEnabled {
		return nil, nil
	}
	info, err := gpu.Read(gpu.File)
	if err != nil {
		return nil, err
	}
	return &registration.GPU{DriverVersion: info.DriverVersion, IDs: info.GPUIDs}, nil
}

// gpuSupport is how tasks get their GPUs: on external instances from Docker, else by a runtime.
func (a *agent) gpuSupport() engine.GPUSupport {
	support := engine.GPUSupport{Enabled: a.cfg.GPUSupportEnabled}
	if !a.cfg.External {
		support.Runtime = a.cfg.NvidiaRuntime
	}
	return support
}

// gpuIDs are the GPUs that tasks share.
func (a *agent) gpuIDs() []string {
	if a.gpu == nil {
		return nil
	}
	return a.gpu.IDs
}

package app

import (
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/engine"
)

func TestARuntimeThatDockerLacksIsNamed(t *testing.T) {
	available := []string{"io.containerd.runc.v2", "runc"}
	if err := knownRuntime("runc", available); err != nil {
		t.Error(err)
	}
	want := `ECS_DOCKER_RUNTIME: Docker has no runtime "runsc", it has io.containerd.runc.v2, runc; ` +
		`add it to "runtimes" in /etc/docker/daemon.json and restart Docker, or correct ECS_DOCKER_RUNTIME`
	if err := knownRuntime("runsc", available); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestGPUsOfExternalInstancesNeedNoRuntime(t *testing.T) {
	for external, want := range map[bool]engine.GPUSupport{false: {Enabled: true, Runtime: "nvidia"}, true: {Enabled: true}} {
		a := agent{cfg: &config.Config{GPUSupportEnabled: true, NvidiaRuntime: "nvidia", External: external}}
		if got := a.gpuSupport(); got != want {
			t.Errorf("external %v: %+v, want %+v", external, got, want)
		}
	}
}

//go:build integration

package container

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dockercontainer "github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestRawConfigReachesTheContainer(t *testing.T) {
	h := run(t, script(`id -u > /out/user; pwd > /out/dir; hostname > /out/hostname; env > /out/env`, `,
		"environment":{"GREETING":"hi there"},
		"dockerConfig":{"version":"1.24","config":"{\"User\":\"1234\",\"WorkingDir\":\"/tmp\",\"Hostname\":\"box\"}","hostConfig":"{\"NetworkMode\":\"bridge\"}"}`))
	h.ended(0, 0)
	for file, want := range map[string]string{"user": "1234", "dir": "/tmp", "hostname": "box"} {
		if got := h.wrote(file)[0]; got != want {
			t.Errorf("%s %q, want %q", file, got, want)
		}
	}
	for _, want := range []string{"GREETING=hi there", "AWS_REGION=us-west-2", "AWS_DEFAULT_REGION=us-west-2", "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/endpoint-app"} {
		if !slices.Contains(h.wrote("env"), want) {
			t.Errorf("environment lacks %s", want)
		}
	}
}

func TestHealthComesFromDocker(t *testing.T) {
	h := run(t, script("exec sleep 1000", `,"healthCheckType":"docker",
		"dockerConfig":{"version":"1.24","config":"{\"HealthCheck\":{\"Test\":[\"CMD-SHELL\",\"echo fine\"],\"Interval\":1000000000,\"Timeout\":5000000000,\"Retries\":3}}"}`))
	var state *task.ContainerState
	eventually(t, "healthy", func() bool {
		var err error
		if state, err = h.runner.Inspect(t.Context(), h.task.Containers[0]); err != nil {
			t.Fatal(err)
		}
		return state.Health != nil && state.Health.Status == task.HealthHealthy
	})
	if state.Health.Output != "fine\n" {
		t.Errorf("output of the health check %q", state.Health.Output)
	}
}

func TestLogConfigReachesTheDriver(t *testing.T) {
	h := run(t, script("echo a line", `,"dockerConfig":{"hostConfig":"{\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-file\":\"2\",\"max-size\":\"1m\",\"mode\":\"non-blocking\"}}}"}`))
	h.ended(0, 0)
	got, err := sdk.ContainerInspect(t.Context(), h.task.Containers[0].RuntimeID)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"max-file": "2", "max-size": "1m", "mode": "non-blocking", "max-buffer-size": "10m"}
	if log := got.HostConfig.LogConfig; log.Type != "json-file" || fmt.Sprint(log.Config) != fmt.Sprint(want) {
		t.Errorf("log config %+v", log)
	}
	logs, err := sdk.ContainerLogs(t.Context(), h.task.Containers[0].RuntimeID, dockercontainer.LogsOptions{ShowStdout: true})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	if text, err := io.ReadAll(logs); err != nil || !strings.HasSuffix(string(text), "a line\n") {
		t.Errorf("logs %q, %v", text, err)
	}
}

func TestACreatedContainerIsFoundAgainByName(t *testing.T) {
	h := prepare(t, script("exec sleep 1000", ""))
	first, err := h.runner.Create(t.Context(), h.task, h.task.Containers[0])
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.runner.Create(t.Context(), h.task, h.task.Containers[0])
	if err != nil || again.RuntimeID != first.RuntimeID || again.State == nil || again.State.Status != task.ContainerCreated {
		t.Errorf("second Create: %+v, %v; want container %s", again, err, first.RuntimeID)
	}
	h.task.ARN += "0"
	if _, err := h.runner.Create(t.Context(), h.task, h.task.Containers[0]); err == nil || !strings.Contains(err.Error(), "is taken by container "+first.RuntimeID) {
		t.Errorf("Create for another task: %v", err)
	}
}

func TestStopGivesTheExitCode(t *testing.T) {
	h := run(t, script("trap 'exit 7' TERM; echo set > /out/trap; while true; do sleep 0.1; done", ""))
	c := h.task.Containers[0]
	// The first process of a container ignores signals that it has no handler for.
	eventually(t, "handler of the signal", func() bool {
		_, err := os.Stat(filepath.Join(h.out, "trap"))
		return err == nil
	})
	c.StopTimeout = 20
	for range 2 { // stopping again is fine
		state, err := h.runner.Stop(t.Context(), h.task, c)
		if err != nil || state.Status != task.ContainerStopped || state.ExitCode == nil || *state.ExitCode != 7 {
			t.Fatalf("Stop: %+v, %v", state, err)
		}
	}
}

func TestWhatDockerRefusesHasDockersText(t *testing.T) {
	h := prepare(t, script("true", ""))
	h.task.Containers[0].Image = "no-such-image-here:1"
	_, err := h.runner.Create(t.Context(), h.task, h.task.Containers[0])
	if err == nil || err.Error() != "CannotCreateContainerError: Error response from daemon: No such image: no-such-image-here:1" {
		t.Errorf("Create: %v", err)
	}
	version := "1.99"
	h.task.Containers[0].DockerConfig.Version = &version
	_, err = h.runner.Create(t.Context(), h.task, h.task.Containers[0])
	if err == nil || err.Error() != "CannotGetDockerClientVersionError: docker client factory: client not found for docker version: 1.99" {
		t.Errorf("Create: %v", err)
	}
}

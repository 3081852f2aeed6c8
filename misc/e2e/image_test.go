//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

const (
	testImage = "amazon/amazon-ecs-agent-e2e"
	// Docker asks for health 30 s after the start for the first time.
	healthLimit = 60 * time.Second
)

// TestAgentInItsContainer runs the agent as users do: from its image, with a file of settings.
func TestAgentInItsContainer(t *testing.T) {
	if docker.Socket() == "" {
		t.Skipf("mounts the engine's socket; there is none at %s", docker.Host)
	}
	h := newHost(t)
	h.must(run(h.ctx(), "make", "docker", "IMAGE="+testImage))
	name := h.Cluster
	t.Cleanup(func() {
		_, _ = dockerCommand(context.Background(), "rm", "-f", name)
		_, _ = dockerCommand(context.Background(), "rmi", testImage+":make", testImage+":latest")
	})
	settings := filepath.Join(h.dir, "ecs.config")
	h.must(os.WriteFile(settings, fmt.Appendf(nil, `ECS_BACKEND_HOST=%s
ECS_CLUSTER=%s
ECS_EXTERNAL=true
ECS_DATADIR=/data
ECS_LOGFILE=/log/ecs-agent.log
ECS_IMAGE_PULL_BEHAVIOR=prefer-cached
AWS_DEFAULT_REGION=us-east-1
AWS_ACCESS_KEY_ID=local
AWS_SECRET_ACCESS_KEY=local
`, h.Endpoint, h.Cluster), 0o600))
	for _, dir := range []string{"data", "log"} {
		h.must(os.MkdirAll(filepath.Join(h.dir, dir), 0o755))
	}
	h.docker("run", "--name", name, "-d", "--net=host", "--env-file", settings,
		"-v", docker.Socket()+":/var/run/docker.sock", "-v", h.dir+"/data:/data", "-v", h.dir+"/log:/log", testImage+":latest")
	started := time.Now()
	if _, err := h.AwaitAgent(h.ctx()); err != nil {
		t.Fatalf("%v; docker logs:\n%s", err, h.docker("logs", name))
	}
	arn := h.runTask(h.register(oneContainer("serve")))
	h.await("RUNNING", arn)

	ctx, cancel := context.WithTimeout(t.Context(), healthLimit)
	defer cancel()
	h.must(rig.Poll(ctx, "the agent's container to be healthy", func() (bool, error) {
		switch health := h.docker("inspect", "-f", "{{.State.Health.Status}}", name); health {
		case "unhealthy":
			return false, fmt.Errorf("it is unhealthy: %s", h.docker("inspect", "-f", "{{json .State.Health}}", name))
		default:
			return health == "healthy", nil
		}
	}))
	t.Logf("healthy after %v", time.Since(started).Round(time.Second))

	asked := time.Now()
	h.docker("stop", name)
	if took := time.Since(asked); took > 2*time.Second {
		t.Errorf("docker stop took %v, want at most 2 s", took)
	}
	if code := h.docker("inspect", "-f", "{{.State.ExitCode}}", name); code != "0" {
		t.Errorf("exit code %s; docker logs:\n%s", code, h.docker("logs", name))
	}
	if c := h.containers(arn)["main"]; c.State != "running" {
		t.Errorf("the task's container is %s after the agent's end", c.State)
	}
	for _, file := range []string{"data/agent.db", "log/ecs-agent.log"} {
		if _, err := os.Stat(filepath.Join(h.dir, file)); err != nil {
			t.Error(err)
		}
	}
	if text := h.docker("run", "--rm", "--entrypoint", "/amazon-ecs-cni-plugins/ecs-bridge", testImage+":latest", "--capabilities"); !strings.Contains(text, "awsvpc-network-mode") {
		t.Errorf("the CNI plugin ecs-bridge says %q", text)
	}
	// The image again, with the flags people try first.
	if text := h.docker("run", "--rm", testImage+":latest", "-version"); !strings.Contains(text, "Version:") {
		t.Errorf("-version says %q", text)
	}
	if text := h.docker("run", "--rm", testImage+":latest", "-license"); !strings.Contains(text, "Apache License") || !strings.Contains(text, "bbolt") {
		t.Errorf("-license says %.200q", text)
	}
}

// docker runs the docker command, which has to succeed, and gives what it prints.
func (h *host) docker(args ...string) string {
	h.t.Helper()
	text, err := dockerCommand(h.ctx(), args...)
	if err != nil {
		h.t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, text)
	}
	return text
}

func dockerCommand(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}

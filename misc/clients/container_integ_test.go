//go:build integration && linux

package clients

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/clients/found"
	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

const (
	probeImage = "amazon-ecs-agent/clients-probe:test"
	roleARN    = "arn:aws:iam::123456789012:role/clients"
)

// command runs a program to its end.
func command(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// buildProbe makes the image of the probe, from nothing but the program and an empty directory for temporary files.
func buildProbe(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	command(t, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "probe"), "./probe")
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY probe /probe\nENTRYPOINT [\"/probe\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, nil, "docker", "build", "--quiet", "-t", probeImage, dir)
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", "-f", probeImage).Run() })
}

// startAgent starts an agent of this host and waits until ECS knows it.
func startAgent(t *testing.T, ctx context.Context, control *rig.Control, dir string) {
	t.Helper()
	if err := rig.CheckPorts(); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "agent")
	command(t, []string{"CGO_ENABLED=0"}, "go", "build", "-C", "../..", "-o", binary, "./agent")
	docker := os.Getenv("DOCKER_HOST")
	if docker == "" {
		docker = "unix:///var/run/docker.sock"
	}
	agent, err := rig.StartAgent(rig.AgentOptions{Binary: binary, Dir: dir, Endpoint: control.Endpoint, Cluster: "default", DockerHost: docker})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		agent.Kill()
		if t.Failed() {
			t.Log(agent.LastWords())
		}
	})
	if _, err := control.AwaitAgent(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestClientsInAContainer lets published clients in a real container use credentials, task metadata and statistics.
func TestClientsInAContainer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	buildProbe(t)
	control := startControl(t)
	dir := t.TempDir()
	startAgent(t, ctx, control, dir)

	definition, err := control.Register(ctx, map[string]any{
		"family": "clients", "networkMode": "host", "taskRoleArn": roleARN,
		"containerDefinitions": []any{map[string]any{
			"name": "probe", "image": probeImage, "memory": 256, "cpu": 64, "essential": true,
			"linuxParameters": map[string]any{"capabilities": map[string]any{"add": []string{"NET_ADMIN", "SYS_ADMIN"}}}, // it makes a network namespace
			"environment":     []any{map[string]any{"name": "AWS_REGION", "value": "us-east-1"}, map[string]any{"name": "AWS_EC2_METADATA_DISABLED", "value": "true"}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	arn, err := control.Run(ctx, definition, nil)
	if err != nil {
		t.Fatal(err)
	}
	docker, err := rig.NewDocker()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.RemoveAll(context.WithoutCancel(ctx), arn) })
	tasks, err := control.AwaitStatus(ctx, "STOPPED", arn)
	if err != nil {
		t.Fatal(err)
	}
	stopped := tasks[0].Containers[0]
	text, err := exec.CommandContext(ctx, "docker", "logs", stopped.RuntimeID).CombinedOutput()
	if err != nil || stopped.ExitCode == nil || *stopped.ExitCode != 0 {
		t.Fatalf("the probe failed: %v, %+v\n%s", err, stopped, text)
	}
	var f found.Found
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	check(t, f, tasks[0], stopped)
}

func check(t *testing.T, f found.Found, task rig.Task, container rig.Container) {
	t.Helper()
	if f.CredentialsSource != "CredentialsEndpointProvider" || f.AccessKeyID == "" || !f.HasSecret || time.Until(f.CredentialsExpire) < time.Minute {
		t.Errorf("credentials: %+v", f)
	}
	family, revision, _ := strings.Cut(task.Definition[strings.LastIndexByte(task.Definition, '/')+1:], ":")
	for key, want := range map[string]string{
		"cloud.provider": "aws", "cloud.platform": "aws_ecs", "aws.ecs.task.arn": task.ARN, "aws.ecs.task.family": family, "aws.ecs.task.revision": revision,
		"aws.ecs.launchtype": "external", "container.id": container.RuntimeID,
	} {
		if got := f.Resource[key]; got != want {
			t.Errorf("resource %s: %q, want %q", key, got, want)
		}
	}
	if !strings.Contains(f.Resource["aws.ecs.container.arn"], ":container/") || !strings.HasSuffix(f.Resource["aws.ecs.cluster.arn"], ":cluster/default") {
		t.Errorf("resource: %v", f.Resource)
	}
	for _, name := range []string{"ecs.task.cpu.utilized", "ecs.task.memory.usage", "ecs.task.storage.read_bytes", "container.cpu.usage.total", "container.memory.usage"} {
		if !f.Metrics[name] {
			t.Errorf("no metric %s among %v", name, f.Metrics)
		}
	}
	for key, want := range map[string]string{"aws.ecs.cluster.name": "default", "aws.ecs.task.arn": task.ARN, "aws.ecs.task.family": family} {
		if got := f.MetricResource[key]; got != want {
			t.Errorf("resource of the metrics, %s: %q, want %q", key, got, want)
		}
	}
}

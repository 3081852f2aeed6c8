//go:build integration

package container

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// These tests drive a real Docker engine with an image that holds nothing but a static busybox (Debian package
// busybox-static). They need no registry.

var (
	// engine is the agent's client, sdk the Docker client for what the agent never asks.
	engine *docker.Client
	sdk    *client.Client
	// busybox is the image of all containers.
	busybox = "agent-container-integ:" + strings.ToLower(rand.Text())
)

func TestMain(m *testing.M) {
	ctx := context.Background()
	if err := setUp(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "integration tests:", err)
		os.Exit(1)
	}
	code := m.Run()
	if _, err := sdk.ImageRemove(ctx, busybox, image.RemoveOptions{Force: true}); err != nil {
		fmt.Fprintln(os.Stderr, "removing the test image:", err)
		code = 1
	}
	os.Exit(code)
}

func setUp(ctx context.Context) (err error) {
	endpoint := cmp.Or(os.Getenv("DOCKER_HOST"), "unix:///var/run/docker.sock")
	if engine, err = docker.Connect(ctx, endpoint); err != nil {
		return err
	}
	if sdk, err = client.NewClientWithOpts(client.WithHost(endpoint), client.WithAPIVersionNegotiation()); err != nil {
		return err
	}
	archive, err := busyboxImage()
	if err != nil {
		return err
	}
	answer, err := sdk.ImageImport(ctx, image.ImportSource{Source: archive, SourceName: "-"}, busybox, image.ImportOptions{})
	if err != nil {
		return fmt.Errorf("importing the test image: %w", err)
	}
	defer answer.Close()
	_, err = io.Copy(io.Discard, answer)
	return err
}

// busyboxImage is the file system of the image.
func busyboxImage() (io.Reader, error) {
	binary, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return nil, fmt.Errorf("%w; install the package busybox-static", err)
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o755})
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777})
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755, Size: int64(len(binary))})
	w.Write(binary)
	for _, name := range []string{"sh", "cat", "echo", "env", "hostname", "httpd", "id", "ls", "nc", "pwd", "readlink", "sleep", "test", "touch", "wget"} {
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox"})
	}
	return &buf, w.Close()
}

// host is a Runner on the real engine and what a test made with it.
type host struct {
	t      *testing.T
	runner *Runner
	task   *task.Task
	// out is a directory that all containers of the task see as /out.
	out string
}

// run decodes a task (agent.db form; $OUT is the out directory) and starts its containers one after the other.
func run(t *testing.T, text string) *host {
	t.Helper()
	h := prepare(t, text)
	for i := range h.task.Containers {
		h.create(i)
		h.start(i)
	}
	return h
}

func prepare(t *testing.T, text string) *host {
	t.Helper()
	h := &host{t: t, out: t.TempDir()}
	if err := os.Chmod(h.out, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	cfg := &config.Config{
		AWSRegion: "us-west-2", DynamicHostPortRange: "42100-42199", DockerStopTimeout: time.Second,
		ContainerCreateTimeout: 4 * time.Minute, ContainerStartTimeout: 3 * time.Minute,
	}
	if h.runner, err = New(cfg, engine, noImages{}, &credentials.Store{}, Host{CgroupV2: err == nil}); err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("%x", rand.Text())[:32]
	h.task = &task.Task{ARN: "arn:aws:ecs:us-west-2:123456789012:task/integ/" + id, Family: "integ", Revision: "1"}
	if err := json.Unmarshal([]byte(text), h.task); err != nil {
		t.Fatal(err)
	}
	h.task.Volumes = append(h.task.Volumes, task.Volume{Name: "out", Type: task.VolumeHost, HostPath: h.out})
	for _, c := range h.task.Containers {
		c.Image = busybox
		c.TaskARN = h.task.ARN
		c.EndpointID = "endpoint-" + c.Name
		c.StopTimeout = 1
		c.MountPoints = append(c.MountPoints, task.MountPoint{SourceVolume: "out", ContainerPath: "/out"})
		c.RuntimeName = mapping.ContainerName(h.task, c)
	}
	t.Cleanup(h.remove)
	return h
}

func (h *host) create(i int) {
	h.t.Helper()
	c := h.task.Edit(i)
	result, err := h.runner.Create(h.t.Context(), h.task, c)
	if err != nil {
		h.t.Fatalf("create %s: %v", c.Name, err)
	}
	c.RuntimeID, c.SinglePorts, c.HostRanges, c.HasPortRange = result.RuntimeID, result.SinglePorts, result.HostRanges, result.HasPortRange
}

func (h *host) start(i int) {
	h.t.Helper()
	c := h.task.Edit(i)
	state, err := h.runner.Start(h.t.Context(), h.task, c)
	if err != nil {
		h.t.Fatalf("start %s: %v", c.Name, err)
	}
	c.Observe(state)
}

func (h *host) remove() {
	ctx := context.WithoutCancel(h.t.Context())
	for _, c := range slices.Backward(h.task.Containers) {
		if _, err := h.runner.Stop(ctx, h.task, c); err != nil {
			h.t.Logf("stop %s: %v", c.Name, err)
		}
		if err := h.runner.Remove(ctx, h.task, c); err != nil {
			h.t.Errorf("remove %s: %v", c.Name, err)
		}
	}
}

// eventually asks again and again, for at most 30 seconds.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within 30 seconds", what)
		}
	}
}

// ended waits until container i has ended and checks its exit code.
func (h *host) ended(i, wantExit int) {
	h.t.Helper()
	var state *task.ContainerState
	eventually(h.t, "end of container "+h.task.Containers[i].Name, func() bool {
		var err error
		if state, err = h.runner.Inspect(h.t.Context(), h.task.Containers[i]); err != nil {
			h.t.Fatal(err)
		}
		return state.Status == task.ContainerStopped
	})
	if state.ExitCode == nil {
		h.t.Fatalf("container %s has no exit code; failure %v", h.task.Containers[i].Name, state.Failure)
	}
	if *state.ExitCode != wantExit {
		h.t.Fatalf("container %s: exit code %d, want %d", h.task.Containers[i].Name, *state.ExitCode, wantExit)
	}
}

// wrote gives the lines a container wrote to a file in /out.
func (h *host) wrote(file string) []string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.out, file))
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// script is one container that runs a shell script.
func script(text string, more string) string {
	command, _ := json.Marshal([]string{"sh", "-c", text})
	return `{"Containers":[{"Name":"app","Command":` + string(command) + more + `}]}`
}

//go:build integration

package container

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	dockercontainer "github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/metadatafile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// loadPauseImage builds the image of pause containers and loads it.
func loadPauseImage(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pause.tar")
	if out, err := exec.CommandContext(t.Context(), "../../misc/pause-container/build.sh", file).CombinedOutput(); err != nil {
		t.Fatalf("building the pause image: %v\n%s", err, out)
	}
	tar, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer tar.Close()
	if err := engine.LoadImage(t.Context(), tar); err != nil {
		t.Fatal(err)
	}
	image, err := engine.InspectImage(t.Context(), task.PauseImage)
	if err != nil || image.Size > 16<<10 {
		t.Fatalf("pause image of %d bytes, %v; want a few KiB", image.Size, err)
	}
}

// sharing starts a task whose containers share namespaces: the pause container first, then the others.
func sharing(t *testing.T, pid, ipc, containers string) *host {
	t.Helper()
	loadPauseImage(t)
	h := prepare(t, `{"Containers":[{"Name":"`+task.NamespacePauseName+`","IsInternal":"NAMESPACE_PAUSE"},`+containers+`]}`)
	h.task.PIDMode, h.task.IPCMode = pid, ipc
	pause := h.task.Edit(0)
	pause.Image, pause.MountPoints, pause.StopTimeout = task.PauseImage, nil, 20
	for i := range h.task.Containers {
		h.create(i)
		h.start(i)
	}
	return h
}

func TestContainersOfATaskShareNamespaces(t *testing.T) {
	const print = `"Command":["sh","-c","for n in pid ipc; do readlink /proc/self/ns/$n > /out/$HOSTNAME.$n; done; exec sleep 1000"]`
	for _, modes := range [][2]string{{"task", "task"}, {"task", ""}, {"", "task"}} {
		t.Run("PID "+modes[0]+", IPC "+modes[1], func(t *testing.T) {
			named := func(name string) string {
				return `{"Name":"` + name + `",` + print + `,"dockerConfig":{"config":"{\"Hostname\":\"` + name + `\"}"}}`
			}
			h := sharing(t, modes[0], modes[1], named("a")+","+named("b"))
			for i, kind := range []string{"pid", "ipc"} {
				var of [2]string
				eventually(t, "namespaces of both containers", func() bool {
					for j, name := range []string{"a", "b"} {
						text, _ := os.ReadFile(filepath.Join(h.out, name+"."+kind))
						of[j] = strings.TrimSpace(string(text))
					}
					return of[0] != "" && of[1] != ""
				})
				if shared := of[0] == of[1]; shared != (modes[i] == "task") {
					t.Errorf("%s namespaces %q; shared: %v", kind, of, shared)
				}
			}
		})
	}
}

func TestThePauseContainerReapsOrphansAndEndsWhenTold(t *testing.T) {
	h := sharing(t, "task", "", `{"Name":"app","Command":["sh","-c","(sleep 0.2 & sleep 0.3 &); touch /out/forked; exec sleep 1000"]}`)
	pause := h.task.Containers[0]
	state, err := h.runner.Inspect(t.Context(), pause)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "orphans", func() bool {
		_, err := os.Stat(filepath.Join(h.out, "forked"))
		return err == nil
	})
	// The orphans are children of the first process of their namespace, and gone, not zombies, when they have ended.
	children := filepath.Join("/proc", strconv.Itoa(state.PID), "task", strconv.Itoa(state.PID), "children")
	eventually(t, "end of the orphans", func() bool {
		text, err := os.ReadFile(children)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text)) == ""
	})
	if _, err := h.runner.Stop(t.Context(), h.task, h.task.Containers[1]); err != nil {
		t.Fatal(err)
	}
	state, err = h.runner.Stop(t.Context(), h.task, pause)
	if err != nil || state.ExitCode == nil || *state.ExitCode != 0 {
		t.Fatalf("end of the pause container: %+v, %v", state, err)
	}
	logs, err := sdk.ContainerLogs(t.Context(), pause.RuntimeID, dockercontainer.LogsOptions{ShowStderr: true})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	text, err := io.ReadAll(logs)
	if err != nil || !strings.HasSuffix(string(text), "Shutting down, got signal: Terminated\n") || strings.Contains(string(text), "Warning") {
		t.Errorf("log of the pause container %q, %v", text, err)
	}
}

func TestCapabilitiesHaveTheSpellingOfTheTaskDefinition(t *testing.T) {
	h := run(t, script("exec sleep 1000", `,"dockerConfig":{"hostConfig":"{\"CapAdd\":[\"NET_ADMIN\"],\"CapDrop\":[\"MKNOD\"]}"}`))
	got, err := sdk.ContainerInspect(t.Context(), h.task.Containers[0].RuntimeID)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.HostConfig.CapAdd, []string{"NET_ADMIN"}) || !slices.Equal(got.HostConfig.CapDrop, []string{"MKNOD"}) {
		t.Errorf("capabilities added %q, dropped %q", got.HostConfig.CapAdd, got.HostConfig.CapDrop)
	}
}

func TestTheOCIRuntimeOfTasks(t *testing.T) {
	info, err := engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Another name of the default runtime, so that the test needs no further one.
	i := slices.IndexFunc(info.Runtimes, func(name string) bool { return name != "runc" })
	if i < 0 {
		t.Skipf("Docker has one runtime only: %q", info.Runtimes)
	}
	h := prepare(t, script("exec sleep 1000", ""))
	h.runner.facts.Runtime = info.Runtimes[i]
	h.create(0)
	h.start(0)
	got, err := sdk.ContainerInspect(t.Context(), h.task.Containers[0].RuntimeID)
	if err != nil || got.HostConfig.Runtime != info.Runtimes[i] {
		t.Errorf("runtime %q, %v; want %q", got.HostConfig.Runtime, err, info.Runtimes[i])
	}
}

func TestTheContainerSeesItsMetadataFile(t *testing.T) {
	h := prepare(t, script(`cat $ECS_CONTAINER_METADATA_FILE > /out/first; until grep -q READY $ECS_CONTAINER_METADATA_FILE; do sleep 0.1; done; cat $ECS_CONTAINER_METADATA_FILE > /out/ready`, ""))
	dir := t.TempDir()
	files := metadatafile.New(dir, "", func(ctx context.Context) (bool, error) {
		info, err := engine.Info(ctx)
		return info.SELinux(), err
	})
	files.SetInstance(metadatafile.Instance{Cluster: "integ"})
	cfg := &config.Config{AWSRegion: "us-west-2", DynamicHostPortRange: "42100-42199", ContainerCreateTimeout: h.runner.createLimit,
		ContainerStartTimeout: h.runner.startLimit, ContainerMetadataEnabled: true}
	var err error
	if h.runner, err = New(cfg, engine, noImages{}, &credentials.Store{}, Host{MetadataFiles: files}); err != nil {
		t.Fatal(err)
	}
	h.create(0)
	h.start(0)
	h.ended(0, 0)
	var first, ready struct {
		Cluster, ContainerID, ContainerName, ImageID, MetadataFileStatus string
		Networks                                                         []struct{ NetworkMode string }
	}
	for file, into := range map[string]any{"first": &first, "ready": &ready} {
		if err := json.Unmarshal([]byte(strings.Join(h.wrote(file), "\n")), into); err != nil {
			t.Fatal(err)
		}
	}
	c := h.task.Containers[0]
	if first.ContainerName != "app" || first.Cluster != "integ" {
		t.Errorf("at the start of the container %+v", first)
	}
	if ready.ContainerID != c.RuntimeID || !strings.HasPrefix(ready.ImageID, "sha256:") || ready.MetadataFileStatus != "READY" || len(ready.Networks) != 1 || !c.MetadataFileReady {
		t.Errorf("once it runs %+v", ready)
	}
	if err := h.runner.Remove(t.Context(), h.task, c); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "metadata/*/*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestPIDAndIPCNamespacesOfTheHost(t *testing.T) {
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	h := prepare(t, script("readlink /proc/self/ns/pid > /out/pid; readlink /proc/self/ns/ipc > /out/ipc", ""))
	h.task.PIDMode, h.task.IPCMode = "host", "host"
	h.create(0)
	h.start(0)
	h.ended(0, 0)
	ipc, err := os.Readlink("/proc/self/ns/ipc")
	if err != nil {
		t.Fatal(err)
	}
	if got := h.wrote("pid")[0]; got != own {
		t.Errorf("PID namespace %s, want the host's %s", got, own)
	}
	if got := h.wrote("ipc")[0]; got != ipc {
		t.Errorf("IPC namespace %s, want the host's %s", got, ipc)
	}
}

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
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	dockercontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	dockervolume "github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/resource/volume"
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

func get(t *testing.T, port uint16) {
	t.Helper()
	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))) + "/hello"
	eventually(t, "answer from "+url, func() bool {
		answer, err := http.Get(url)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return string(body) == "hi\n"
	})
}

// server is a shell script that serves /hello on ports of the container.
func server(ports ...int) string {
	var b strings.Builder
	b.WriteString("echo hi > /tmp/hello; ")
	for _, port := range ports {
		fmt.Fprintf(&b, "httpd -p %d -h /tmp; ", port)
	}
	return b.String() + "exec sleep 1000"
}

func TestPortsLeadToTheContainer(t *testing.T) {
	free, err := strconv.ParseUint(freePort(t), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	h := run(t, script(server(80, 81, 7000, 7001, 7002), fmt.Sprintf(`,"portMappings":[
		{"ContainerPort":80,"HostPort":%d},{"ContainerPort":81},{"ContainerPortRange":"7000-7002"}]`, free)))
	bindings, err := h.task.Containers[0].ReportedBindings(true, false)
	if err != nil || len(bindings) != 3 {
		t.Fatalf("bindings %+v, %v", bindings, err)
	}
	for _, b := range bindings {
		switch {
		case b.ContainerPort == 80 && uint64(b.HostPort) == free:
			get(t, b.HostPort)
		case b.ContainerPort == 81 && b.HostPort >= 42100 && b.HostPort <= 42199:
			get(t, b.HostPort)
		case b.ContainerPortRange == "7000-7002":
			ports, err := task.ParsePortRange(b.HostPortRange)
			if err != nil || ports.Len() != 3 {
				t.Fatalf("host range %q: %v", b.HostPortRange, err)
			}
			for i := range uint16(3) {
				get(t, ports.First+i)
			}
		default:
			t.Errorf("unexpected binding %+v", b)
		}
	}
}

func TestPortsOfRunningContainersAreNotGivenOutAgain(t *testing.T) {
	first := run(t, script("exec sleep 1000", `,"portMappings":[{"ContainerPort":80},{"ContainerPort":53,"Protocol":"udp"}]`))
	second := run(t, script("exec sleep 1000", `,"portMappings":[{"ContainerPort":80},{"ContainerPort":53,"Protocol":"udp"}]`))
	for _, a := range first.task.Containers[0].Bindings {
		for _, b := range second.task.Containers[0].Bindings {
			if a.HostPort == b.HostPort && a.Protocol == b.Protocol {
				t.Errorf("port %d/%s has two containers", a.HostPort, a.Protocol)
			}
		}
	}
}

func TestAHostPortInUseFailsTheStart(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := prepare(t, script("exec sleep 1000", fmt.Sprintf(`,"portMappings":[{"ContainerPort":80,"HostPort":%d}]`, l.Addr().(*net.TCPAddr).Port)))
	h.create(0)
	_, err = h.runner.Start(t.Context(), h.task, h.task.Containers[0])
	if err == nil || !strings.HasPrefix(err.Error(), "CannotStartContainerError: Error response from daemon: ") {
		t.Errorf("Start: %v", err)
	}
}

func TestALinkIsAName(t *testing.T) {
	h := run(t, `{"Containers":[
		{"Name":"db","Command":["sh","-c","`+server(80)+`"]},
		{"Name":"app","Links":["db:database"],"Command":["sh","-c","until wget -q -O /out/got http://database/hello; do sleep 0.1; done"]}]}`)
	h.ended(1, 0)
	if got := h.wrote("got"); got[0] != "hi" {
		t.Errorf("got %q through the link", got)
	}
}

func TestHostVolumeAndVolumesFrom(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("from the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := run(t, `{"volumes":[{"name":"data","host":{"sourcePath":"`+dir+`"}}],"Containers":[
		{"Name":"app","mountPoints":[{"sourceVolume":"data","containerPath":"/data","readOnly":true}],"Command":["sh","-c","cat /data/file > /out/got; touch /data/new"]},
		{"Name":"side","volumesFrom":[{"sourceContainer":"app","readOnly":true}],"Command":["sh","-c","test -f /data/file"]}]}`)
	h.ended(0, 1)
	h.ended(1, 0)
	if got := h.wrote("got"); got[0] != "from the host" {
		t.Errorf("the container read %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("the container wrote to a read-only volume")
	}
}

func TestVolumesOfATaskComeAndGo(t *testing.T) {
	h := prepare(t, `{"volumes":[{"name":"scratch","host":{}},{"name":"labelled","type":"docker","dockerVolumeConfiguration":{"scope":"task","driver":"local","labels":{"a":"b"}}}],
		"Containers":[
		{"Name":"writer","mountPoints":[{"sourceVolume":"scratch","containerPath":"/scratch"},{"sourceVolume":"labelled","containerPath":"/labelled"}],"Command":["sh","-c","echo hi > /scratch/file"]},
		{"Name":"reader","mountPoints":[{"sourceVolume":"scratch","containerPath":"/scratch"}],"Command":["sh","-c","until cat /scratch/file; do sleep 0.1; done"]}]}`)
	craft := &volume.Craft{Docker: engine, Name: mapping.VolumeName}
	resources, err := craft.Plan(h.task)
	if err != nil || len(resources) != 2 {
		t.Fatalf("Plan: %v %v", resources, err)
	}
	for i := range resources {
		for range 2 {
			if err := craft.Create(t.Context(), h.task, &resources[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range h.task.Containers {
		h.create(i)
		h.start(i)
	}
	h.ended(0, 0)
	h.ended(1, 0)
	if v, err := engine.InspectVolume(t.Context(), h.task.Volumes[1].Source()); err != nil || v.Labels["a"] != "b" {
		t.Errorf("labelled volume: %+v, %v", v, err)
	}
	h.remove()
	for i := range resources {
		for range 2 {
			if err := craft.Remove(t.Context(), h.task, &resources[i]); err != nil {
				t.Error(err)
			}
		}
		if _, err := engine.InspectVolume(t.Context(), h.task.Volumes[i].Source()); !docker.IsNotFound(err) {
			t.Errorf("volume %s after Remove: %v", h.task.Volumes[i].Source(), err)
		}
	}
	h.task.Containers = nil // removed already
}

// TestSharedVolumesOutliveTheTask: one that the agent provides itself, and one that somebody made before.
func TestSharedVolumesOutliveTheTask(t *testing.T) {
	made, provided := "integ-made-"+strings.ToLower(rand.Text()), "integ-provided-"+strings.ToLower(rand.Text())
	if _, err := sdk.VolumeCreate(t.Context(), dockervolume.CreateOptions{Name: made}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, name := range []string{made, provided} {
			if err := sdk.VolumeRemove(context.Background(), name, true); err != nil {
				t.Error(err)
			}
		}
	})
	h := prepare(t, `{"volumes":[{"name":"`+made+`","type":"docker","dockerVolumeConfiguration":{"scope":"shared"}},
		{"name":"`+provided+`","type":"docker","dockerVolumeConfiguration":{"scope":"shared","autoprovision":true,"driver":"local","labels":{"a":"b"}}}],
		"Containers":[{"Name":"app","mountPoints":[{"sourceVolume":"`+made+`","containerPath":"/made"},{"sourceVolume":"`+provided+`","containerPath":"/provided"}],
		"Command":["sh","-c","echo 1 > /made/file && echo 2 > /provided/file"]}]}`)
	craft := &volume.Craft{Docker: engine, Name: mapping.VolumeName}
	resources, err := craft.Plan(h.task)
	if err != nil {
		t.Fatal(err)
	}
	for i := range resources {
		if err := craft.Create(t.Context(), h.task, &resources[i]); err != nil {
			t.Fatal(err)
		}
	}
	h.create(0)
	h.start(0)
	h.ended(0, 0)
	h.remove()
	h.task.Containers = nil
	for i := range resources {
		if err := craft.Remove(t.Context(), h.task, &resources[i]); err != nil {
			t.Error(err)
		}
	}
	for name, label := range map[string]string{made: "", provided: "b"} {
		if v, err := engine.InspectVolume(t.Context(), name); err != nil || v.Labels["a"] != label {
			t.Errorf("volume %s after the task: %+v, %v", name, v, err)
		}
	}
}

func TestASharedVolumeThatIsMissingEndsTheTask(t *testing.T) {
	h := prepare(t, `{"volumes":[{"name":"no-such-volume-here","type":"docker","dockerVolumeConfiguration":{"scope":"shared"}}]}`)
	craft := &volume.Craft{Docker: engine, Name: mapping.VolumeName}
	resources, err := craft.Plan(h.task)
	if err != nil {
		t.Fatal(err)
	}
	err = craft.Create(t.Context(), h.task, &resources[0])
	if err == nil || !strings.Contains(err.Error(), "volume 'no-such-volume-here' does not exist and autoprovision is set to false: Error response from daemon: ") {
		t.Errorf("Create: %v", err)
	}
}

func TestLimitsReachTheKernel(t *testing.T) {
	h := prepare(t, script(`until test -e /out/go; do sleep 0.05; done
		cat /sys/fs/cgroup/memory/memory.limit_in_bytes > /out/memory || cat /sys/fs/cgroup/memory.max > /out/memory
		cat /sys/fs/cgroup/cpu/cpu.shares > /out/cpu || cat /sys/fs/cgroup/cpu.weight > /out/cpu`, `,"Cpu":512,"Memory":64`))
	h.task.LimitsEnabled = true
	h.create(0)
	h.start(0)
	pid := h.task.Containers[0].PID
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(cgroup), h.task.ID()) {
		t.Errorf("cgroups of the container are not below the task's:\n%s", cgroup)
	}
	t.Cleanup(func() { removeCgroups(t, h.task.ID()) })
	t.Cleanup(h.remove)
	if err := os.WriteFile(filepath.Join(h.out, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.ended(0, 0)
	if got := h.wrote("memory")[0]; got != "67108864" {
		t.Errorf("memory limit %s, want 64 MiB", got)
	}
	if got := h.wrote("cpu")[0]; got != "512" && got != "20" { // v1 shares; v2 weight
		t.Errorf("CPU shares or weight %s, want 512 or 20", got)
	}
}

// removeCgroups removes the task's cgroup, which the agent's cgroup resource would have made and removed.
func removeCgroups(t *testing.T, id string) {
	dirs, err := filepath.Glob("/sys/fs/cgroup/*/ecs/" + id)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if err := os.Remove(dir); err != nil {
			t.Logf("removing a cgroup: %v", err)
		}
	}
}

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

func TestNetworkModes(t *testing.T) {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		mode       string
		host       bool
		interfaces int // 0: not checked
	}{{"host", true, 0}, {"none", false, 1}, {"bridge", false, 2}, {"", false, 2}} {
		t.Run("mode "+tt.mode, func(t *testing.T) {
			h := run(t, script("readlink /proc/self/ns/net > /out/ns; ls /sys/class/net > /out/interfaces", `,"portMappings":[{"ContainerPort":80}],
				"dockerConfig":{"hostConfig":"{\"NetworkMode\":\"`+tt.mode+`\"}"}`))
			h.ended(0, 0)
			if got := h.wrote("ns")[0] == own; got != tt.host {
				t.Errorf("in the host's network: %v, want %v", got, tt.host)
			}
			if got := h.wrote("interfaces"); tt.interfaces != 0 && len(got) != tt.interfaces {
				t.Errorf("interfaces %v, want %d", got, tt.interfaces)
			}
			if got := h.task.Containers[0].NetworkBindings(); (tt.host || tt.mode == "none") && len(got) != 0 {
				t.Errorf("network bindings %v without a network of its own", got)
			}
		})
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

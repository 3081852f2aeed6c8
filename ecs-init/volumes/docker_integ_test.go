//go:build integration

package volumes

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	dockervolume "github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/ecs-init/command"
)

// efsHost is a host with one EFS file system, fs-1: a directory. Its mount helper makes a bind mount.
type efsHost struct {
	t          *testing.T
	place      place
	filesystem string
	driver     string
	mounts     sync.Map // path of each mount, to its arguments
	stop       func()
}

func newEFSHost(t *testing.T) *efsHost {
	t.Helper()
	h := &efsHost{t: t, place: newPlace(t), filesystem: t.TempDir(), driver: dockertest.Name("ecs-volumes")}
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

func (h *efsHost) run(ctx context.Context, name string, args ...string) (string, error) {
	path := args[len(args)-1]
	if name == "mount" {
		h.mounts.Store(path, strings.Join(args, " "))
		return command.Exec(ctx, "mount", "--bind", h.filesystem, path)
	}
	return command.Exec(ctx, name, args...)
}

// start runs the plugin where Docker finds it.
func (h *efsHost) start() {
	h.t.Helper()
	plugin, err := load(stateAt(h.place.root), mounter{run: h.run, table: readMountTable}, h.place.directory())
	if err != nil {
		h.t.Fatal(err)
	}
	listener, err := Listen("/run/docker/plugins/"+h.driver+".sock", noEnv)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := plugin.Serve(ctx, listener); err != nil {
			h.t.Error(err)
		}
	}()
	h.stop = func() {
		cancel()
		<-ended
	}
}

func (h *efsHost) mounted(name string) bool {
	h.t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.Contains(string(table), " "+h.place.path(name)+" ")
}

// dockerRig is a Docker engine with an image.
type dockerRig struct {
	t     *testing.T
	api   *client.Client
	image string
}

// privately is set in the process that has its own view of the file system.
const privately = "VOLUMES_TEST_PRIVATELY"

// TestThroughDocker uses an engine of its own, in a mount namespace of its own: an engine never forgets a plug-in it has
// seen, and asks it about each volume it does not know. The network namespace is its own too, because an engine that starts
// without a bridge removes docker0, which belongs to the host's engine.
func TestThroughDocker(t *testing.T) {
	if os.Getenv(privately) == "" {
		cmd := exec.Command("unshare", "--mount", "--net", "--propagation", "private", os.Args[0], "-test.run=^TestThroughDocker$", "-test.v", "-test.timeout=5m")
		cmd.Env = append(os.Environ(), privately+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	startEngine(t)
	d := dockerRig{api: dockertest.SDK(t), image: dockertest.Image(t)}
	for name, test := range map[string]func(*testing.T, dockerRig){
		"life of a volume": testLifeOfAVolume, "errors": testErrorsReachTheUser, "concurrent mounts": testConcurrentMounts,
	} {
		t.Run(name, func(t *testing.T) {
			d.t = t
			test(t, d)
		})
	}
}

// startEngine starts a Docker engine that sees the plug-ins of this mount namespace alone.
func startEngine(t *testing.T) {
	t.Helper()
	if err := errors.Join(os.MkdirAll("/run/docker", 0o755), syscall.Mount("tmpfs", "/run/docker", "tmpfs", 0, "")); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "dockerd") // sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "unix://" + dir + "/docker.sock"
	log, err := os.Create(dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	words := func() string { content, _ := os.ReadFile(log.Name()); return string(content) }
	if err := os.WriteFile(dir+"/daemon.json", []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command("dockerd", "--config-file", dir+"/daemon.json", "--host", endpoint, "--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"--bridge", "none", "--iptables=false")
	daemon.Stdout, daemon.Stderr = log, log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		if t.Failed() {
			t.Log(words())
		}
		_ = os.RemoveAll(dir)
	})
	t.Setenv("DOCKER_HOST", endpoint)
	api := dockertest.SDK(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := api.Ping(t.Context()); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%v\n%s", err, words())
		}
	}
}

// start runs a container that waits, with the volume at /data.
func (d dockerRig) start(volumeName string) (id string) {
	d.t.Helper()
	created, err := d.api.ContainerCreate(d.t.Context(), &container.Config{Image: d.image},
		&container.HostConfig{Binds: []string{volumeName + ":/data"}, NetworkMode: "none"}, nil, nil, "")
	if err != nil {
		d.t.Error(err)
		return ""
	}
	d.t.Cleanup(func() { d.remove(created.ID) })
	if err := d.api.ContainerStart(d.t.Context(), created.ID, container.StartOptions{}); err != nil {
		d.t.Error(err)
	}
	return created.ID
}

func (d dockerRig) remove(id string) {
	_ = d.api.ContainerRemove(context.Background(), id, container.RemoveOptions{Force: true})
}

// removeAfterFailure removes a volume that the test did not. Docker looks for a volume it does not know in every plug-in
// it has ever seen, so this is not done without need.
func (d dockerRig) removeAfterFailure(name string) {
	if d.t.Failed() {
		_ = d.api.VolumeRemove(context.Background(), name, true)
	}
}

// sees reports whether the container has the file in /data.
func (d dockerRig) sees(id, file string) bool {
	d.t.Helper()
	stream, _, err := d.api.CopyFromContainer(d.t.Context(), id, "/data/"+file)
	if err != nil {
		return false
	}
	_ = stream.Close()
	return true
}

func testLifeOfAVolume(t *testing.T, d dockerRig) {
	h := newEFSHost(t)
	name := dockertest.Name("vol")
	if err := os.WriteFile(filepath.Join(h.filesystem, "hello"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	created, err := d.api.VolumeCreate(t.Context(), dockervolume.CreateOptions{Name: name, Driver: h.driver,
		DriverOpts: map[string]string{"type": "efs", "device": "fs-1:/dir", "o": "tls,iam"}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.removeAfterFailure(name)
	if created.Driver != h.driver || h.mounted(name) {
		t.Errorf("%+v, mounted %t", created, h.mounted(name))
	}
	if v, err := d.api.VolumeInspect(t.Context(), name); err != nil || v.Mountpoint != h.place.path(name) || !strings.HasPrefix(v.CreatedAt, "20") {
		t.Errorf("inspect %+v, %v", v, err)
	}
	if list, err := d.api.VolumeList(t.Context(), dockervolume.ListOptions{}); err != nil || !contains(list.Volumes, name) {
		t.Errorf("list %v", err)
	}

	first := d.start(name)
	if arguments, _ := h.mounts.Load(h.place.path(name)); arguments != "-t efs -o tls,iam fs-1:/dir "+h.place.path(name) {
		t.Errorf("mounted with %v", arguments)
	}
	second := d.start(name)
	if !d.sees(first, "hello") || !d.sees(second, "hello") {
		t.Error("the file is not there")
	}
	d.remove(first)
	if !h.mounted(name) || !d.sees(second, "hello") {
		t.Error("unmounted too early")
	}

	h.stop()
	h.start() // with a volume that is mounted
	third := d.start(name)
	if !d.sees(second, "hello") || !d.sees(third, "hello") {
		t.Error("the file is not there after a restart of the plugin")
	}
	if err := d.api.VolumeRemove(t.Context(), name, false); err == nil {
		t.Error("removed although in use")
	}
	d.remove(second)
	d.remove(third)
	if h.mounted(name) {
		t.Error("still mounted after the last container")
	}
	if err := d.api.VolumeRemove(t.Context(), name, false); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(h.place.path(name)); err == nil {
		t.Error("the mount point is still there")
	}
	if _, err := os.Stat(filepath.Join(h.filesystem, "hello")); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
	if got := h.place.state(); got != "{}" {
		t.Errorf("state %s", got)
	}
}

func contains(volumes []*dockervolume.Volume, name string) bool {
	for _, v := range volumes {
		if v.Name == name {
			return true
		}
	}
	return false
}

func testErrorsReachTheUser(t *testing.T, d dockerRig) {
	h := newEFSHost(t)
	_, err := d.api.VolumeCreate(t.Context(), dockervolume.CreateOptions{Name: dockertest.Name("vol"), Driver: h.driver, DriverOpts: map[string]string{"type": "nfs"}})
	if err == nil || !strings.Contains(err.Error(), "volume nfs type not supported") {
		t.Errorf("%v", err)
	}
	name := dockertest.Name("vol")
	if _, err := d.api.VolumeCreate(t.Context(), dockervolume.CreateOptions{Name: name, Driver: h.driver}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.api.VolumeRemove(context.Background(), name, true) }()
	created, err := d.api.ContainerCreate(t.Context(), &container.Config{Image: d.image}, &container.HostConfig{Binds: []string{name + ":/data"}}, nil, nil, "")
	if err == nil {
		defer d.remove(created.ID)
		err = d.api.ContainerStart(t.Context(), created.ID, container.StartOptions{})
	}
	if err == nil || !strings.Contains(err.Error(), "failed to mount volume "+name+": missing required fields: [device]") {
		t.Errorf("%v", err)
	}
}

func testConcurrentMounts(t *testing.T, d dockerRig) {
	h := newEFSHost(t)
	names := []string{dockertest.Name("vol"), dockertest.Name("vol")}
	for _, name := range names {
		if _, err := d.api.VolumeCreate(t.Context(), dockervolume.CreateOptions{Name: name, Driver: h.driver, DriverOpts: efs}); err != nil {
			t.Fatal(err)
		}
		defer d.removeAfterFailure(name)
	}
	begin := time.Now()
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			id := d.start(names[i%2])
			d.remove(id)
		})
	}
	wait.Wait()
	t.Logf("8 containers with 2 volumes in %s", time.Since(begin))
	for _, name := range names {
		if h.mounted(name) {
			t.Errorf("%s is still mounted", name)
		}
		if err := d.api.VolumeRemove(t.Context(), name, false); err != nil {
			t.Error(err)
		}
	}
}

package metadatafile

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

var (
	instance = Instance{
		Cluster: "default", ARN: "arn:aws:ecs:us-west-2:123456789012:container-instance/default/ea27e41bc6e445a9a7a0484c95abece7",
		AvailabilityZone: "us-west-2a", PrivateIPv4: "10.0.0.10", PublicIPv4: "203.0.113.7",
	}
	sleepTask = &task.Task{ARN: "arn:aws:ecs:us-west-2:123456789012:task/default/70947c96f64e483aa6123fd4303546e7", Family: "sleep360", Revision: "6"}
	web       = &task.Container{Name: "web", Image: "127.0.0.1:5000/busybox:latest"}
	running   = task.ContainerState{
		RuntimeID: "c00bc15085ef16b4c6b259f7dfc198a0a36b1ea1004c6de778bdc4b6629a7f90", Name: "ecs-sleep360-6-web-b4a2c7d1e9f0a3b5c801",
		ImageID: "sha256:bdc74663f4992a185e2775f63abcc1a19186cc5ec22fa2957db8ee88ad09dceb", Status: task.ContainerRunning, NetworkMode: "bridge",
		Bindings: []task.PortMapping{{ContainerPort: 80, HostPort: 8080, BindIP: "0.0.0.0"}},
		Networks: []task.Network{{Name: "bridge", IPv4: "172.17.0.2"}},
	}
)

func plain(context.Context) (bool, error) { return false, nil }

func newFiles(t *testing.T) *Files {
	t.Helper()
	f := New(t.TempDir(), "/var/lib/ecs", plain)
	f.SetInstance(instance)
	return f
}

func (f *Files) path(tsk *task.Task, c *task.Container) string {
	_, below, _ := strings.Cut(tsk.ARN, "/")
	return filepath.Join(f.dir, below, c.Name, fileName)
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// golden compares a file with testdata/<name>; it is a public interface, to the byte.
func golden(t *testing.T, file, name string) {
	t.Helper()
	goldenfile.Check(t, "testdata/"+name, []byte(read(t, file)))
}

func TestTheFileIsWrittenTwice(t *testing.T) {
	f := newFiles(t)
	mount, err := f.Create(t.Context(), sleepTask, web)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, f.path(sleepTask, web), "initial.json")
	if !f.Has(sleepTask, web) {
		t.Error("it has no file")
	}
	want := regexp.MustCompile(`^/var/lib/ecs//.*/metadata/default/70947c96f64e483aa6123fd4303546e7/web:(/opt/ecs/metadata/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
	match := want.FindStringSubmatch(mount.Bind)
	if match == nil || mount.Variable != "ECS_CONTAINER_METADATA_FILE="+match[1]+"/ecs-container-metadata.json" {
		t.Errorf("mount %+v", mount)
	}
	if !strings.HasPrefix(mount.Bind, "/var/lib/ecs/"+f.dir+"/") {
		t.Errorf("bind %s, want the data directory behind the host's", mount.Bind)
	}
	if err := f.Ready(sleepTask, web, &running); err != nil {
		t.Fatal(err)
	}
	golden(t, f.path(sleepTask, web), "ready.json")
	again, err := f.Create(t.Context(), sleepTask, web)
	if err != nil || again.Bind == mount.Bind {
		t.Errorf("second Create: %+v, %v; want another name inside the container", again, err)
	}
	info, err := os.Stat(f.path(sleepTask, web))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode of the file %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(f.path(sleepTask, web))); err != nil || len(entries) != 1 {
		t.Errorf("directory holds %v, %v; want the file alone", entries, err)
	}
}

func TestWhatReadyFilesSayAboutNetworks(t *testing.T) {
	tests := []struct {
		name  string
		state task.ContainerState
		ipv6  bool
		want  []network
	}{
		{"no network of its own", task.ContainerState{NetworkMode: "host", Networks: []task.Network{{Name: "host"}}}, false, []network{{NetworkMode: "host", IPv4Addresses: []string{""}}}},
		{"none listed", task.ContainerState{NetworkMode: "container:abc"}, false, []network{{NetworkMode: "container:abc", IPv4Addresses: []string{""}}}},
		{"both families", task.ContainerState{Networks: []task.Network{{Name: "bridge", IPv4: "172.17.0.2", IPv6: "fd00::2"}}}, true,
			[]network{{NetworkMode: "bridge", IPv4Addresses: []string{"172.17.0.2"}, IPv6Addresses: []string{"fd00::2"}}}},
		{"two networks", task.ContainerState{Networks: []task.Network{{Name: "a", IPv4: "1.1.1.1"}, {Name: "b", IPv4: "2.2.2.2"}}}, false,
			[]network{{NetworkMode: "a", IPv4Addresses: []string{"1.1.1.1"}}, {NetworkMode: "b", IPv4Addresses: []string{"2.2.2.2"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFiles(t)
			if _, err := f.Create(t.Context(), sleepTask, web); err != nil {
				t.Fatal(err)
			}
			tt.state.Status = task.ContainerRunning
			if err := f.Ready(sleepTask, web, &tt.state); err != nil {
				t.Fatal(err)
			}
			text := read(t, f.path(sleepTask, web))
			var got struct{ Networks []network }
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Networks); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(text, "IPv6Addresses") != tt.ipv6 || strings.Contains(text, "PortMappings") {
				t.Errorf("members without a value are left out, this has some: %s", text)
			}
		})
	}
}

func TestAnInstanceWithIPv6Alone(t *testing.T) {
	f := New(t.TempDir(), "/var/lib/ecs", plain)
	f.SetInstance(Instance{Cluster: "c", IPv6: "fd00::1"})
	if _, err := f.Create(t.Context(), sleepTask, web); err != nil {
		t.Fatal(err)
	}
	golden(t, f.path(sleepTask, web), "ipv6.json")
}

func TestSELinux(t *testing.T) {
	asked, confined, failure := 0, true, errors.New("no answer")
	f := New(t.TempDir(), "/var/lib/ecs", func(context.Context) (bool, error) {
		asked++
		return confined, failure
	})
	for i, want := range []struct {
		label bool
		asked int
	}{{false, 1}, {true, 2}, {true, 2}} {
		mount, err := f.Create(t.Context(), sleepTask, web)
		if err != nil || strings.HasSuffix(mount.Bind, ":Z") != want.label || asked != want.asked {
			t.Errorf("%d: bind %q, %v, asked %d times", i, mount.Bind, err, asked)
		}
		failure = nil
	}
}

func TestAContainerThatDoesNotRunIsNotReady(t *testing.T) {
	f := newFiles(t)
	if _, err := f.Create(t.Context(), sleepTask, web); err != nil {
		t.Fatal(err)
	}
	stopped := running
	stopped.Status = task.ContainerStopped
	err := f.Ready(sleepTask, web, &stopped)
	if want := "container metadata update for container web in task " + sleepTask.ARN + ": container not running or invalid"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	golden(t, f.path(sleepTask, web), "initial.json")
}

func TestNothingIsWrittenForAContainerWithoutAFile(t *testing.T) {
	f := newFiles(t)
	if f.Has(sleepTask, web) {
		t.Error("it has a file")
	}
	if err := f.Ready(sleepTask, web, &running); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(f.dir); err == nil {
		t.Error("a directory was made")
	}
}

func TestRemove(t *testing.T) {
	f := newFiles(t)
	db := &task.Container{Name: "db"}
	for _, c := range []*task.Container{web, db} {
		if _, err := f.Create(t.Context(), sleepTask, c); err != nil {
			t.Fatal(err)
		}
	}
	taskDir := filepath.Dir(filepath.Dir(f.path(sleepTask, web)))
	for _, step := range []struct {
		c    *task.Container
		left bool
	}{{web, true}, {web, true}, {db, false}, {db, false}} {
		if err := f.Remove(sleepTask, step.c); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(taskDir); (err == nil) != step.left {
			t.Errorf("after the removal of %s: directory of the task is there: %v", step.c.Name, err == nil)
		}
	}
	if _, err := os.Stat(filepath.Dir(taskDir)); err != nil {
		t.Errorf("directory of the cluster: %v", err)
	}
}

func TestNamesDoNotLeadOutOfTheDirectory(t *testing.T) {
	f := newFiles(t)
	outside := filepath.Join(filepath.Dir(f.dir), "agent.db")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, names := range [][2]string{
		{"arn:aws:ecs:r:1:task/default/id", "../../../agent.db"}, {"arn:aws:ecs:r:1:task/default/id", ".."}, {"arn:aws:ecs:r:1:task/default/id", ""},
		{"arn:aws:ecs:r:1:task/../..", "agent.db"}, {"arn:aws:ecs:r:1:task/default/.", "x"}, {"arn:aws:ecs:r:1:task", "x"}, {"arn:aws:ecs:r:1:task/", "x"},
		{"arn:aws:ecs:r:1:task/a", `b\c`}, {"arn:aws:ecs:r:1:task/a", "b:/etc"},
	} {
		tsk, c := &task.Task{ARN: names[0]}, &task.Container{Name: names[1]}
		if mount, err := f.Create(t.Context(), tsk, c); err == nil {
			t.Errorf("%q: created %+v", names, mount)
		}
		if err := f.Ready(tsk, c, &running); err == nil {
			t.Errorf("%q: completed", names)
		}
		if err := f.Remove(tsk, c); err != nil {
			t.Errorf("%q: %v", names, err)
		}
		if f.Has(tsk, c) {
			t.Errorf("%q: has a file", names)
		}
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
	short := &task.Task{ARN: "arn:aws:ecs:us-west-2:1:task/70947c96"}
	if dir, err := f.containerDir(short, web); err != nil || dir != filepath.Join(f.dir, "70947c96", "web") {
		t.Errorf("directory for a short ARN %s, %v", dir, err)
	}
}

func TestReadersNeverSeeHalfAFile(t *testing.T) {
	f := newFiles(t)
	if _, err := f.Create(t.Context(), sleepTask, web); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		defer close(done)
		for range 200 {
			if err := f.Ready(sleepTask, web, &running); err != nil {
				done <- err
				return
			}
		}
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
			if text := read(t, f.path(sleepTask, web)); !json.Valid([]byte(text)) {
				t.Fatalf("read %q", text)
			}
		}
	}
}

func TestAFailedWriteLeavesTheOldFile(t *testing.T) {
	f := newFiles(t)
	if _, err := f.Create(t.Context(), sleepTask, web); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(f.path(sleepTask, web))
	// A directory in the place of the file cannot be replaced.
	if err := errors.Join(os.Remove(f.path(sleepTask, web)), os.Mkdir(f.path(sleepTask, web), 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := f.Ready(sleepTask, web, &running); err == nil {
		t.Error("no error")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("directory holds %v, %v; want no temporary file", entries, err)
	}
}

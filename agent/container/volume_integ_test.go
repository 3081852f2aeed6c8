//go:build integration

package container

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	dockervolume "github.com/docker/docker/api/types/volume"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/resource/volume"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

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

// TestDriverOptionsReachTheVolume: a file system in memory, with a limit that the kernel holds.
func TestDriverOptionsReachTheVolume(t *testing.T) {
	h := prepare(t, `{"volumes":[{"name":"memory","type":"docker","dockerVolumeConfiguration":{"scope":"task","driver":"local",
		"driverOpts":{"type":"tmpfs","device":"tmpfs","o":"size=1m,nodev,uid=4711"}}}],
		"Containers":[{"Name":"app","mountPoints":[{"sourceVolume":"memory","containerPath":"/memory"}],
		"Command":["sh","-c","grep ' /memory ' /proc/mounts > /out/mount; head -c 500000 /dev/zero > /memory/fits && ! head -c 2000000 /dev/zero > /memory/toomuch"]}]}`)
	craft := &volume.Craft{Docker: engine, Name: mapping.VolumeName}
	resources, err := craft.Plan(h.task)
	if err != nil || len(resources) != 1 {
		t.Fatalf("Plan: %v %v", resources, err)
	}
	if err := craft.Create(t.Context(), h.task, &resources[0]); err != nil {
		t.Fatal(err)
	}
	h.create(0)
	h.start(0)
	h.ended(0, 0)
	for _, want := range []string{"tmpfs /memory tmpfs", "size=1024k", "nodev", "uid=4711"} {
		if got := h.wrote("mount")[0]; !strings.Contains(got, want) {
			t.Errorf("mounted as %q, without %q", got, want)
		}
	}
	h.remove()
	h.task.Containers = nil
	if err := craft.Remove(t.Context(), h.task, &resources[0]); err != nil {
		t.Error(err)
	}
	if _, err := engine.InspectVolume(t.Context(), h.task.Volumes[0].Source()); !docker.IsNotFound(err) {
		t.Errorf("the volume after Remove: %v", err)
	}
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

func TestTasksShareAVolume(t *testing.T) {
	name := dockertest.Name("shared-by-tasks")
	t.Cleanup(func() { _ = sdk.VolumeRemove(context.WithoutCancel(t.Context()), name, true) })
	craft := &volume.Craft{Docker: engine, Name: mapping.VolumeName, MatchFullConfig: true}
	// withVolume is a task with the volume; labels tell what its task definition says of it.
	withVolume := func(command, scope string) (*host, []task.Resource) {
		h := prepare(t, `{"volumes":[{"name":"`+name+`","type":"docker","dockerVolumeConfiguration":`+scope+`}],
			"Containers":[{"Name":"app","Command":["sh","-c","`+command+`"],"mountPoints":[{"sourceVolume":"`+name+`","containerPath":"/shared"}]}]}`)
		resources, err := craft.Plan(h.task)
		if err != nil || len(resources) != 1 {
			t.Fatal(resources, err)
		}
		return h, resources
	}
	const auto = `{"scope":"shared","autoprovision":true,"driver":"local","labels":{"a":"b"}}`
	runToItsEnd := func(command, scope string) {
		h, resources := withVolume(command, scope)
		for range 2 {
			if err := craft.Create(t.Context(), h.task, &resources[0]); err != nil {
				t.Fatal(err)
			}
		}
		h.create(0)
		h.start(0)
		h.ended(0, 0)
		h.remove()
		h.task.Containers = nil
		if err := craft.Remove(t.Context(), h.task, &resources[0]); err != nil {
			t.Fatal(err)
		}
	}
	runToItsEnd("echo first > /shared/file", auto)
	runToItsEnd("test $(cat /shared/file) = first", auto)
	runToItsEnd("cat /shared/file", `{"scope":"shared"}`)

	other, resources := withVolume("exit 1", `{"scope":"shared","autoprovision":true,"driver":"local","labels":{"a":"c"}}`)
	err := craft.Create(t.Context(), other.task, &resources[0])
	if err == nil || !strings.HasSuffix(err.Error(), "volume does not match existing volume labels: existing: map[a:b], expected: map[a:c]") {
		t.Errorf("a volume with other labels: %v", err)
	}
	other.task.Containers = nil
	if v, err := engine.InspectVolume(t.Context(), name); err != nil || v.Labels["a"] != "b" {
		t.Errorf("the volume after its tasks: %+v, %v", v, err)
	}
}

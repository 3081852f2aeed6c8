//go:build integration

package container

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/resource/volume"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

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

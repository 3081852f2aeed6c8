package volume

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// fakeDocker keeps volumes in a map and fails where told to.
type fakeDocker struct {
	volumes                          map[string]docker.Volume
	createErr, inspectErr, removeErr error
	created                          []string
}

func (f *fakeDocker) CreateVolume(_ context.Context, v docker.Volume) (docker.Volume, error) {
	if f.createErr != nil {
		return docker.Volume{}, f.createErr
	}
	if f.volumes == nil {
		f.volumes = map[string]docker.Volume{}
	}
	f.volumes[v.Name] = v
	f.created = append(f.created, v.Name)
	return v, nil
}

func (f *fakeDocker) InspectVolume(_ context.Context, name string) (docker.Volume, error) {
	if f.inspectErr != nil {
		return docker.Volume{}, f.inspectErr
	}
	v, found := f.volumes[name]
	if !found {
		return docker.Volume{}, &task.Error{Name: task.ErrCannotInspectVolume, Message: "Error response from daemon: get " + name + ": no such volume"}
	}
	return v, nil
}

func (f *fakeDocker) RemoveVolume(_ context.Context, name string) error {
	if f.removeErr != nil {
		return f.removeErr
	}
	delete(f.volumes, name)
	return nil
}

func craft(d Docker) *Craft {
	return &Craft{Docker: d, Name: func(_ *task.Task, v *task.Volume) string { return "docker-" + v.Name }}
}

func decode(t *testing.T, text string) *task.Task {
	t.Helper()
	tsk := &task.Task{ARN: "arn:task"}
	if err := json.Unmarshal([]byte(text), tsk); err != nil {
		t.Fatal(err)
	}
	return tsk
}

const mixedTask = `{
	"Containers": [{"Name": "app", "mountPoints": [
		{"sourceVolume": "data", "containerPath": "/data"}, {"sourceVolume": "scratch", "containerPath": "/a"}, {"sourceVolume": "scratch", "containerPath": "/b"}]}],
	"volumes": [
		{"name": "data", "host": {"sourcePath": "/srv/data"}},
		{"name": "scratch", "host": {}},
		{"name": "unused", "host": {}},
		{"name": "pg", "type": "docker", "dockerVolumeConfiguration": {"scope": "task", "driver": "local", "driverOpts": {"type": "tmpfs"}, "labels": {"a": "b"}}}
	]}`

func TestPlanNamesVolumesAndListsThoseToCreate(t *testing.T) {
	tsk := decode(t, mixedTask)
	given := tsk.Volumes
	resources, err := craft(nil).Plan(tsk)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := json.Marshal(task.Resources(resources))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"dockerVolume":[` +
		`{"createdAt":"0001-01-01T00:00:00Z","desiredStatus":"NONE","dockerVolumeConfiguration":{"scope":"task","autoprovision":false,"mountPoint":"docker-scratch","driver":"local","driverOpts":null,"labels":null,"dockerVolumeName":"docker-scratch"},"knownStatus":"NONE","name":"scratch"},` +
		`{"createdAt":"0001-01-01T00:00:00Z","desiredStatus":"NONE","dockerVolumeConfiguration":{"scope":"task","autoprovision":false,"mountPoint":"docker-pg","driver":"local","driverOpts":{"type":"tmpfs"},"labels":{"a":"b"},"dockerVolumeName":"docker-pg"},"knownStatus":"NONE","name":"pg"}]}`
	if diff := cmp.Diff(want, string(saved)); diff != "" {
		t.Errorf("resources in agent.db (-want +got):\n%s", diff)
	}
	var sources []string
	for _, v := range tsk.Volumes {
		sources = append(sources, v.Source())
	}
	if diff := cmp.Diff([]string{"/srv/data", "docker-scratch", "", "docker-pg"}, sources); diff != "" {
		t.Errorf("what Docker mounts (-want +got):\n%s", diff)
	}
	if given[1].Docker.Name != "" {
		t.Error("Plan changed the volumes it was given, which others may read")
	}
}

func TestPlanKeepsANameThatWasChosenBefore(t *testing.T) {
	tsk := decode(t, `{"volumes":[{"name":"v","type":"docker","dockerVolumeConfiguration":{"scope":"task","dockerVolumeName":"old"}}]}`)
	if _, err := craft(nil).Plan(tsk); err != nil || tsk.Volumes[0].Source() != "old" {
		t.Errorf("source %q, %v; want the old name", tsk.Volumes[0].Source(), err)
	}
}

func TestAVolumeOfTheTaskCannotBeAutoprovisioned(t *testing.T) {
	tsk := decode(t, `{"volumes":[{"name":"v","type":"docker","dockerVolumeConfiguration":{"scope":"task","autoprovision":true}}]}`)
	_, err := craft(nil).Plan(tsk)
	if err == nil || err.Error() != "volume [v] : task scoped volume could not be autoprovisioned" {
		t.Errorf("Plan: %v", err)
	}
}

func TestCreateAndRemove(t *testing.T) {
	timeout := docker.Timeout("inspecting volume", 300e9)
	tests := []struct {
		name       string
		config     string // dockerVolumeConfiguration of the volume v
		docker     fakeDocker
		match      bool
		want       string // error text
		wantCreate bool
		wantRemain bool // the volume is there after Remove
	}{
		{name: "a volume of the task comes and goes", config: `{"scope":"task"}`, wantCreate: true},
		{name: "the reason is Docker's text without a name", config: `{"scope":"task"}`,
			docker: fakeDocker{createErr: &task.Error{Name: task.ErrCannotCreateVolume, Message: "Error response from daemon: no space"}},
			want:   "Error response from daemon: no space"},
		{name: "there is a reason even when Docker gives none", config: `{"scope":"task"}`,
			docker: fakeDocker{createErr: &task.Error{Name: task.ErrCannotCreateVolume}},
			want:   "VolumeError: Agent could not create task's volume resources"},
		{name: "a shared volume that is there is used as it is", config: `{"scope":"shared","driver":"local"}`,
			docker: fakeDocker{volumes: map[string]docker.Volume{"docker-v": {Labels: map[string]string{"a": "b"}}}}, match: true, wantRemain: true},
		{name: "a shared volume has to be there", config: `{"scope":"shared"}`,
			want: "resource cannot be initialized for task arn:task: initialize volume: volume detection failed, volume 'v' does not exist and autoprovision is set to false: " +
				"Error response from daemon: get docker-v: no such volume"},
		{name: "a shared volume that may be created is, and stays", config: `{"scope":"shared","autoprovision":true}`, wantCreate: true, wantRemain: true},
		{name: "any other scope is shared", config: `{"scope":"","autoprovision":true}`, wantCreate: true, wantRemain: true},
		{name: "a shared volume that may be created but exists is not created", config: `{"scope":"shared","autoprovision":true,"labels":{"a":"b"}}`,
			docker: fakeDocker{volumes: map[string]docker.Volume{"docker-v": {}}}, wantRemain: true},
		{name: "a Docker that does not answer is not taken for a missing volume", config: `{"scope":"shared","autoprovision":true}`,
			docker: fakeDocker{inspectErr: timeout},
			want:   "resource cannot be initialized for task arn:task: Could not transition to inspecting volume; timed out after waiting 5m0s"},
		{name: "an existing volume may have to have the same labels", config: `{"scope":"shared","autoprovision":true,"labels":{"b":"2","a":"1"}}`, match: true,
			docker: fakeDocker{volumes: map[string]docker.Volume{"docker-v": {Labels: map[string]string{"b": "2"}}}}, wantRemain: true,
			want: "resource cannot be initialized for task arn:task: intialize volume: non-autoprovisioned volume does not match existing volume labels: existing: map[b:2], expected: map[a:1 b:2]"},
		{name: "an existing volume may have to have the same options", config: `{"scope":"shared","autoprovision":true,"driverOpts":{"a":"1"}}`, match: true,
			docker: fakeDocker{volumes: map[string]docker.Volume{"docker-v": {}}}, wantRemain: true,
			want: "resource cannot be initialized for task arn:task: initialize volume: non-autoprovisioned volume does not match existing volume options: existing: map[], expected: map[a:1]"},
		{name: "no labels are the same as an empty list of them", config: `{"scope":"shared","autoprovision":true,"labels":{},"driverOpts":null}`, match: true,
			docker: fakeDocker{volumes: map[string]docker.Volume{"docker-v": {Options: map[string]string{}}}}, wantRemain: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tsk := decode(t, `{"volumes":[{"name":"v","type":"docker","dockerVolumeConfiguration":`+tt.config+`}]}`)
			k := craft(&tt.docker)
			k.MatchFullConfig = tt.match
			resources, err := k.Plan(tsk)
			if err != nil || len(resources) != 1 {
				t.Fatalf("Plan: %v %v", resources, err)
			}
			for range 2 { // a step may be repeated
				err := k.Create(t.Context(), tsk, &resources[0])
				if got := text(err); got != tt.want {
					t.Fatalf("Create: %s\nwant: %s", got, tt.want)
				}
			}
			if created := len(tt.docker.created) > 0; created != tt.wantCreate {
				t.Errorf("created %v, want %v", tt.docker.created, tt.wantCreate)
			}
			for range 2 {
				if err := k.Remove(t.Context(), tsk, &resources[0]); err != nil {
					t.Fatalf("Remove: %v", err)
				}
			}
			if _, remains := tt.docker.volumes["docker-v"]; remains != tt.wantRemain {
				t.Errorf("after Remove: volume there %v, want %v", remains, tt.wantRemain)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestErrorsCanStillBeTold(t *testing.T) {
	cause := &task.Error{Name: task.ErrCannotCreateVolume, Message: "x", Cause: context.Canceled}
	tsk := decode(t, `{"volumes":[{"name":"v","type":"docker","dockerVolumeConfiguration":{"scope":"task"}}]}`)
	k := craft(&fakeDocker{createErr: cause})
	resources, _ := k.Plan(tsk)
	if err := k.Create(t.Context(), tsk, &resources[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: %v does not wrap its cause", err)
	}
}

func TestARecordThatMakesNoSenseCallsNothing(t *testing.T) {
	for _, spec := range []string{`{`, `{}`, `{"dockerVolumeConfiguration":{"scope":"task"}}`} {
		r := &task.Resource{Name: "v", Spec: json.RawMessage(spec)}
		if err := craft(nil).Create(t.Context(), nil, r); err == nil {
			t.Errorf("Create of %s succeeded", spec)
		}
		if err := craft(nil).Remove(t.Context(), nil, r); err == nil {
			t.Errorf("Remove of %s succeeded", spec)
		}
	}
}

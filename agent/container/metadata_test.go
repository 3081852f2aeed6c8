package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/metadatafile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// filesRunner is a Runner that writes metadata files, and the directory that holds them.
func filesRunner(t *testing.T, d Docker, on bool) (*Runner, string) {
	t.Helper()
	dir := t.TempDir()
	files := metadatafile.New(dir, "/var/lib/ecs", func(context.Context) (bool, error) { return true, nil })
	files.SetInstance(metadatafile.Instance{Cluster: "default"})
	cfg := &config.Config{DynamicHostPortRange: freePort(t), ContainerCreateTimeout: time.Minute, ContainerStartTimeout: time.Minute, ContainerMetadataEnabled: on}
	r, err := New(cfg, d, noImages{}, &credentials.Store{}, Host{MetadataFiles: files})
	if err != nil {
		t.Fatal(err)
	}
	return r, dir
}

func fileTask() *task.Task {
	config := `{"Env":["ONLY=this"]}`
	hostConfig := `{"Binds":["/a:/b"]}`
	return &task.Task{ARN: "arn:aws:ecs:us-west-2:1:task/default/id", Family: "web", Revision: "3", Containers: []*task.Container{
		{Name: "app", RuntimeName: "docker-app", Image: "busybox", DockerConfig: task.DockerConfig{Config: &config, HostConfig: &hostConfig}},
		{Name: task.NamespacePauseName, RuntimeName: "docker-pause", Type: task.NamespacePause},
	}}
}

func metadataText(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "metadata/default/id/app/ecs-container-metadata.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheMetadataFileFollowsTheContainer(t *testing.T) {
	d := &fakeDocker{}
	r, dir := filesRunner(t, d, true)
	tsk := fileTask()
	c := tsk.Containers[0]
	if _, err := r.Create(t.Context(), tsk, c); err != nil {
		t.Fatal(err)
	}
	binds, env := d.created[0].HostConfig.Binds, d.created[0].Config.Env
	if len(binds) != 2 || binds[0] != "/a:/b" || !strings.HasPrefix(binds[1], "/var/lib/ecs/"+dir+"/metadata/default/id/app:/opt/ecs/metadata/") || !strings.HasSuffix(binds[1], ":Z") {
		t.Errorf("binds %q, want the file behind what the task definition sets", binds)
	}
	if len(env) != 2 || env[0] != "ONLY=this" || !strings.HasPrefix(env[1], "ECS_CONTAINER_METADATA_FILE=/opt/ecs/metadata/") {
		t.Errorf("environment %q, want the variable behind what the task definition sets", env)
	}
	if text := metadataText(t, dir); !strings.Contains(text, `"ContainerName": "app"`) || strings.Contains(text, "READY") {
		t.Errorf("file after create %s", text)
	}
	c.RuntimeID = "id-of-docker-app"
	state, err := r.Start(t.Context(), tsk, c)
	if err != nil || !state.MetadataFileReady {
		t.Errorf("Start: %+v, %v", state, err)
	}
	if text := metadataText(t, dir); !strings.Contains(text, `"MetadataFileStatus": "READY"`) || !strings.Contains(text, `"ContainerID": "id-of-docker-app"`) {
		t.Errorf("file after start %s", text)
	}
	if c.Observe(state); !c.MetadataFileReady {
		t.Error("the task does not remember that the file is complete")
	}
	if c.Observe(&task.ContainerState{}); !c.MetadataFileReady {
		t.Error("a later look makes the task forget that the file is complete")
	}
	if err := r.Remove(t.Context(), tsk, c); err != nil {
		t.Fatal(err)
	}
	if text := metadataText(t, dir); text != "" {
		t.Errorf("file after removal %s", text)
	}
}

func TestOnlyContainersOfTaskDefinitionsHaveAMetadataFile(t *testing.T) {
	d := &fakeDocker{}
	r, dir := filesRunner(t, d, true)
	tsk := fileTask()
	pause := tsk.Containers[1]
	if _, err := r.Create(t.Context(), tsk, pause); err != nil {
		t.Fatal(err)
	}
	state, err := r.Start(t.Context(), tsk, pause)
	if err != nil || state.MetadataFileReady || len(d.created[0].HostConfig.Binds)+len(d.created[0].Config.Env) != 0 {
		t.Errorf("pause container: %v, %+v", err, d.created[0])
	}
	if _, err := os.Stat(filepath.Join(dir, "metadata")); err == nil {
		t.Error("a file was written")
	}
}

func TestWithoutTheSettingThereIsNoMetadataFile(t *testing.T) {
	d := &fakeDocker{}
	on, dir := filesRunner(t, d, true)
	tsk := fileTask()
	c := tsk.Containers[0]
	if _, err := on.Create(t.Context(), tsk, c); err != nil {
		t.Fatal(err)
	}
	off, otherDir := filesRunner(t, d, false)
	if _, err := off.Create(t.Context(), tsk, c); err != nil {
		t.Fatal(err)
	}
	if env := d.created[1].Config.Env; len(env) != 1 || metadataText(t, otherDir) != "" {
		t.Errorf("environment %q", env)
	}
	// Turned off meanwhile: what there is goes away with its container.
	off.files.files = on.files.files
	if err := off.Remove(t.Context(), tsk, c); err != nil {
		t.Fatal(err)
	}
	if metadataText(t, dir) != "" {
		t.Error("the file is still there")
	}
}

func TestAContainerRunsAlsoWithoutItsMetadataFile(t *testing.T) {
	d := &fakeDocker{}
	r, dir := filesRunner(t, d, true)
	if err := os.WriteFile(filepath.Join(dir, "metadata"), nil, 0o600); err != nil { // in the way
		t.Fatal(err)
	}
	tsk := fileTask()
	c := tsk.Containers[0]
	if _, err := r.Create(t.Context(), tsk, c); err != nil {
		t.Fatal(err)
	}
	if env := d.created[0].Config.Env; len(env) != 1 {
		t.Errorf("environment %q", env)
	}
	if state, err := r.Start(t.Context(), tsk, c); err != nil || state.MetadataFileReady {
		t.Errorf("Start: %+v, %v", state, err)
	}
}

func TestFilesLeftIncompleteAreCompletedAfterARestart(t *testing.T) {
	d := &fakeDocker{}
	r, dir := filesRunner(t, d, true)
	tsk := fileTask()
	c := tsk.Containers[0]
	if _, err := r.Create(t.Context(), tsk, c); err != nil {
		t.Fatal(err)
	}
	looks := func() int {
		d.inspected = 0
		r.CompleteMetadataFiles(t.Context(), []*task.Task{tsk})
		return d.inspected
	}
	d.byName["docker-app"].Status = task.ContainerRunning
	if n := looks(); n != 0 {
		t.Errorf("%d looks at a container that does not run", n)
	}
	c.Known = task.ContainerRunning
	c.MetadataFileReady = true
	if n := looks(); n != 0 {
		t.Errorf("%d looks at a container whose file is complete", n)
	}
	c.MetadataFileReady = false
	d.inspectErr = errors.New("no answer")
	if n := looks(); n != 1 || strings.Contains(metadataText(t, dir), "READY") {
		t.Errorf("%d looks without an answer", n)
	}
	d.inspectErr = nil
	if n := looks(); n != 1 || !strings.Contains(metadataText(t, dir), "READY") {
		t.Errorf("%d looks, file %s", n, metadataText(t, dir))
	}
	if err := os.RemoveAll(filepath.Join(dir, "metadata")); err != nil {
		t.Fatal(err)
	}
	if n := looks(); n != 0 || metadataText(t, dir) != "" {
		t.Errorf("%d looks at a container without a file", n)
	}
}

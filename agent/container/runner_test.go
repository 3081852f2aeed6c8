package container

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// fakeDocker keeps containers in a map by name and fails where told to.
type fakeDocker struct {
	Watcher
	byName  map[string]*task.ContainerState
	created []docker.CreateRequest
	// inspected counts the looks.
	inspected int
	started   []string
	grace     time.Duration
	removed   []string

	createErr, startErr, stopErr, inspectErr error

	settings    docker.Settings
	settingsErr error
}

func (f *fakeDocker) Create(_ context.Context, r docker.CreateRequest) (string, error) {
	f.created = append(f.created, r)
	if f.createErr != nil {
		return "", f.createErr
	}
	if taken, found := f.byName[r.Name]; found {
		return "", &task.Error{Name: task.ErrCannotCreateContainer, Cause: errdefs.ErrConflict,
			Message: "Error response from daemon: Conflict. The container name is already in use by container " + taken.RuntimeID}
	}
	if f.byName == nil {
		f.byName = map[string]*task.ContainerState{}
	}
	f.byName[r.Name] = &task.ContainerState{RuntimeID: "id-of-" + r.Name, Name: r.Name, Status: task.ContainerCreated, Labels: r.Config.Labels}
	return "id-of-" + r.Name, nil
}

func (f *fakeDocker) Start(_ context.Context, id, version string, _ time.Duration) (*task.ContainerState, error) {
	f.started = append(f.started, id+"@"+version)
	return &task.ContainerState{RuntimeID: id, Status: task.ContainerRunning}, f.startErr
}

func (f *fakeDocker) Stop(_ context.Context, id string, grace time.Duration) (*task.ContainerState, error) {
	f.grace = grace
	return &task.ContainerState{RuntimeID: id, Status: task.ContainerStopped}, f.stopErr
}

func (f *fakeDocker) Inspect(_ context.Context, idOrName string) (*task.ContainerState, error) {
	f.inspected++
	if f.inspectErr != nil {
		return nil, f.inspectErr
	}
	for _, s := range f.byName {
		if s.Name == idOrName || s.RuntimeID == idOrName {
			return s, nil
		}
	}
	return nil, task.NewError(task.ErrCannotInspectContainer, task.ErrGone)
}

func (f *fakeDocker) Settings(context.Context, string) (docker.Settings, error) {
	return f.settings, f.settingsErr
}

func (f *fakeDocker) Remove(_ context.Context, idOrName string) error {
	f.removed = append(f.removed, idOrName)
	return nil
}

func (f *fakeDocker) ServerAtLeast(int, int, int) (bool, error) { return true, nil }

// noImages knows nothing about images.
type noImages struct{ Images }

func (noImages) SetsRegion(*task.Container) bool { return false }

func newRunner(t *testing.T, d Docker) *Runner {
	t.Helper()
	cfg := &config.Config{
		AWSRegion: "us-west-2", DynamicHostPortRange: freePort(t), DockerStopTimeout: 30 * time.Second,
		ContainerCreateTimeout: 4 * time.Minute, ContainerStartTimeout: 3 * time.Minute,
	}
	r, err := New(cfg, d, noImages{}, &credentials.Store{}, Host{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// freePort names a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// portTask has two containers that each want the only dynamic host port.
func portTask() *task.Task {
	version := "1.24"
	t := &task.Task{ARN: "arn:aws:ecs:us-west-2:1:task/c/id", Family: "web", Revision: "3"}
	for _, name := range []string{"first", "second"} {
		t.Containers = append(t.Containers, &task.Container{Name: name, RuntimeName: "docker-" + name, Ports: []task.PortMapping{{ContainerPort: 80}}})
	}
	t.Containers[0].DockerConfig.Version = &version
	return t
}

const noPort = "HostConfigError: error retrieving docker port map: a host port is unavailable"

func TestCreateGivesTheIDAndThePorts(t *testing.T) {
	d := &fakeDocker{}
	tsk := portTask()
	got, err := newRunner(t, d).Create(t.Context(), tsk, tsk.Containers[0])
	if err != nil {
		t.Fatal(err)
	}
	if got.RuntimeID != "id-of-docker-first" || !got.SinglePorts.Has(80) || got.HasPortRange || got.State != nil {
		t.Errorf("Create: %+v", got)
	}
	if r := d.created[0]; r.Name != "docker-first" || r.Version != "1.24" || r.Limit != 4*time.Minute || r.HostConfig.PortBindings["80/tcp"] == nil {
		t.Errorf("request %+v", r)
	}
}

func TestHostPortsAreHeldFromCreateUntilDockerHasThem(t *testing.T) {
	tests := []struct {
		name   string
		docker fakeDocker
		then   func(*Runner, *task.Task, *task.Container) // after the create of the first container
		free   bool
	}{
		{name: "while created", then: func(*Runner, *task.Task, *task.Container) {}},
		{name: "not when Docker refused the container", docker: fakeDocker{createErr: &task.Error{Name: task.ErrCannotCreateContainer, Message: "no such image"}}, free: true},
		{name: "while Docker may yet create it", docker: fakeDocker{createErr: &task.Error{Name: task.ErrDockerTimeout}}},
		{name: "while Docker may have created it", docker: fakeDocker{createErr: &task.Error{Name: task.ErrCannotCreateContainer, Message: "error during connect: EOF"}}},
		{name: "not once started", then: func(r *Runner, tsk *task.Task, c *task.Container) { r.Start(t.Context(), tsk, c) }, free: true},
		{name: "not when it cannot start", docker: fakeDocker{startErr: &task.Error{Name: task.ErrCannotStartContainer, Message: "x"}},
			then: func(r *Runner, tsk *task.Task, c *task.Container) { r.Start(t.Context(), tsk, c) }, free: true},
		{name: "while it may yet start", docker: fakeDocker{startErr: &task.Error{Name: task.ErrDockerTimeout}},
			then: func(r *Runner, tsk *task.Task, c *task.Container) { r.Start(t.Context(), tsk, c) }},
		{name: "not once stopped", then: func(r *Runner, tsk *task.Task, c *task.Container) { r.Stop(t.Context(), tsk, c) }, free: true},
		{name: "not when there is nothing to stop", docker: fakeDocker{stopErr: task.ErrGone}, then: func(r *Runner, tsk *task.Task, c *task.Container) { r.Stop(t.Context(), tsk, c) }, free: true},
		{name: "while it cannot be stopped", docker: fakeDocker{stopErr: errors.New("x")}, then: func(r *Runner, tsk *task.Task, c *task.Container) { r.Stop(t.Context(), tsk, c) }},
		{name: "not once removed", then: func(r *Runner, tsk *task.Task, c *task.Container) { r.Remove(t.Context(), tsk, c) }, free: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			runner, tsk := newRunner(t, &tt.docker), portTask()
			first, second := tsk.Containers[0], tsk.Containers[1]
			if _, err := runner.Create(t.Context(), tsk, first); err != nil && tt.docker.createErr == nil {
				t.Fatal(err)
			}
			if tt.then != nil {
				tt.then(runner, tsk, first)
			}
			tt.docker.createErr = nil
			_, err := runner.Create(t.Context(), tsk, second)
			switch {
			case tt.free && err != nil:
				t.Errorf("the port is still held: %v", err)
			case !tt.free && (err == nil || err.Error() != noPort):
				t.Errorf("the port was given out twice: %v", err)
			}
		})
	}
}

func TestAContainerWhoseCreateAnswerWasLostIsTakenOver(t *testing.T) {
	d := &fakeDocker{}
	runner, tsk := newRunner(t, d), portTask()
	c := tsk.Containers[0]
	if _, err := runner.Create(t.Context(), tsk, c); err != nil {
		t.Fatal(err)
	}
	got, err := runner.Create(t.Context(), tsk, c)
	if err != nil || got.RuntimeID != "id-of-docker-first" || got.State == nil || got.State.Status != task.ContainerCreated || !got.SinglePorts.Has(80) {
		t.Errorf("second Create: %+v, %v", got, err)
	}
}

func TestAContainerOfSomebodyElseIsNotTakenOver(t *testing.T) {
	for name, labels := range map[string]map[string]string{
		"nobody's":                nil,
		"of another task":         {task.LabelTaskARN: "arn:other", task.LabelContainerName: "first"},
		"another one of the task": {task.LabelTaskARN: portTask().ARN, task.LabelContainerName: "second"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &fakeDocker{byName: map[string]*task.ContainerState{"docker-first": {RuntimeID: "foreign", Name: "docker-first", Labels: labels}}}
			runner, tsk := newRunner(t, d), portTask()
			got, err := runner.Create(t.Context(), tsk, tsk.Containers[0])
			const want = "CannotCreateContainerError: the name docker-first is taken by container foreign, which does not belong to this task; remove or rename that container"
			if err == nil || err.Error() != want || got.RuntimeID != "" || got.State != nil {
				t.Errorf("Create: %+v, %v\nwant %s", got, err, want)
			}
			if _, err := runner.Create(t.Context(), tsk, tsk.Containers[1]); err != nil {
				t.Errorf("the port is still held: %v", err)
			}
		})
	}
}

func TestATakenNameThatCannotBeLookedAtIsACreateError(t *testing.T) {
	d := &fakeDocker{byName: map[string]*task.ContainerState{"docker-first": {RuntimeID: "x"}}, inspectErr: &task.Error{Name: task.ErrCannotInspectContainer, Message: "no answer"}}
	runner, tsk := newRunner(t, d), portTask()
	_, err := runner.Create(t.Context(), tsk, tsk.Containers[0])
	var named *task.Error
	if !errors.As(err, &named) || named.Name != task.ErrCannotCreateContainer || !strings.HasSuffix(named.Message, "in use by container x; looking at that container failed: no answer") {
		t.Errorf("Create: %v", err)
	}
}

func TestContainersAreReferredToByIDOrElseByName(t *testing.T) {
	d := &fakeDocker{}
	runner, tsk := newRunner(t, d), portTask()
	c := *tsk.Containers[0]
	runner.Start(t.Context(), tsk, &c)
	runner.Remove(t.Context(), tsk, &c)
	c.RuntimeID = "id"
	c.DockerConfig.Version = nil
	runner.Start(t.Context(), tsk, &c)
	runner.Remove(t.Context(), tsk, &c)
	if got := strings.Join(append(d.started, d.removed...), " "); got != "docker-first@1.24 id@ docker-first id" {
		t.Errorf("started and removed: %s", got)
	}
	if _, err := runner.Inspect(t.Context(), &c); !errors.Is(err, task.ErrGone) {
		t.Errorf("Inspect of a container that is not there: %v", err)
	}
}

func TestStopUsesTheContainersOwnTimeout(t *testing.T) {
	d := &fakeDocker{}
	runner, tsk := newRunner(t, d), portTask()
	runner.Stop(t.Context(), tsk, &task.Container{RuntimeID: "id"})
	if d.grace != 30*time.Second {
		t.Errorf("grace %v, want the configured 30s", d.grace)
	}
	runner.Stop(t.Context(), tsk, &task.Container{RuntimeID: "id", StopTimeout: 7})
	if d.grace != 7*time.Second {
		t.Errorf("grace %v, want the container's 7s", d.grace)
	}
}

func TestAPortInUseIsNotUnused(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcpPort, udpPort := uint16(tcp.Addr().(*net.TCPAddr).Port), uint16(udp.LocalAddr().(*net.UDPAddr).Port)
	if unused(tcpPort, task.TCP) || unused(udpPort, task.UDP) {
		t.Error("ports with listeners count as unused")
	}
	tcp.Close()
	udp.Close()
	if !unused(tcpPort, task.TCP) || !unused(udpPort, task.UDP) {
		t.Error("ports without listeners count as used")
	}
}

func TestASettingThatMakesNoSenseIsNamed(t *testing.T) {
	if _, err := New(&config.Config{DynamicHostPortRange: "x"}, &fakeDocker{}, noImages{}, nil, Host{}); err == nil || !strings.HasPrefix(err.Error(), "ECS_DYNAMIC_HOST_PORT_RANGE: ") {
		t.Errorf("New: %v does not name the setting", err)
	}
}

// Docker repeats log options that it does not like; ECS shows the error to users.

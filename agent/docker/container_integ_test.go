//go:build integration

package docker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func connect(t *testing.T) *docker.Client {
	t.Helper()
	c, err := docker.Connect(t.Context(), dockertest.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// create creates a container of the test image that is removed at the end.
func create(t *testing.T, c *docker.Client, change func(*docker.CreateRequest), command ...string) string {
	t.Helper()
	r := docker.CreateRequest{
		Name: dockertest.Name("ecs-test"), Limit: time.Minute,
		Config: &container.Config{Image: dockertest.Image(t), Cmd: command, Labels: map[string]string{
			task.LabelTaskARN: "arn:aws:ecs:us-west-2:123456789012:task/c/" + t.Name(), task.LabelContainerName: "app"}},
		HostConfig: &container.HostConfig{NetworkMode: "bridge"},
	}
	if change != nil {
		change(&r)
	}
	id, err := c.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = dockertest.SDK(t).ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	})
	return id
}

func TestLifeOfAContainer(t *testing.T) {
	c := connect(t)
	began := time.Now()
	var name string
	id := create(t, c, func(r *docker.CreateRequest) {
		name = r.Name
		r.Config.ExposedPorts = nat.PortSet{"80/tcp": {}, "90/udp": {}, "91/sctp": {}}
		r.HostConfig.PortBindings = nat.PortMap{"80/tcp": {{}}}
	}, "wait")
	state, err := c.Inspect(t.Context(), name)
	if err != nil || state.RuntimeID != id || state.Status != task.ContainerCreated || state.Name != name || state.Labels[task.LabelContainerName] != "app" {
		t.Fatalf("%+v, %v", state, err)
	}
	if state, err = c.Start(t.Context(), id, "", time.Minute); err != nil {
		t.Fatal(err)
	}
	if state.Status != task.ContainerRunning || state.PID == 0 || state.StartedAt.Before(began.Add(-time.Minute)) || state.ExitCode != nil || state.Failure != nil {
		t.Errorf("running: %+v", state)
	}
	if len(state.Bindings) == 0 || state.Bindings[0].ContainerPort != 80 || state.Bindings[0].HostPort == 0 {
		t.Errorf("bindings %+v", state.Bindings)
	}
	if len(state.Networks) != 1 || state.Networks[0].Name != "bridge" || state.Networks[0].IPv4 == "" || state.NetworkMode != "bridge" {
		t.Errorf("networks %+v, mode %s", state.Networks, state.NetworkMode)
	}
	if again, err := c.Start(t.Context(), id, "1.24", time.Minute); err != nil || again.PID != state.PID {
		t.Errorf("a second start: %+v, %v", again, err)
	}
	if listed := find(t, c, id); listed.Status != task.ContainerRunning || !listed.Partial || listed.Name != name {
		t.Errorf("listed %+v", listed)
	}
	if state, err = c.Stop(t.Context(), id, 10*time.Second); err != nil || state.Status != task.ContainerStopped || state.ExitCode == nil || state.FinishedAt.IsZero() {
		// Which exit code depends on whether the program was ready for the signal.
		t.Errorf("stopped: %+v, %v", state, err)
	}
	if state, err = c.Stop(t.Context(), id, 10*time.Second); err != nil || state.ExitCode == nil {
		t.Errorf("stopped twice: %+v, %v", state, err)
	}
	for range 2 {
		if err := c.Remove(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Inspect(t.Context(), id); !errors.Is(err, task.ErrGone) || !strings.Contains(err.Error(), "CannotInspectContainerError: Error response from daemon: No such container") {
		t.Errorf("error %v", err)
	}
	if _, err := c.Stop(t.Context(), id, time.Second); !errors.Is(err, task.ErrGone) || err.Error() != "NoSuchContainerError: Container not found: "+id {
		t.Errorf("error %v", err)
	}
	if _, err := c.Start(t.Context(), id, "", time.Minute); !errors.Is(err, task.ErrGone) {
		t.Errorf("error %v", err)
	}
}

func find(t *testing.T, c *docker.Client, id string) task.ContainerState {
	t.Helper()
	list, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.RuntimeID == id {
			return s
		}
	}
	t.Fatalf("container %s is not in the list", id)
	return task.ContainerState{}
}

func TestNameThatIsTaken(t *testing.T) {
	c := connect(t)
	var first docker.CreateRequest
	id := create(t, c, func(r *docker.CreateRequest) { first = *r }, "wait")
	_, err := c.Create(t.Context(), first)
	if !docker.IsConflict(err) || !strings.HasPrefix(err.Error(), "CannotCreateContainerError: Error response from daemon: Conflict.") {
		t.Errorf("error %v", err)
	}
	if state, err := c.Inspect(t.Context(), first.Name); err != nil || state.RuntimeID != id {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestContainersThatDoNotStart(t *testing.T) {
	c := connect(t)
	id := create(t, c, func(r *docker.CreateRequest) { r.Config.Entrypoint = []string{"/nosuch"} })
	_, err := c.Start(t.Context(), id, "", time.Minute)
	if err == nil || !strings.HasPrefix(err.Error(), "CannotStartContainerError: Error response from daemon: ") {
		t.Errorf("error %v", err)
	}
	state, err := c.Inspect(t.Context(), id)
	if err != nil || state.Status != task.ContainerStopped || state.Failure == nil || state.Failure.Name != task.ErrDockerState {
		t.Errorf("%+v, %v", state, err)
	}
	_, err = c.Create(t.Context(), docker.CreateRequest{Name: dockertest.Name("ecs-test"), Limit: time.Minute,
		Config: &container.Config{Image: "amazon/nosuch:1"}, HostConfig: &container.HostConfig{}})
	if err == nil || !strings.HasPrefix(err.Error(), "CannotCreateContainerError: Error response from daemon: No such image") {
		t.Errorf("error %v", err)
	}
}

func TestExitCodes(t *testing.T) {
	c := connect(t)
	for _, tt := range []struct {
		command []string
		change  func(*docker.CreateRequest)
		code    int
		failure string
	}{
		{command: []string{"exit", "3"}, code: 3},
		{command: []string{"eat"}, code: 137, failure: "OutOfMemoryError: Container killed due to memory usage",
			change: func(r *docker.CreateRequest) { r.HostConfig.Memory, r.HostConfig.MemorySwap = 24<<20, 24<<20 }},
		{command: []string{"stubborn"}, code: 137},
	} {
		id := create(t, c, tt.change, tt.command...)
		state, err := c.Start(t.Context(), id, "", time.Minute)
		if err != nil {
			t.Errorf("%v: %v", tt.command, err)
			continue
		}
		if tt.command[0] == "stubborn" {
			if state, err = c.Stop(t.Context(), id, time.Second); err != nil {
				t.Error(err)
			}
		}
		for deadline := time.Now().Add(30 * time.Second); state.Status != task.ContainerStopped && time.Now().Before(deadline); {
			if state, err = c.Inspect(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		failure := ""
		if state.Failure != nil {
			failure = state.Failure.Error()
		}
		if state.ExitCode == nil || *state.ExitCode != tt.code || failure != tt.failure {
			t.Errorf("%v: %+v, failure %q", tt.command, state, failure)
		}
	}
}

func TestEventsOfAContainer(t *testing.T) {
	c := connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	id := create(t, c, func(r *docker.CreateRequest) {
		r.Config.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/app", "check", "1"}, Interval: 200 * time.Millisecond, Retries: 1}
	}, "wait")
	before := time.Now()
	events := make(chan task.RuntimeEvent, 100)
	listening := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- c.Events(ctx, time.Time{}, func() { close(listening) }, func(e task.RuntimeEvent) { events <- e })
	}()
	select {
	case <-listening:
	case err := <-ended:
		t.Fatal(err)
	}
	if _, err := c.Start(ctx, id, "", time.Minute); err != nil {
		t.Fatal(err)
	}
	seen := next(ctx, t, events, id)
	if seen.Action != task.ActionStart || seen.TaskARN == "" || seen.Container != "app" || seen.Time.Before(before.Add(-time.Second)) {
		t.Errorf("event %+v", seen)
	}
	if seen = next(ctx, t, events, id); seen.Action != task.ActionHealth || seen.Health != task.HealthUnhealthy {
		t.Errorf("event %+v", seen)
	}
	state, err := c.Inspect(ctx, id)
	if err != nil || state.Health == nil || state.Health.Status != task.HealthUnhealthy || state.Health.ExitCode != 1 || !strings.Contains(state.Health.Output, "check") {
		t.Errorf("%+v, %v", state.Health, err)
	}
	if _, err := c.Stop(ctx, id, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(ctx, id); err != nil {
		t.Fatal(err)
	}
	checkEnd := func(events chan task.RuntimeEvent) {
		t.Helper()
		if seen := next(ctx, t, events, id); seen.Action != task.ActionDie || seen.ExitCode == nil || *seen.ExitCode != 0 {
			t.Errorf("event %+v", seen)
		}
		for _, want := range []task.RuntimeAction{task.ActionStop, task.ActionDestroy} {
			if seen := next(ctx, t, events, id); seen.Action != want {
				t.Errorf("event %+v, want %s", seen, want)
			}
		}
	}
	checkEnd(events)
	// The daemon tells again what happened since.
	past := make(chan task.RuntimeEvent, 1000)
	pastCtx, stop := context.WithCancel(ctx)
	pastEnded := make(chan error, 1)
	go func() {
		pastEnded <- c.Events(pastCtx, before, func() {}, func(e task.RuntimeEvent) { past <- e })
	}()
	for _, want := range []task.RuntimeAction{task.ActionStart, task.ActionHealth} {
		if seen := next(ctx, t, past, id); seen.Action != want {
			t.Errorf("event %+v, want %s", seen, want)
		}
	}
	checkEnd(past)
	stop()
	cancel()
	for _, ended := range []chan error{ended, pastEnded} {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	}
}

// next waits for the next event of a container.
func next(ctx context.Context, t *testing.T, events <-chan task.RuntimeEvent, id string) task.RuntimeEvent {
	t.Helper()
	for {
		select {
		case e := <-events:
			if e.RuntimeID == id {
				return e
			}
		case <-ctx.Done():
			t.Fatal("no event came")
		}
	}
}

func TestStatsOfAContainer(t *testing.T) {
	c := connect(t)
	id := create(t, c, nil, "wait")
	if _, err := c.Start(t.Context(), id, "", time.Minute); err != nil {
		t.Fatal(err)
	}
	one, err := c.Stats(t.Context(), id)
	if err != nil || !strings.Contains(string(one), `"cpu_stats"`) {
		t.Errorf("%s, %v", one, err)
	}
	enough, n := errors.New("enough"), 0
	err = c.StreamStats(t.Context(), id, func(object []byte) error {
		if !strings.HasPrefix(string(object), "{") {
			t.Errorf("object %s", object)
		}
		if n++; n == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}

//go:build integration

package engine_test

import (
	"context"
	"sync"
	"testing"
	"time"

	dockercontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/container"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/image"
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/store"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// hungRig is an engine on the real Docker engine, with a proxy between them that makes calls hang.
type hungRig struct {
	*engine.Engine
	t      *testing.T
	proxy  *dockertest.Proxy
	image  string
	prefix string // of families
}

func newHungRig(t *testing.T) *hungRig {
	t.Helper()
	r := &hungRig{t: t, proxy: dockertest.StartProxy(t), image: dockertest.Image(t), prefix: dockertest.Name("hung")}
	t.Cleanup(r.removeContainers)
	client, err := docker.Connect(t.Context(), r.proxy.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	client.SetInspectLimit(2 * time.Second)
	cfg := &config.Config{
		Cluster: "hung", AWSRegion: "us-west-2", DynamicHostPortRange: "42300-42399", DockerStopTimeout: time.Second,
		ContainerCreateTimeout: 5 * time.Second, ContainerStartTimeout: 5 * time.Second,
		ImagePullBehavior: config.ImagePullPreferCached, ImagePullTimeout: 5 * time.Second, ManifestPullTimeout: 5 * time.Second,
		ImagePullInactivityTimeout: time.Minute,
	}
	roles, checkpoint := &credentials.Store{}, store.Off()
	runner, err := container.New(cfg, client, image.New(cfg, client, checkpoint, image.Auth{}), roles, container.Host{})
	if err != nil {
		t.Fatal(err)
	}
	r.Engine = engine.New(engine.Config{
		Rules: engine.Rules{CleanupWait: time.Hour}, Host: engine.HostResources{CPU: 1 << 20, Memory: 1 << 20},
		Resources: noResources{}, ContainerName: mapping.ContainerName, Credentials: roles,
	}, runner, checkpoint, noSink{})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		client.Close()
	})
	<-r.Ready()
	return r
}

// removeContainers goes past the proxy.
func (r *hungRig) removeContainers() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	api := dockertest.SDK(r.t)
	list, err := api.ContainerList(ctx, dockercontainer.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("name", r.prefix))})
	if err != nil {
		r.t.Error(err)
	}
	for _, c := range list {
		if err := api.ContainerRemove(ctx, c.ID, dockercontainer.RemoveOptions{Force: true}); err != nil {
			r.t.Error(err)
		}
	}
}

// arn of the task that kind of call hangs for; its containers are named "ecs-<prefix>-<kind>-1-c-…".
func (r *hungRig) arn(kind string) string {
	return "arn:aws:ecs:us-west-2:123456789012:task/hung/" + r.prefix + kind
}

func (r *hungRig) run(kind string, change ...func(*task.Container)) {
	r.t.Helper()
	c := &task.Container{Name: "c", Image: r.image, Essential: true, Desired: task.ContainerRunning}
	for _, f := range change {
		f(c)
	}
	err := r.Accept(r.t.Context(), &task.Task{
		ARN: r.arn(kind), Family: r.prefix + "-" + kind, Revision: "1", Desired: task.Running, Containers: []*task.Container{c},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// await waits for a task's status and gives its container.
func (r *hungRig) await(kind string, status task.Status, limit time.Duration) *task.Container {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		t, known := r.Task(r.arn(kind))
		if known && t.Known == status {
			return t.Containers[0]
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Errorf("task %q is not %s within %s, but %+v", kind, status, limit, t)
			return &task.Container{}
		}
	}
}

func (r *hungRig) hung(call string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); r.proxy.Hung(call) == 0; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("no call %q", call)
		}
	}
}

// TestHungCallsAffectTheirOwnTaskOnly: while a create, a start, an inspect, a pull and a stop hang, other tasks start and
// stop; and each call that hangs ends with its error.
func TestHungCallsAffectTheirOwnTaskOnly(t *testing.T) {
	r := newHungRig(t)
	name := "ecs-" + r.prefix + "-"
	create, start := `POST /containers/create\?name=`+name+"create", "POST /containers/"+name+"start.*/start"
	inspect, stop := "GET /containers/"+name+"inspect.*/json", "POST /containers/"+name+"stop.*/stop"
	pull := "POST /images/create.*" + r.prefix
	for _, call := range []string{create, start, inspect, stop, pull} {
		r.proxy.Hang(call, false)
	}
	r.run("stop")
	r.await("stop", task.Running, 30*time.Second)
	r.Stop(r.arn("stop"))
	for _, kind := range []string{"create", "start", "inspect"} {
		r.run(kind)
	}
	const digest = "@sha256:c3839dd800b9eb7603340509769c43e146a74c63dca3045a8e7dc8ee07e53966" // no manifest to ask for
	r.run("pull", func(c *task.Container) { c.Image = "127.0.0.1:1/" + r.prefix + digest })
	for _, call := range []string{create, start, inspect, stop, pull} {
		r.hung(call)
	}

	// All of them hang now, for seconds.
	began := time.Now()
	for i := range 5 {
		kind := "other" + string(rune('0'+i))
		r.run(kind)
		r.await(kind, task.Running, 20*time.Second)
		r.Stop(r.arn(kind))
		// Which code it is depends on whether the program listens for signals already.
		if c := r.await(kind, task.Stopped, 20*time.Second); c.ExitCode == nil || c.Failure != nil {
			t.Errorf("%s: exit code %v, failure %v", kind, c.ExitCode, c.Failure)
		}
	}
	t.Logf("5 other tasks took %s", time.Since(began))

	const timeout = "DockerTimeoutError: Could not transition to "
	for kind, want := range map[string]string{
		"create": timeout + "created; timed out after waiting 5s",
		"start":  timeout + "started; timed out after waiting 5s",
		"pull":   timeout + "pulled; timed out after waiting 5s",
	} {
		if c := r.await(kind, task.Stopped, 60*time.Second); c.Failure.Reason() != want {
			t.Errorf("%s: %q", kind, c.Failure.Reason())
		}
	}
	// An inspect that hangs kills nobody; the end of the container shows its exit code all the same.
	c := r.await("inspect", task.Running, 30*time.Second)
	if err := dockertest.SDK(t).ContainerKill(t.Context(), c.RuntimeID, "KILL"); err != nil {
		t.Fatal(err)
	}
	if c = r.await("inspect", task.Stopped, 30*time.Second); c.ExitCode == nil || *c.ExitCode != 137 {
		t.Errorf("inspect: %+v", c)
	}
	// The stop goes on trying; when the container ends meanwhile the task is over.
	running, _ := r.Task(r.arn("stop"))
	if running.Known == task.Stopped {
		t.Error("reported as stopped while it runs")
	}
	if err := dockertest.SDK(t).ContainerKill(t.Context(), running.Containers[0].RuntimeID, "KILL"); err != nil {
		t.Fatal(err)
	}
	if c = r.await("stop", task.Stopped, 30*time.Second); c.ExitCode == nil || *c.ExitCode != 137 {
		t.Errorf("stop: %+v", c)
	}
}

type noResources struct{}

func (noResources) Plan(*task.Task) ([]task.Resource, error)                 { return nil, nil }
func (noResources) Create(context.Context, *task.Task, *task.Resource) error { return nil }
func (noResources) Release(context.Context, *task.Task)                      {}
func (noResources) Remove(context.Context, *task.Task, *task.Resource) error { return nil }

type noSink struct{}

func (noSink) ContainerChanged(*task.Task, *task.Container) {}
func (noSink) TaskChanged(*task.Task, string)               {}

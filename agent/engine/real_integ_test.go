//go:build integration

package engine_test

import (
	"context"
	"testing"
	"time"

	dockercontainer "github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/container"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/engine/enginetest"
	"github.com/aws/amazon-ecs-agent/agent/image"
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/store"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// realRig is an engine on the real Docker engine.
type realRig struct {
	*engine.Engine
	t        *testing.T
	endpoint string
	limit    time.Duration // of calls
	image    string
	prefix   string // of families
	end      func() // ends the agent's engine; containers stay
}

func newRealRig(t *testing.T, endpoint string, limit time.Duration) *realRig {
	t.Helper()
	r := &realRig{t: t, endpoint: endpoint, limit: limit, image: dockertest.Image(t), prefix: dockertest.Name("real")}
	dockertest.RemoveContainers(t, r.prefix)
	r.boot(nil)
	return r
}

// boot starts the engine on the tasks of one before it.
func (r *realRig) boot(tasks []*task.Task) {
	r.t.Helper()
	client, err := docker.Connect(r.t.Context(), r.endpoint)
	if err != nil {
		r.t.Fatal(err)
	}
	client.SetInspectLimit(r.limit)
	cfg := &config.Config{
		Cluster: "real", AWSRegion: "us-west-2", DynamicHostPortRange: "42300-42399", DockerStopTimeout: time.Second,
		ContainerCreateTimeout: r.limit, ContainerStartTimeout: r.limit,
		ImagePullBehavior: config.ImagePullPreferCached, ImagePullTimeout: r.limit, ManifestPullTimeout: r.limit,
		ImagePullInactivityTimeout: time.Minute,
	}
	roles, checkpoint := &credentials.Store{}, store.Off()
	runner, err := container.New(cfg, client, image.New(cfg, client, checkpoint, image.Auth{}), roles, container.Host{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Engine = engine.New(engine.Config{
		Rules: engine.Rules{CleanupWait: time.Hour}, Host: engine.HostResources{CPU: 1 << 20, Memory: 1 << 20},
		Resources: enginetest.NoResources{}, ContainerName: mapping.ContainerName, Credentials: roles,
	}, runner, checkpoint, enginetest.NoSink{})
	r.Restore(tasks)
	r.end = enginetest.Run(r.t, r.Engine, client.Close)
}

// arn of a task; its containers are named "ecs-<prefix>-<name>-1-<container>-…".
func (r *realRig) arn(name string) string {
	return "arn:aws:ecs:us-west-2:123456789012:task/real/" + r.prefix + name
}

// run starts a task of containers that are complete but for the image.
func (r *realRig) run(name string, containers ...*task.Container) {
	r.t.Helper()
	for _, c := range containers {
		if c.Image == "" {
			c.Image = r.image
		}
		c.Desired = task.ContainerRunning
	}
	err := r.Accept(r.t.Context(), &task.Task{ARN: r.arn(name), Family: r.prefix + "-" + name, Revision: "1", Desired: task.Running, Containers: containers})
	if err != nil {
		r.t.Fatal(err)
	}
}

// runOne starts a task of one container that runs until it is stopped.
func (r *realRig) runOne(name string, change ...func(*task.Container)) {
	r.t.Helper()
	c := &task.Container{Name: "c", Essential: true}
	for _, f := range change {
		f(c)
	}
	r.run(name, c)
}

// until waits for a condition on a task and gives its containers by name.
func (r *realRig) until(name, what string, limit time.Duration, met func(*task.Task) bool) map[string]*task.Container {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		t, known := r.Task(r.arn(name))
		if known && met(t) {
			byName := map[string]*task.Container{}
			for _, c := range t.Containers {
				byName[c.Name] = c
			}
			return byName
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("task %q: not %s within %s, but %+v", name, what, limit, t)
		}
	}
}

// await waits for a task's status and gives its containers by name.
func (r *realRig) await(name string, status task.Status, limit time.Duration) map[string]*task.Container {
	r.t.Helper()
	return r.until(name, status.String(), limit, func(t *task.Task) bool { return t.Known == status })
}

func (r *realRig) awaitOne(name string, status task.Status, limit time.Duration) *task.Container {
	r.t.Helper()
	return r.await(name, status, limit)["c"]
}

// real is what Docker itself says about a container.
func (r *realRig) real(c *task.Container) *dockercontainer.State {
	r.t.Helper()
	answer, err := dockertest.SDK(r.t).ContainerInspect(r.t.Context(), c.RuntimeID)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.State
}

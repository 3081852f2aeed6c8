package engine

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/engine/enginetest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// rig is an engine on fakes, with a way to crash it.
type rig struct {
	docker *fakeDocker
	store  *fakeStore
	ecs    *fakeECS
	config Config

	engine *Engine
	cancel context.CancelFunc
	done   chan struct{}
	// crashes counts them.
	crashes int
}

func newRig(seed uint64) *rig {
	d := newFakeDocker(seed)
	r := &rig{docker: d, store: newFakeStore(), ecs: newFakeECS(d)}
	r.config = Config{
		Rules:         Rules{CleanupWait: time.Hour},
		Host:          HostResources{CPU: 1 << 20, Memory: 1 << 20},
		Resources:     enginetest.NoResources{},
		ContainerName: func(t *task.Task, c *task.Container) string { return "ecs-" + t.ID() + "-" + c.Name },
	}
	return r
}

// boot starts the engine on what the store holds.
func (r *rig) boot() { r.bootOn(r.docker) }

// bootOn is boot with another runtime in front of the fake daemon.
func (r *rig) bootOn(runtime Runtime) {
	r.config.Credentials = &credentials.Store{}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan struct{})
	e := New(r.config, runtime, r.store, r.ecs)
	r.engine = e
	r.ecs.mu.Lock()
	r.ecs.engine, r.ecs.dead = e, false
	r.ecs.mu.Unlock()
	e.Restore(r.store.load())
	go func() {
		defer close(r.done)
		_ = e.Run(ctx)
	}()
}

// crash ends the engine at once; what was not on disk is lost.
func (r *rig) crash() {
	r.crashes++
	r.ecs.mu.Lock()
	r.ecs.dead = true
	r.ecs.mu.Unlock()
	r.store = r.store.crash() // late saves of the dying engine reach nothing
	r.cancel()
	<-r.done
}

const testARN = "arn:aws:ecs:us-west-2:123456789012:task/default/t1"

// scenario runs a test on a fresh engine in virtual time.
func scenario(t *testing.T, play func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.boot()
		<-r.engine.Ready()
		play(t, r)
		r.cancel()
		<-r.done
	})
}

func containers(cs ...*task.Container) *task.Task {
	for _, c := range cs {
		if c.Image == "" {
			c.Image = "busybox"
		}
	}
	return &task.Task{ARN: testARN, Family: "f", Revision: "1", Desired: task.Running, Containers: cs}
}

func (r *rig) accept(t *testing.T, tk *task.Task) {
	t.Helper()
	if err := r.engine.Accept(context.Background(), tk); err != nil {
		t.Fatal(err)
	}
}

// reported is what ECS heard so far, with the ARN left out.
func (r *rig) reported() []string {
	r.ecs.mu.Lock()
	defer r.ecs.mu.Unlock()
	var lines []string
	for _, l := range r.ecs.log {
		lines = append(lines, strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(l, testARN), "/")))
	}
	return lines
}

func (r *rig) wantReports(t *testing.T, want ...string) {
	t.Helper()
	if got := r.reported(); !slices.Equal(got, want) {
		t.Errorf("reported %q, want %q", got, want)
	}
}

func (r *rig) calls(kind string) int {
	r.docker.mu.Lock()
	defer r.docker.mu.Unlock()
	return r.docker.calls[kind]
}

// taskStatus, reason and exitCode are what ECS heard last.
func (r *rig) taskStatus() task.Status {
	r.ecs.mu.Lock()
	defer r.ecs.mu.Unlock()
	return r.ecs.tasks[testARN]
}

func (r *rig) reason(container string) string {
	r.ecs.mu.Lock()
	defer r.ecs.mu.Unlock()
	return r.ecs.reasons[testARN+"/"+container]
}

func (r *rig) exitCode(container string) *int {
	r.ecs.mu.Lock()
	defer r.ecs.mu.Unlock()
	return r.ecs.exits[testARN+"/"+container]
}

// onDocker changes the fake daemon.
func (r *rig) onDocker(change func(d *fakeDocker)) {
	r.docker.mu.Lock()
	defer r.docker.mu.Unlock()
	change(r.docker)
}

func arnOf(id string) string { return "arn:aws:ecs:us-west-2:123456789012:task/default/" + id }

//go:build integration

package docker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// A call that hangs ends in the error users know, and no other container has to wait meanwhile. Between client and
// engine there is a proxy that makes calls about one container hang.

type hungHost struct {
	*Client
	t     *testing.T
	proxy *dockertest.Proxy
	image string
}

func newHungHost(t *testing.T) *hungHost {
	t.Helper()
	h := &hungHost{t: t, proxy: dockertest.StartProxy(t), image: dockertest.Image(t)}
	var err error
	if h.Client, err = Connect(t.Context(), h.proxy.Endpoint); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	h.inspectLimit, h.stopLimit = 700*time.Millisecond, 300*time.Millisecond
	return h
}

// create makes a container that goes with the test.
func (h *hungHost) create(name string, limit time.Duration) (id string, err error) {
	h.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		h.proxy.Heal()
		if err := h.RemoveForced(ctx, name); err != nil {
			h.t.Error(err)
		}
	})
	return h.Create(h.t.Context(), CreateRequest{Name: name, Limit: limit, Config: &container.Config{Image: h.image},
		HostConfig: &container.HostConfig{NetworkMode: "none"}})
}

// others goes through the lives of other containers, one after the other, until it is stopped.
func (h *hungHost) others() (stop func()) {
	end := make(chan struct{})
	var wg sync.WaitGroup
	lives := 0
	wg.Go(func() {
		for {
			if err := h.life(); err != nil {
				h.t.Errorf("another container: %v", err)
				return
			}
			lives++
			select {
			case <-end:
				return
			default:
			}
		}
	})
	return func() {
		close(end)
		wg.Wait()
		h.t.Logf("%d other containers lived", lives)
	}
}

func (h *hungHost) life() error {
	ctx := h.t.Context()
	id, err := h.Create(ctx, CreateRequest{Name: dockertest.Name("ecs-agent-test-other"), Limit: 10 * time.Second,
		Config: &container.Config{Image: h.image}, HostConfig: &container.HostConfig{NetworkMode: "none"}})
	if err != nil {
		return err
	}
	defer func() {
		if err := h.RemoveForced(context.WithoutCancel(ctx), id); err != nil {
			h.t.Error(err)
		}
	}()
	if _, err := h.direct(func(c *Client) (*task.ContainerState, error) { return c.Start(ctx, id, "", 10*time.Second) }); err != nil {
		return err
	}
	_, err = h.direct(func(c *Client) (*task.ContainerState, error) { return c.Stop(ctx, id, 5*time.Second) })
	return err
}

// direct makes a call with the usual limits on the same connections.
func (h *hungHost) direct(call func(*Client) (*task.ContainerState, error)) (*task.ContainerState, error) {
	patient := &Client{endpoint: h.endpoint, base: h.base, versions: h.versions, api: h.api, inspectLimit: time.Minute,
		stopLimit: time.Minute, byVersion: map[apiVersion]*client.Client{}}
	return call(patient)
}

// check makes a call and compares its error and time.
func (h *hungHost) check(what, want string, most time.Duration, call func() error) {
	h.t.Helper()
	began := time.Now()
	err := call()
	if err == nil || err.Error() != want {
		h.t.Errorf("%s: %v, want %s", what, err, want)
	}
	if took := time.Since(began); took > most {
		h.t.Errorf("%s took %s", what, took)
	}
}

func TestHungCalls(t *testing.T) {
	h := newHungHost(t)
	name := dockertest.Name("ecs-agent-test")
	id, err := h.create(name, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer h.others()()

	h.proxy.Hang(`POST /containers/create\?name=`+name+"-2", false)
	h.check("create", "DockerTimeoutError: Could not transition to created; timed out after waiting 500ms", 5*time.Second, func() error {
		_, err := h.create(name+"-2", 500*time.Millisecond)
		return err
	})
	h.proxy.Heal()

	start := "POST /containers/" + name + "/start"
	h.proxy.Hang(start, false)
	h.check("start", "DockerTimeoutError: Could not transition to started; timed out after waiting 500ms", 5*time.Second, func() error {
		_, err := h.Start(t.Context(), id, "", 500*time.Millisecond)
		return err
	})
	h.proxy.Heal()

	inspect := "GET /containers/" + name + "/json"
	h.proxy.Hang(inspect, false)
	timeout := "Could not transition to inspecting; timed out after waiting 700ms"
	h.check("inspect", "DockerTimeoutError: "+timeout, 5*time.Second, func() error {
		_, err := h.Inspect(t.Context(), id)
		return err
	})
	h.check("inspect after start", "CannotInspectContainerError: "+timeout, 10*time.Second, func() error {
		_, err := h.Start(t.Context(), id, "", 10*time.Second)
		return err
	})
	h.proxy.Heal()

	stop := "POST /containers/" + name + "/stop"
	h.proxy.Hang(stop, false)
	h.check("stop", "DockerTimeoutError: Could not transition to stopped; timed out after waiting 1.3s", 30*time.Second, func() error {
		_, err := h.Stop(t.Context(), id, time.Second)
		return err
	})
	if n := h.proxy.Hung(stop); n != stopTries {
		t.Errorf("%d tries to stop", n)
	}
	h.proxy.Heal()
	h.proxy.Hang(inspect, false)
	h.check("inspect after stop", "CannotInspectContainerError: "+timeout, 30*time.Second, func() error {
		_, err := h.Stop(t.Context(), id, 5*time.Second)
		return err
	})
	h.proxy.Heal()
	if s, err := h.Inspect(t.Context(), id); err != nil || s.Status != task.ContainerStopped {
		t.Errorf("in the end: %+v, %v", s, err)
	}

	// The end of the caller's context ends every call at once, with the name of the step.
	h.proxy.Hang(name, false)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := h.Start(ctx, id, "", time.Minute); task.ErrorName(err) != task.ErrCannotStartContainer || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up: %v", err)
	}
}

// TestPullThatStalls ends in the inactivity text although the answer had begun.
func TestPullThatStalls(t *testing.T) {
	h := newHungHost(t)
	registry := dockertest.StartRegistry(t, false)
	image := registry.Push(t, dockertest.Name("app")+":1", "X=7")
	h.proxy.Hang("POST /images/create", true)
	h.check("pull", "CannotPullContainerError: inactivity time exceeded timeout while pulling image", 10*time.Second, func() error {
		return h.Pull(t.Context(), PullRequest{Image: image, Inactivity: 300 * time.Millisecond})
	})
	h.proxy.Heal()
	if err := h.Pull(t.Context(), PullRequest{Image: image, Inactivity: time.Minute}); err != nil {
		t.Error(err)
	}
}

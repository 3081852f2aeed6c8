package container

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// addressDocker gives a container its address after some looks at it.
type addressDocker struct {
	fakeDocker
	after   int
	status  task.ContainerStatus
	network string
	stopped bool
}

func (d *addressDocker) Inspect(context.Context, string) (*task.ContainerState, error) {
	d.inspected++
	if d.inspectErr != nil {
		return nil, d.inspectErr
	}
	s := &task.ContainerState{RuntimeID: "id", Status: d.status}
	if d.inspected >= d.after {
		s.Networks = []task.Network{{Name: d.network, IPv4: "172.17.0.9"}}
	}
	return s, nil
}

func (d *addressDocker) Stop(ctx context.Context, id string, grace time.Duration) (*task.ContainerState, error) {
	d.stopped = true
	return d.fakeDocker.Stop(ctx, id, grace)
}

func TestALogRouterIsUpWhenItHasAnAddress(t *testing.T) {
	host := `{"NetworkMode":"host"}`
	for _, c := range []struct {
		name    string
		docker  addressDocker
		raw     *string
		mode    string
		looks   int
		fails   string
		stopped bool
	}{
		{"it gets one", addressDocker{after: 3, network: "bridge", status: task.ContainerRunning}, nil, "bridge", 3, "", false},
		{"it never gets one", addressDocker{after: 1, network: "other", status: task.ContainerRunning}, nil, "bridge", 8, "CannotStartContainerError: Bridge IP not available to use for firelens", true},
		{"it ends", addressDocker{after: 9, status: task.ContainerStopped}, nil, "bridge", 1, "", false},
		{"Docker does not answer", addressDocker{fakeDocker: fakeDocker{inspectErr: errors.New("no answer")}}, nil, "bridge", 8, "CannotStartContainerError: Bridge IP not available to use for firelens", true},
		{"it is gone", addressDocker{fakeDocker: fakeDocker{inspectErr: task.ErrGone}}, nil, "bridge", 1, task.ErrGone.Error(), false},
		{"it is in the host's network", addressDocker{}, &host, "host", 0, "", false},
		{"it is in the task's network", addressDocker{}, nil, "awsvpc", 0, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRunner(t, &c.docker)
				router := &task.Container{Name: "router", RuntimeID: "id", Firelens: &task.FirelensConfig{}, DockerConfig: task.DockerConfig{HostConfig: c.raw}}
				_, err := r.Start(t.Context(), &task.Task{ARN: "arn:aws:ecs:us-west-2:1:task/c/id", NetworkMode: c.mode}, router)
				if err != nil && err.Error() != c.fails || err == nil && c.fails != "" {
					t.Errorf("%v, want %q", err, c.fails)
				}
				if c.docker.stopped != c.stopped {
					t.Errorf("stopped: %t", c.docker.stopped)
				}
				// The pauses have a random share.
				if off := c.docker.inspected - c.looks; off < -1 || off > 1 {
					t.Errorf("%d looks, want about %d", c.docker.inspected, c.looks)
				}
			})
		})
	}
}

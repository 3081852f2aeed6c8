package container

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/network"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Network connects what pause containers hold.
type Network interface {
	Connect(ctx context.Context, t *task.Task, pause *task.Container, state *task.ContainerState) (task.Connection, error)
	Disconnect(ctx context.Context, t *task.Task, pause *task.Container, state *task.ContainerState) error
	Release(ctx context.Context, t *task.Task) error
}

// Provision connects the network that the container holds.
func (r *Runner) Provision(ctx context.Context, t *task.Task, c *task.Container) (task.Connection, error) {
	state, err := r.docker.Inspect(ctx, reference(c))
	if err != nil {
		return task.Connection{}, network.InspectError(t, c, err)
	}
	return r.network.Connect(ctx, t, c, state)
}

// Disconnect undoes Provision. Where the container has ended there is nothing to undo: the kernel has taken the network down
// with the last process in it, and given the interface back.
func (r *Runner) Disconnect(ctx context.Context, t *task.Task, c *task.Container) error {
	if r.disconnectDelay > 0 {
		if err := backoff.Sleep(ctx, r.disconnectDelay); err != nil {
			return err
		}
	}
	state, err := r.docker.Inspect(ctx, reference(c))
	switch {
	case errors.Is(err, task.ErrGone), err == nil && state.PID == 0:
		logger.Debug("The network of the task is gone already", logger.F("taskARN", t.ARN), logger.F("containerName", c.Name))
		return nil
	case err != nil:
		return fmt.Errorf("engine: cannot cleanup task network namespace due to error inspecting pause container: %w", err)
	}
	return r.network.Disconnect(ctx, t, c, state)
}

// ReleaseAddress gives back the local address of a task that has stopped.
func (r *Runner) ReleaseAddress(ctx context.Context, t *task.Task) error {
	return r.network.Release(ctx, t)
}

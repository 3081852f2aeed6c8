package container

import (
	"context"
	"errors"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Waiting for the address of a log router.
var addressPauses = backoff.Policy{First: time.Second, Longest: 10 * time.Second, Factor: 2, Jitter: 0.2}

const addressLimit = time.Minute

var errNoAddress = &task.Error{Name: task.ErrCannotStartContainer, Message: "Bridge IP not available to use for firelens", Cause: errors.New("no address on Docker's bridge")}

// awaitAddress waits until a log router that was just started has an address on Docker's bridge, which the other
// containers of the task are told. One that gets none is stopped: nobody would find it.
func (r *Runner) awaitAddress(ctx context.Context, t *task.Task, c *task.Container, state *task.ContainerState) (*task.ContainerState, error) {
	ctx, cancel := context.WithTimeout(ctx, addressLimit)
	defer cancel()
	for pauses := addressPauses.Start(); ; {
		if state.BridgeAddress() != "" || state.Status == task.ContainerStopped {
			return state, nil
		}
		if pauses.Sleep(ctx) != nil {
			break
		}
		newer, err := r.Inspect(ctx, c)
		switch {
		case errors.Is(err, task.ErrGone):
			return nil, err
		case err == nil:
			state = newer
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return state, nil // the agent ends
	}
	if _, err := r.Stop(context.WithoutCancel(ctx), t, c); err != nil && !errors.Is(err, task.ErrGone) {
		return nil, errors.Join(errNoAddress, err)
	}
	return nil, errNoAddress
}

// needsAddress reports whether c is a log router that listens on Docker's bridge.
func needsAddress(t *task.Task, c *task.Container) bool {
	return c.Firelens != nil && t.NetworkMode != task.NetworkAWSVPC && c.OnBridge()
}

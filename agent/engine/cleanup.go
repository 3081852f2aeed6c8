package engine

import (
	"context"
	"time"
)

// What a stopped task left is removed again after a pause when it could not be.
const (
	cleanRetry   = time.Minute
	cleanRetries = 3
)

// SpaceNeeded ends the wait before the cleanup of a task. What has to have happened before it still has to: the task has
// stopped, and ECS knows.
type SpaceNeeded struct{}

func (SpaceNeeded) apply(w *work) { w.t.Engine.CleanNow = true }

// CleanUp removes what a stopped task left without waiting any longer, and returns when it is gone or ctx ends. A task
// whose end ECS does not know yet stays until it does.
func (e *Engine) CleanUp(ctx context.Context, arn string) error {
	o, known := e.owner(arn)
	if !known {
		return nil
	}
	o.box.put(SpaceNeeded{})
	select {
	case <-o.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

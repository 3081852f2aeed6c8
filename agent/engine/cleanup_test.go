package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// TestCleanUpDoesNotWait removes a stopped task long before its time, a running one never.
func TestCleanUpDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.boot()
		<-r.engine.Ready()
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(time.Minute)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.engine.CleanUp(ctx, testARN); !errors.Is(err, context.DeadlineExceeded) || r.taskStatus() != task.Running || r.calls("remove") != 0 {
			t.Errorf("running task: %v, %s, %d removals", err, r.taskStatus(), r.calls("remove"))
		}
		r.engine.Stop(testARN)
		time.Sleep(time.Minute) // wanted before it stopped: the same
		if _, known := r.engine.Task(testARN); known || r.calls("remove") != 1 {
			t.Errorf("still known: %v, %d removals", known, r.calls("remove"))
		}
		if err := r.engine.CleanUp(t.Context(), testARN); err != nil {
			t.Errorf("unknown task: %v", err)
		}
		r.cancel()
		<-r.done
	})
}

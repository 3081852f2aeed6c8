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

// stubborn is a daemon that removes no container.
type stubborn struct{ *fakeDocker }

func (s stubborn) Remove(ctx context.Context, t *task.Task, c *task.Container) error {
	_ = s.fakeDocker.call(ctx, "remove", c.RuntimeName, task.ErrCannotRemoveContainer, func() error { return nil })
	return &task.Error{Name: task.ErrCannotRemoveContainer, Message: "Error response from daemon: device or resource busy"}
}

// TestWhatCannotBeRemovedIsTriedAgain a few times; while Docker is away that does not count.
func TestWhatCannotBeRemovedIsTriedAgain(t *testing.T) {
	stopped := func(t *testing.T, r *rig) {
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(time.Second)
		r.engine.Stop(testARN)
		time.Sleep(time.Second)
	}
	t.Run("Docker is away", func(t *testing.T) {
		scenario(t, func(t *testing.T, r *rig) {
			stopped(t, r)
			r.docker.setDown(true, false)
			time.Sleep(2 * time.Hour)
			if _, known := r.engine.Task(testARN); !known {
				t.Error("forgotten while nothing could be removed")
			}
			r.docker.setDown(false, false)
			time.Sleep(2 * time.Minute)
			if _, known := r.engine.Task(testARN); known || len(r.docker.containers) > 0 || len(r.store.crash().durable) > 0 {
				t.Errorf("still known: %t, %d containers", known, len(r.docker.containers))
			}
		})
	})
	t.Run("it stays", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(1)
			r.bootOn(stubborn{r.docker})
			<-r.engine.Ready()
			stopped(t, r)
			time.Sleep(time.Hour + 10*time.Minute)
			if _, known := r.engine.Task(testARN); known || r.calls("remove") != 1+cleanRetries {
				t.Errorf("still known: %t, %d tries", known, r.calls("remove"))
			}
			r.cancel()
			<-r.done
		})
	})
}

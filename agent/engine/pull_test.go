package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// pulling gives one result for every pull of a container.
type pulling struct {
	*fakeDocker
	container string
	result    task.PullResult
	err       error
}

func (p pulling) Pull(ctx context.Context, t *task.Task, c *task.Container) (task.PullResult, error) {
	if c.Name != p.container {
		return p.fakeDocker.Pull(ctx, t, c)
	}
	return p.result, p.err
}

func playPull(t *testing.T, p pulling, play func(r *rig, tk func() *task.Task)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		p.fakeDocker, p.container = r.docker, "app"
		r.config.Rules = Rules{CleanupWait: time.Hour, PullUpfront: true}
		r.bootOn(p)
		<-r.engine.Ready()
		play(r, func() *task.Task {
			time.Sleep(time.Second)
			tk, _ := r.engine.Task(testARN)
			return tk
		})
		r.cancel()
		<-r.done
	})
}

// TestPullsUpfrontEndATaskThatCannotWork ends the task while the container still waits for its dependency.
func TestPullsUpfrontEndATaskThatCannotWork(t *testing.T) {
	failed := &task.Error{Name: task.ErrCannotPullContainer, Message: "no such thing"}
	for _, tt := range []struct {
		name               string
		missing, essential bool
		ends               bool
	}{
		{"missing and essential", true, true, true},
		{"missing", true, false, false},
		{"on the host", false, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			playPull(t, pulling{result: task.PullResult{Missing: tt.missing}, err: failed}, func(r *rig, tk func() *task.Task) {
				r.accept(t, containers(&task.Container{Name: "init"}, &task.Container{Name: "other", Essential: true},
					&task.Container{Name: "app", Essential: tt.essential, DependsOn: []task.Dependency{{Container: "init", Condition: task.ConditionSuccess}}}))
				got := tk()
				if ends := got.Known == task.Stopped; ends != tt.ends {
					t.Errorf("task is %s", got.Known)
				}
				if tt.ends && got.TerminalReason != failed.Error() {
					t.Errorf("reason %q", got.TerminalReason)
				}
			})
		})
	}
}

// TestFailedPullKeepsWhatTheHostHas: the image is in use, and its digest is reported.
func TestFailedPullKeepsWhatTheHostHas(t *testing.T) {
	for _, err := range []error{nil, errors.New("registry is down")} {
		playPull(t, pulling{result: task.PullResult{ImageID: "sha256:7", Digest: "sha256:8"}, err: err}, func(r *rig, tk func() *task.Task) {
			r.accept(t, containers(&task.Container{Name: "app", Essential: true, Image: "app"}))
			got := tk().Containers[0]
			if got.ImageID != "sha256:7" || got.ImageDigest == "" || got.Known != task.ContainerRunning {
				t.Errorf("%v: %s, image %q, digest %q", err, got.Known, got.ImageID, got.ImageDigest)
			}
		})
	}
}

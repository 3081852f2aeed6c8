package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestStopWaitsForADaemonThatIsAway(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(time.Second)
		r.docker.setDown(true, false)
		r.engine.Stop(testARN)
		time.Sleep(time.Minute)
		if r.taskStatus() == task.Stopped {
			t.Fatal("STOPPED reported while nobody could know")
		}
		if n := r.calls("stop"); n > 20 {
			t.Errorf("%d stop calls in a minute", n)
		}
		r.docker.setDown(false, false)
		time.Sleep(40 * time.Second)
		if r.taskStatus() != task.Stopped {
			t.Errorf("task is %s after the daemon came back", r.taskStatus())
		}
	})
}

// failing is a runtime whose steps fail as told.
type failing struct {
	*fakeDocker
	start, pull error
}

func (f failing) Start(ctx context.Context, t *task.Task, c *task.Container) (*task.ContainerState, error) {
	if f.start == nil {
		return f.fakeDocker.Start(ctx, t, c)
	}
	state, err := f.fakeDocker.Start(ctx, t, c) // it does start
	_ = state
	if err == nil {
		err = f.start
	}
	return nil, err
}

func (f failing) Pull(ctx context.Context, t *task.Task, c *task.Container) (task.PullResult, error) {
	res, err := f.fakeDocker.Pull(ctx, t, c)
	if f.pull != nil {
		err = f.pull
	}
	return res, err
}

// withRuntime runs a test on an engine with failing steps.
func withRuntime(t *testing.T, rules Rules, runtime failing, play func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		runtime.fakeDocker = r.docker
		r.config.Rules = rules
		r.bootOn(runtime)
		<-r.engine.Ready()
		play(t, r)
		r.cancel()
		<-r.done
	})
}

func TestAStartThatMayHaveWorkedIsStoppedBeforeItIsCalledStopped(t *testing.T) {
	for name, err := range map[string]error{
		"timeout": &task.Error{Name: task.ErrDockerTimeout, Message: "Could not transition to started; timed out after waiting 3m0s"},
		"EOF":     &task.Error{Name: task.ErrCannotStartContainer, Message: `error during connect: Post "http://fake": EOF`},
	} {
		t.Run(name, func(t *testing.T) {
			withRuntime(t, Rules{CleanupWait: time.Hour}, failing{start: err}, func(t *testing.T, r *rig) {
				r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
				time.Sleep(time.Second)
				if r.calls("stop") != 1 || r.taskStatus() != task.Stopped || r.reason("web") != err.Error() {
					t.Errorf("%d stops, task %s, reason %q", r.calls("stop"), r.taskStatus(), r.reason("web"))
				}
			})
		})
	}
}

func TestAStartWhoseInspectFailedIsRunning(t *testing.T) {
	err := &task.Error{Name: task.ErrCannotInspectContainer, Message: "slow"}
	withRuntime(t, Rules{CleanupWait: time.Hour}, failing{start: err}, func(t *testing.T, r *rig) {
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(time.Minute)
		if r.taskStatus() != task.Running || r.calls("stop") != 0 {
			t.Errorf("task %s, %d stops", r.taskStatus(), r.calls("stop"))
		}
	})
}

func TestAFailedPullEndsTheTaskOnlyWhereItMustSucceed(t *testing.T) {
	failed := &task.Error{Name: task.ErrCannotPullContainer, Message: "nothing there"}
	for _, must := range []bool{true, false} {
		withRuntime(t, Rules{CleanupWait: time.Hour, PullMustSucceed: must}, failing{pull: failed}, func(t *testing.T, r *rig) {
			r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
			time.Sleep(time.Second)
			want := task.Running
			if must {
				want = task.Stopped
			}
			if r.taskStatus() != want {
				t.Errorf("must succeed %v: task is %s", must, r.taskStatus())
			}
			tk, _ := r.engine.Task(testARN)
			if got := tk.Containers[0].Failure.Reason(); got != failed.Error() {
				t.Errorf("reason %q", got)
			}
		})
	}
}

func TestAcceptFailsWhenTheDiskDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.boot()
		<-r.engine.Ready()
		r.engine.store = brokenDisk{}
		if err := r.engine.Accept(context.Background(), containers(&task.Container{Name: "web"})); err == nil {
			t.Error("accepted although it could not be saved")
		}
		if _, known := r.engine.Task(testARN); known {
			t.Error("started although it could not be saved")
		}
		r.cancel()
		<-r.done
	})
}

type brokenDisk struct{}

func (brokenDisk) SaveTask(*task.Task)           {}
func (brokenDisk) SaveContainer(*task.Container) {}
func (brokenDisk) DeleteTask(*task.Task)         {}
func (brokenDisk) Hurry()                        {}
func (brokenDisk) Sync(context.Context) error    { return errors.New("no space left on device") }

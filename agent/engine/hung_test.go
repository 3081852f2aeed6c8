package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// hungStop is a daemon whose stop calls never return.
type hungStop struct{ *fakeDocker }

func (hungStop) Stop(ctx context.Context, _ *task.Task, _ *task.Container) (*task.ContainerState, error) {
	<-ctx.Done()
	return nil, task.NewError(task.ErrCannotStopContainer, ctx.Err())
}

// TestContainerThatEndsWhileItsStopHangs is over although the call never returns.
func TestContainerThatEndsWhileItsStopHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.bootOn(hungStop{r.docker})
		<-r.engine.Ready()
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(time.Second)
		r.engine.Stop(testARN)
		time.Sleep(time.Minute)
		if r.taskStatus() != task.Running {
			t.Errorf("task is %s while its container runs", r.taskStatus())
		}
		r.docker.mu.Lock()
		for _, f := range r.docker.containers {
			r.docker.exitLocked(f, 3)
		}
		r.docker.mu.Unlock()
		time.Sleep(inspectRetry + time.Second)
		tk, _ := r.engine.Task(testARN)
		if c := tk.Containers[0]; tk.Known != task.Stopped || c.ExitCode == nil || *c.ExitCode != 3 || c.Failure != nil {
			t.Errorf("task is %s, %+v", tk.Known, c)
		}
		r.cancel()
		<-r.done
	})
}

// TestAnEndThatNoEventToldEndsAHungStop: the list shows it.
func TestAnEndThatNoEventToldEndsAHungStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.bootOn(hungStop{r.docker})
		<-r.engine.Ready()
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(time.Second)
		r.engine.Stop(testARN)
		time.Sleep(time.Second)
		r.onDocker(func(d *fakeDocker) {
			for _, f := range d.containers {
				f.status, f.code, f.finishedAt = task.ContainerStopped, 3, time.Now()
			}
		})
		time.Sleep(listEvery + time.Minute)
		if code := r.exitCode("web"); r.taskStatus() != task.Stopped || code == nil || *code != 3 {
			t.Errorf("task is %s, exit code %v", r.taskStatus(), code)
		}
		r.cancel()
		<-r.done
	})
}

// TestAContainerThatIsStillBeingMadeIsNotLost: the list shows it before there is anything to look at.
func TestAContainerThatIsStillBeingMadeIsNotLost(t *testing.T) {
	for _, test := range []struct {
		status task.ContainerStatus
		waits  bool
	}{{task.ContainerCreated, true}, {task.ContainerRunning, false}, {task.ContainerStopped, false}} {
		tk := oneContainer(task.Container{Known: task.ContainerPulled, Desired: task.ContainerRunning, Essential: true, RuntimeName: "ecs-c"})
		tk.Desired = task.Running
		listed := &task.ContainerState{RuntimeID: "id", Name: "ecs-c", Status: test.status}
		out := Apply(tk, Listed{Containers: map[string]*task.ContainerState{"c": listed}, Restored: true}, noon, Rules{}).Task
		steps, _ := Plan(out, noon, Rules{})
		want := Step{Kind: InspectContainer, Container: "c"}
		if test.waits { // for whoever makes it, in the create step
			want = Step{Kind: RunContainer, Container: "c", Step: task.StepCreate}
		}
		if len(steps) != 1 || steps[0] != want {
			t.Errorf("listed as %s: %+v", test.status, steps)
		}
	}
}

// TestAStopDoesNotWaitForAnInspect: the list, or an event, has told that the container runs; that the inspect hangs does
// not matter.
func TestAStopDoesNotWaitForAnInspect(t *testing.T) {
	for name, news := range map[string]Event{
		"list":  Listed{Containers: map[string]*task.ContainerState{"c": {RuntimeID: "id", Status: task.ContainerRunning}}, Restored: true},
		"event": RuntimeNews{Container: "c", Event: task.RuntimeEvent{Action: task.ActionStart, RuntimeID: "id"}},
	} {
		tk := oneContainer(task.Container{Known: task.ContainerCreated, Desired: task.ContainerRunning, Essential: true, RuntimeID: "id"})
		tk.Desired = task.Running
		tk = Apply(tk, news, noon, Rules{}).Task
		steps, _ := Plan(tk, noon, Rules{})
		if len(steps) != 1 || steps[0].Kind != InspectContainer {
			t.Fatalf("%s: %+v", name, steps)
		}
		tk.Edit(0).Engine.Inspecting = true
		tk = Apply(tk, DesiredChanged{task.Stopped}, noon, Rules{}).Task
		if steps, _ = Plan(tk, noon, Rules{}); len(steps) != 1 || steps[0].Step != task.StepStop {
			t.Errorf("%s: %+v", name, steps)
		}
	}
}

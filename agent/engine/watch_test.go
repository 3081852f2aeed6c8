package engine

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// hungList is a daemon whose lists never come while hung is set, nor what it says of containers with one of the names.
type hungList struct {
	*fakeDocker
	hung  *atomic.Bool
	mutes string
}

func (h hungList) Inspect(ctx context.Context, c *task.Container) (*task.ContainerState, error) {
	if strings.Contains(h.mutes, c.Name) {
		<-ctx.Done()
		return nil, task.NewError(task.ErrCannotInspectContainer, ctx.Err())
	}
	return h.fakeDocker.Inspect(ctx, c)
}

func (h hungList) List(ctx context.Context) ([]task.ContainerState, error) {
	if h.hung.Load() {
		<-ctx.Done()
		return nil, task.NewError(task.ErrCannotListContainers, ctx.Err())
	}
	return h.fakeDocker.List(ctx)
}

// withHungList runs tasks A to E, crashes the agent, lets things happen, and starts it again on a daemon that lists nothing.
// accepted are the records as they were before the tasks did anything.
func withHungList(t *testing.T, mutes string, meanwhile func(r *rig, accepted map[string][]byte), play func(t *testing.T, r *rig, runtime hungList)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.config.AdoptStraysOf = "prod"
		r.boot()
		<-r.engine.Ready()
		for _, id := range []string{"A", "B", "C", "D", "E"} {
			policy := &task.RestartPolicy{Enabled: true}
			r.accept(t, &task.Task{ARN: arnOf(id), Desired: task.Running, Containers: []*task.Container{{Name: "c" + id, Image: "i", Essential: true, RestartPolicy: policy}}})
		}
		accepted := maps.Clone(r.store.durable)
		time.Sleep(time.Second)
		r.crash()
		meanwhile(r, accepted)
		runtime := hungList{r.docker, &atomic.Bool{}, mutes}
		runtime.hung.Store(true)
		began := time.Now()
		r.bootOn(runtime)
		<-r.engine.Ready()
		if took := time.Since(began); took > listPatience+time.Second {
			t.Errorf("ready after %s", took)
		}
		select {
		case <-r.engine.Surveyed():
			t.Error("surveyed without a list")
		default:
		}
		play(t, r, runtime)
		r.cancel()
		<-r.done
	})
}

// fakeOf finds the container of a task.
func (d *fakeDocker) fakeOf(id string) *fakeContainer {
	for _, f := range d.containers {
		if f.arn == arnOf(id) {
			return f
		}
	}
	return nil
}

func TestTheAgentGoesOnWithoutAList(t *testing.T) {
	withHungList(t, "", func(r *rig, accepted map[string][]byte) {
		r.onDocker(func(d *fakeDocker) {
			d.exitLocked(d.fakeOf("B"), 7)
			delete(d.containers, d.fakeOf("C").id)
			d.containers["stray"] = &fakeContainer{id: "stray", name: "ecs-stray", arn: arnOf("Z"), cname: "z", cluster: "prod", status: task.ContainerRunning, createdAt: time.Now()}
		})
		for _, key := range []string{"t/" + arnOf("D"), "c/" + arnOf("D") + "/cD"} {
			r.store.durable[key] = accepted[key]
		}
	}, func(t *testing.T, r *rig, runtime hungList) {
		r.engine.Stop(arnOf("E"))
		r.accept(t, &task.Task{ARN: arnOf("F"), Desired: task.Running, Containers: []*task.Container{{Name: "c", Image: "i", Essential: true}}})
		time.Sleep(10 * time.Second)
		want := map[string]task.Status{"A": task.Running, "B": task.Stopped, "C": task.Stopped, "D": task.Running, "E": task.Stopped, "F": task.Running}
		check := func() {
			t.Helper()
			for id, status := range want {
				if tk, known := r.engine.Task(arnOf(id)); !known || tk.Known != status {
					t.Errorf("%s is %+v, want %s", id, tk, status)
				}
			}
		}
		check()
		b, _ := r.engine.Task(arnOf("B"))
		c, _ := r.engine.Task(arnOf("C"))
		if code := b.Containers[0].ExitCode; code == nil || *code != 7 || c.Containers[0].Failure.Reason() != "ContainerVanishedError: No container matching saved ID found" {
			t.Errorf("B ended with %v, C with %q", code, c.Containers[0].Failure.Reason())
		}
		if r.calls("create") != 6 || r.calls("start") != 6 {
			t.Errorf("%d creates and %d starts", r.calls("create"), r.calls("start"))
		}
		runtime.hung.Store(false)
		<-r.engine.Surveyed()
		time.Sleep(time.Minute)
		want["Z"] = task.Running // taken over now
		check()
		if r.calls("create") != 6 || r.calls("start") != 6 {
			t.Errorf("after the list %d creates and %d starts", r.calls("create"), r.calls("start"))
		}
	})
}

// TestAStopWithoutAListAsksDocker: what a former run started may run although no record says so.
func TestAStopWithoutAListAsksDocker(t *testing.T) {
	withHungList(t, "cA cB", func(r *rig, accepted map[string][]byte) { r.store.durable = accepted }, func(t *testing.T, r *rig, _ hungList) {
		for _, id := range []string{"A", "B", "C", "D", "E"} {
			r.engine.Stop(arnOf(id))
		}
		time.Sleep(10 * time.Second)
		r.onDocker(func(d *fakeDocker) {
			for _, f := range d.containers {
				if f.status == task.ContainerRunning {
					t.Errorf("%s still runs", f.name)
				}
			}
		})
		for _, tk := range r.engine.Tasks() {
			if tk.Known != task.Stopped {
				t.Errorf("%s is %s", tk.ARN, tk.Known)
			}
		}
	})
}

// TestAListThatHangsDoesNotDelayTheNextStream: what happened while there was none is found out at once.
func TestAListThatHangsDoesNotDelayTheNextStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		runtime := hungList{r.docker, &atomic.Bool{}, ""}
		r.bootOn(runtime)
		<-r.engine.Ready()
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(time.Second)
		runtime.hung.Store(true)
		time.Sleep(listEvery + 31*time.Second) // the next list is under way
		runtime.hung.Store(false)
		r.docker.setDown(true, true)
		r.docker.setDown(false, false)
		time.Sleep(5 * time.Second)
		if code := r.exitCode("web"); r.taskStatus() != task.Stopped || code == nil || *code != 137 {
			t.Errorf("task is %s, exit code %v", r.taskStatus(), code)
		}
		r.cancel()
		<-r.done
	})
}

// TestHealthThatNoEventToldIsFound: otherwise what depends on it would wait for ever.
func TestHealthThatNoEventToldIsFound(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, containers(
			&task.Container{Name: "db", Essential: true, HealthCheckType: "docker"},
			&task.Container{Name: "app", Essential: true, DependsOn: []task.Dependency{{Container: "db", Condition: task.ConditionHealthy}}},
		))
		time.Sleep(200 * time.Millisecond)
		r.docker.setDown(true, false)
		time.Sleep(fakeHealthAfter)
		r.docker.setDown(false, false)
		time.Sleep(5 * time.Second)
		tk, _ := r.engine.Task(testARN)
		if db, _ := tk.Container("db"); tk.Known != task.Running || db.Health.Status != task.HealthHealthy {
			t.Errorf("task is %s, db %+v", tk.Known, db.Health)
		}
	})
}

// TestInspectsThatHangDoNotHoldUpOthers: more of them than may be under way at once.
func TestInspectsThatHangDoNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.bootOn(hungList{r.docker, &atomic.Bool{}, "hung"})
		<-r.engine.Ready()
		accept := func(id, container string) {
			r.accept(t, &task.Task{ARN: arnOf(id), Desired: task.Running, Containers: []*task.Container{{Name: container, Image: "i", Essential: true}}})
		}
		for i := range 3 * parallelInspects {
			accept(fmt.Sprint(i), "hung")
		}
		accept("ok", "ok")
		time.Sleep(time.Second)
		r.docker.mu.Lock()
		for _, f := range r.docker.containers {
			r.docker.exitLocked(f, 5)
		}
		r.docker.mu.Unlock()
		time.Sleep(10 * time.Second)
		if tk, _ := r.engine.Task(arnOf("ok")); tk.Known != task.Stopped {
			t.Errorf("the other task is %s", tk.Known)
		}
		r.cancel()
		<-r.done
	})
}

package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestATaskRunsToItsEnd(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.onDocker(func(d *fakeDocker) { d.lifetimes["web"] = lifetime{time.Second, 3} })
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(5 * time.Second)
		r.wantReports(t, "web RUNNING", "RUNNING", "web STOPPED", "STOPPED")
		tk, _ := r.engine.Task(testARN)
		if c := tk.Containers[0]; c.ExitCode == nil || *c.ExitCode != 3 {
			t.Errorf("exit code %v, want 3", c.ExitCode)
		}
		if tk.ExecutionStoppedAt.IsZero() || tk.PullStartedAt.IsZero() || tk.PullStoppedAt.IsZero() {
			t.Errorf("times missing: %+v", tk)
		}
		if r.calls("create") != 1 || r.calls("start") != 1 || r.calls("stop") != 0 || r.calls("inspect") != 2 {
			t.Errorf("calls %v, want one create, one start, and an inspect each for start and end", r.docker.calls)
		}
	})
}

func TestStoppingATaskCostsOneStopAndOneInspect(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(time.Second)
		before := r.calls("inspect")
		r.engine.Stop(testARN)
		time.Sleep(time.Second)
		r.wantReports(t, "web RUNNING", "RUNNING", "web STOPPED", "STOPPED")
		if r.calls("stop") != 1 || r.calls("inspect")-before != 1 {
			t.Errorf("%d stop and %d inspect calls", r.calls("stop"), r.calls("inspect")-before)
		}
	})
}

func TestDependentsStopFirst(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, containers(
			&task.Container{Name: "db", Essential: true},
			&task.Container{Name: "app", Essential: true, DependsOn: []task.Dependency{{Container: "db", Condition: task.ConditionStart}}},
		))
		time.Sleep(time.Second)
		r.engine.Stop(testARN)
		time.Sleep(time.Second)
		r.wantReports(t, "db RUNNING", "app RUNNING", "RUNNING", "app STOPPED", "db STOPPED", "STOPPED")
	})
}

func TestEssentialExitStopsTheOthers(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.onDocker(func(d *fakeDocker) { d.lifetimes["main"] = lifetime{time.Second, 1} })
		r.accept(t, containers(&task.Container{Name: "main", Essential: true}, &task.Container{Name: "side"}))
		time.Sleep(5 * time.Second)
		got := r.reported()
		if want := []string{"main STOPPED", "side STOPPED", "STOPPED"}; !slices.Equal(got[3:], want) {
			t.Errorf("after RUNNING: %q, want %q", got[3:], want)
		}
	})
}

func TestFailedDependencyFailsTheDependant(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.onDocker(func(d *fakeDocker) { d.lifetimes["init"] = lifetime{time.Second, 5} })
		r.accept(t, containers(
			&task.Container{Name: "init"},
			&task.Container{Name: "app", Essential: true, DependsOn: []task.Dependency{{Container: "init", Condition: task.ConditionSuccess}}},
		))
		time.Sleep(5 * time.Second)
		tk, _ := r.engine.Task(testARN)
		app, _ := tk.Container("app")
		if tk.Known != task.Stopped || app.ExitCode == nil || *app.ExitCode != exitCodeNeverRan {
			t.Errorf("task %s, app exit %v", tk.Known, app.ExitCode)
		}
		want := "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [init(busybox) (STOPPED->STOPPED) - Exit: 5] for target [app(busybox) (PULLED->RUNNING)] as dependency did not exit successfully."
		if got := r.reason("app"); got != want && !strings.Contains(got, "as dependency did not exit successfully.") {
			t.Errorf("reason %q", got)
		}
		if r.calls("create") != 1 {
			t.Error("the dependant was created")
		}
	})
}

func TestStartTimeoutOfADependency(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, containers(
			&task.Container{Name: "slow", StartTimeout: 10},
			&task.Container{Name: "app", Essential: true, DependsOn: []task.Dependency{{Container: "slow", Condition: task.ConditionComplete}}},
		))
		time.Sleep(9 * time.Second)
		if tk, _ := r.engine.Task(testARN); tk.Known == task.Stopped {
			t.Fatal("gave up too early")
		}
		time.Sleep(3 * time.Second)
		if got := r.reason("app"); !strings.HasSuffix(got, "has timed out.") {
			t.Errorf("reason %q", got)
		}
		if tk, _ := r.engine.Task(testARN); tk.Known != task.Stopped {
			t.Errorf("task is %s", tk.Known)
		}
	})
}

func TestRestartPolicyBringsAContainerBack(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.onDocker(func(d *fakeDocker) { d.lifetimes["flaky"] = lifetime{5 * time.Second, 1} })
		r.accept(t, containers(&task.Container{Name: "main", Essential: true}, &task.Container{Name: "flaky", RestartPolicy: &task.RestartPolicy{Enabled: true, AttemptPeriod: 2}}))
		time.Sleep(23 * time.Second)
		tk, _ := r.engine.Task(testARN)
		flaky, _ := tk.Container("flaky")
		if flaky.Known != task.ContainerRunning || flaky.Restarts == nil || flaky.Restarts.Count != 4 {
			t.Errorf("flaky is %s after %+v", flaky.Known, flaky.Restarts)
		}
		for _, line := range r.reported() {
			if line == "flaky STOPPED" {
				t.Error("a restart was reported as STOPPED")
			}
		}
	})
}

func TestCleanupWaitsForTheTimeAndForECS(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.onDocker(func(d *fakeDocker) { d.lifetimes["web"] = lifetime{time.Second, 0} })
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(59 * time.Minute)
		if r.calls("remove") != 0 {
			t.Error("removed too early")
		}
		time.Sleep(2 * time.Minute)
		r.onDocker(func(d *fakeDocker) {
			if _, known := r.engine.Task(testARN); known || d.calls["remove"] != 1 || len(d.containers) != 0 {
				t.Errorf("not cleaned up: known %v, %d removes", known, d.calls["remove"])
			}
		})
		if left := r.store.crash().durable; len(left) != 0 {
			t.Errorf("records left: %d", len(left))
		}
	})
}

func TestRemovedOutsideIsNoticedAtOnce(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(time.Second)
		r.docker.kill(true)
		time.Sleep(time.Second)
		if code := r.exitCode("web"); r.taskStatus() != task.Stopped || code == nil || *code != 137 {
			t.Errorf("task %s, exit code %v", r.taskStatus(), code)
		}
	})
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

const testARN = "arn:aws:ecs:us-west-2:123456789012:task/default/t1"

// scenario runs a test on a fresh engine in virtual time.
func scenario(t *testing.T, play func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.boot()
		<-r.engine.Ready()
		play(t, r)
		r.cancel()
		<-r.done
	})
}

func containers(cs ...*task.Container) *task.Task {
	for _, c := range cs {
		if c.Image == "" {
			c.Image = "busybox"
		}
	}
	return &task.Task{ARN: testARN, Family: "f", Revision: "1", Desired: task.Running, Containers: cs}
}

func (r *rig) accept(t *testing.T, tk *task.Task) {
	t.Helper()
	if err := r.engine.Accept(context.Background(), tk); err != nil {
		t.Fatal(err)
	}
}

// reported is what ECS heard so far, with the ARN left out.
func (r *rig) reported() []string {
	r.ecs.mu.Lock()
	defer r.ecs.mu.Unlock()
	var lines []string
	for _, l := range r.ecs.log {
		lines = append(lines, strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(l, testARN), "/")))
	}
	return lines
}

func (r *rig) wantReports(t *testing.T, want ...string) {
	t.Helper()
	if got := r.reported(); !slices.Equal(got, want) {
		t.Errorf("reported %q, want %q", got, want)
	}
}

func (r *rig) calls(kind string) int {
	r.docker.mu.Lock()
	defer r.docker.mu.Unlock()
	return r.docker.calls[kind]
}

// taskStatus, reason and exitCode are what ECS heard last.
func (r *rig) taskStatus() task.Status {
	r.ecs.mu.Lock()
	defer r.ecs.mu.Unlock()
	return r.ecs.tasks[testARN]
}

func (r *rig) reason(container string) string {
	r.ecs.mu.Lock()
	defer r.ecs.mu.Unlock()
	return r.ecs.reasons[testARN+"/"+container]
}

func (r *rig) exitCode(container string) *int {
	r.ecs.mu.Lock()
	defer r.ecs.mu.Unlock()
	return r.ecs.exits[testARN+"/"+container]
}

// onDocker changes the fake daemon.
func (r *rig) onDocker(change func(d *fakeDocker)) {
	r.docker.mu.Lock()
	defer r.docker.mu.Unlock()
	change(r.docker)
}

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

func TestCyclesAndUnknownReferencesAreRefused(t *testing.T) {
	on := func(name string) []task.Dependency {
		return []task.Dependency{{Container: name, Condition: task.ConditionStart}}
	}
	for name, c := range map[string]struct {
		tk   *task.Task
		want string
	}{
		"cycle":       {containers(&task.Container{Name: "a", DependsOn: on("b")}, &task.Container{Name: "b", DependsOn: on("a")}), "Task dependencies cannot be resolved, taskArn: " + testARN},
		"unknown":     {containers(&task.Container{Name: "a", DependsOn: on("nobody")}), "Task dependencies cannot be resolved, taskArn: " + testARN},
		"no health":   {containers(&task.Container{Name: "a"}, &task.Container{Name: "b", DependsOn: []task.Dependency{{Container: "a", Condition: task.ConditionHealthy}}}), "Task dependencies cannot be resolved, taskArn: " + testARN},
		"link":        {containers(&task.Container{Name: "a", Links: []string{"b:c:d"}}), "resource cannot be initialized for task " + testARN + ": invalid link format"},
		"link target": {containers(&task.Container{Name: "a", Links: []string{"b"}}), "resource cannot be initialized for task " + testARN + ": could not find container for link b"},
		"volumesFrom": {containers(&task.Container{Name: "a", VolumesFrom: []task.VolumeFrom{{SourceContainer: "b"}}}), "resource cannot be initialized for task " + testARN + ": could not find volume source container with name b"},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(t *testing.T, r *rig) {
				r.accept(t, c.tk)
				time.Sleep(time.Second)
				r.wantReports(t, "STOPPED "+c.want)
				if r.calls("create") != 0 {
					t.Error("a container was created")
				}
				if _, known := r.engine.Task(testARN); known {
					t.Error("kept after ECS acknowledged it")
				}
			})
		})
	}
}

func TestStopOfAnUnknownTaskIsReported(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		tk := containers(&task.Container{Name: "web", Essential: true})
		tk.Desired = task.Stopped
		r.accept(t, tk)
		time.Sleep(time.Second)
		r.wantReports(t, "web STOPPED", "STOPPED")
	})
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, &task.Task{ARN: testARN, Desired: task.Stopped})
		time.Sleep(time.Second)
		r.wantReports(t, "STOPPED "+reasonCannotStop)
	})
}

func TestTasksWaitForTheHostInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.config.Host = HostResources{CPU: 4096, Memory: 1024, ReservedTCP: []uint16{22}, GPUs: []string{"gpu0"}}
		r.boot()
		<-r.engine.Ready()
		add := func(id string, memory int64, ports []uint16, gpus ...string) {
			c := &task.Container{Name: "c", Image: "i", Essential: true, GPUIDs: gpus}
			for _, p := range ports {
				c.Ports = append(c.Ports, task.PortMapping{ContainerPort: 80, HostPort: p})
			}
			r.accept(t, &task.Task{ARN: arnOf(id), Memory: memory, Desired: task.Running, Containers: []*task.Container{c}})
			time.Sleep(time.Second)
		}
		want := func(running string) {
			t.Helper()
			got := ""
			for _, tk := range r.engine.Tasks() {
				if tk.Known == task.Running {
					got += tk.ID()
				}
			}
			if got != running {
				t.Errorf("running %q, want %q", got, running)
			}
		}
		add("A", 512, []uint16{80})
		add("B", 512, nil)
		add("C", 512, nil)
		add("D", 1, nil)
		want("AB")
		if tk, _ := r.engine.Task(arnOf("C")); tk.Engine.Waiting != "MEMORY (needs 512 MiB, 0 of 1024 free)" {
			t.Errorf("C waits for %q", tk.Engine.Waiting)
		}
		if use := r.engine.Host(); use.MemoryMiB != 1024 || use.MemoryUsedMiB != 1024 || use.Waiting != 2 {
			t.Errorf("the host: %+v", use)
		}
		r.engine.Stop(arnOf("C"))
		time.Sleep(time.Second)
		if tk, _ := r.engine.Task(arnOf("C")); tk.Known != task.Stopped {
			t.Error("a waiting task does not stop")
		}
		want("AB")
		r.engine.Stop(arnOf("A"))
		time.Sleep(time.Second)
		want("BD")
		add("E", 1, []uint16{22}) // can never fit, and holds up nobody
		add("F", 1, nil, "gpu9")
		add("G", 1, nil)
		want("BDG")
		if tk, _ := r.engine.Task(arnOf("E")); !tk.Engine.NeverFits || tk.Engine.Waiting != "PORTS_TCP (22 in use)" {
			t.Errorf("E waits for %q, never: %v", tk.Engine.Waiting, tk.Engine.NeverFits)
		}
		if tk, _ := r.engine.Task(arnOf("F")); tk.Known != task.Stopped || tk.TerminalReason != "Task gpu gpu9 not found in host gpus" {
			t.Errorf("F is %s: %q", tk.Known, tk.TerminalReason)
		}
		r.cancel()
		<-r.done
	})
}

func arnOf(id string) string { return "arn:aws:ecs:us-west-2:123456789012:task/default/" + id }

func TestRunningTasksSurviveARestartUntouched(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}, &task.Container{Name: "side"}))
		time.Sleep(time.Second)
		before := r.reported()
		creates, starts, stops := r.calls("create"), r.calls("start"), r.calls("stop")
		r.crash()
		r.boot()
		<-r.engine.Ready()
		time.Sleep(time.Second)
		if creates != r.calls("create") || starts != r.calls("start") || stops != r.calls("stop") {
			t.Errorf("containers were touched: %v", r.docker.calls)
		}
		if tk, _ := r.engine.Task(testARN); tk.Known != task.Running || tk.Sent != task.Running {
			t.Errorf("task is %s, sent %s", tk.Known, tk.Sent)
		}
		// Sent statuses came back from disk; the pipeline (not this fake) drops what ECS knows.
		if after := r.reported(); !slices.Equal(before, after[:len(before)]) {
			t.Errorf("reports changed: %q", after)
		}
	})
}

func TestExitWhileTheAgentWasDownIsReportedWithItsCode(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.onDocker(func(d *fakeDocker) { d.lifetimes["web"] = lifetime{10 * time.Second, 7} })
		r.accept(t, containers(&task.Container{Name: "web", Essential: true, RestartPolicy: &task.RestartPolicy{Enabled: true}}))
		time.Sleep(time.Second)
		r.crash()
		time.Sleep(time.Minute)
		r.boot()
		<-r.engine.Ready()
		time.Sleep(time.Second)
		if code := r.exitCode("web"); r.taskStatus() != task.Stopped || code == nil || *code != 7 {
			t.Errorf("task %s, exit code %v", r.taskStatus(), code)
		}
		if r.calls("start") != 1 {
			t.Error("restarted although it ended while no agent ran")
		}
	})
}

func TestVanishedContainerIsReported(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(time.Second)
		r.crash()
		r.onDocker(func(d *fakeDocker) { clear(d.containers) })
		r.boot()
		<-r.engine.Ready()
		time.Sleep(time.Second)
		if got := r.reason("web"); got != "ContainerVanishedError: No container matching saved ID found" {
			t.Errorf("reason %q", got)
		}
		if r.taskStatus() != task.Stopped || r.calls("create") != 1 {
			t.Errorf("task %s, %d creates", r.taskStatus(), r.calls("create"))
		}
	})
}

func TestCreatedButNeverRecordedContainerIsAdopted(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		tk := containers(&task.Container{Name: "web", Essential: true})
		r.accept(t, tk)
		// The crash comes right after the daemon made the container: its id is on no disk.
		for r.calls("create") == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(20 * time.Millisecond)
		r.crash()
		for key := range r.store.durable {
			if strings.HasPrefix(key, "c/") {
				delete(r.store.durable, key) // not even the first record
			}
		}
		r.boot()
		<-r.engine.Ready()
		time.Sleep(time.Second)
		r.onDocker(func(d *fakeDocker) {
			if len(d.containers) != 1 {
				t.Errorf("%d containers", len(d.containers))
			}
		})
		if r.taskStatus() != task.Running {
			t.Errorf("task is %s", r.taskStatus())
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
func (brokenDisk) Sync(context.Context) error    { return errors.New("no space left on device") }

func TestContainersWithoutARecordAreTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.config.AdoptStraysOf = "prod"
		stray := func(id, task, name, cluster string, status task.ContainerStatus) {
			r.docker.containers[id] = &fakeContainer{id: id, name: "ecs-" + id, arn: arnOf(task), cname: name, cluster: cluster, status: status, createdAt: time.Now()}
		}
		stray("1", "A", "web", "prod", task.ContainerRunning)
		stray("2", "B", "web", "other", task.ContainerRunning) // another cluster's
		stray("3", "C", "web", "prod", task.ContainerStopped)  // over
		r.boot()
		<-r.engine.Ready()
		time.Sleep(time.Second)
		if tasks := r.engine.Tasks(); len(tasks) != 1 || tasks[0].ARN != arnOf("A") || tasks[0].Known != task.Running {
			t.Errorf("took over %v", tasks)
		}
		if r.calls("create")+r.calls("start")+r.calls("stop") != 0 {
			t.Error("a container was touched")
		}
		r.engine.Stop(arnOf("A"))
		time.Sleep(time.Second)
		if tk, _ := r.engine.Task(arnOf("A")); tk.Known != task.Stopped || r.calls("stop") != 1 {
			t.Errorf("task is %s after %d stops", tk.Known, r.calls("stop"))
		}
		r.cancel()
		<-r.done
	})
}

func TestStepsWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.config.MaxPulls, r.config.MaxStarts = 1, 2
		busiest := 0
		watched := watchedPulls{fakeDocker: r.docker, busiest: &busiest}
		r.bootOn(&watched)
		<-r.engine.Ready()
		for i := range 20 {
			r.accept(t, &task.Task{ARN: arnOf(fmt.Sprint(i)), Desired: task.Running, Containers: []*task.Container{{Name: "c", Image: "i", Essential: true}}})
		}
		time.Sleep(time.Minute)
		for _, tk := range r.engine.Tasks() {
			if tk.Known != task.Running {
				t.Errorf("%s is %s", tk.ARN, tk.Known)
			}
		}
		if busiest != 1 {
			t.Errorf("%d pulls at once", busiest)
		}
		if pulls, starts := r.engine.Throttles(); pulls != (Throttle{Limit: 1}) || starts != (Throttle{Limit: 2}) {
			t.Errorf("left behind: %+v %+v", pulls, starts)
		}
		r.cancel()
		<-r.done
	})
}

// watchedPulls counts the pulls under way.
type watchedPulls struct {
	*fakeDocker
	mu      sync.Mutex
	now     int
	busiest *int
}

func (w *watchedPulls) Pull(ctx context.Context, t *task.Task, c *task.Container) (task.PullResult, error) {
	w.count(1)
	defer w.count(-1)
	return w.fakeDocker.Pull(ctx, t, c)
}

func (w *watchedPulls) count(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now += n
	*w.busiest = max(*w.busiest, w.now)
}

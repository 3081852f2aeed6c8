package engine

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

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

func TestAnAcceptanceOfTheLastMomentIsNoted(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, containers(&task.Container{Name: "web", Essential: true}))
		time.Sleep(time.Second)
		r.cancel()
		<-r.done
		r.engine.Acknowledge(testARN, task.Stopped, map[string]task.ContainerStatus{"web": task.ContainerStopped})
		r.engine.Conclude()
		if tk, _ := r.engine.Task(testARN); tk.Sent != task.Stopped || tk.Containers[0].Sent != task.ContainerStopped {
			t.Errorf("sent: task %s, container %s", tk.Sent, tk.Containers[0].Sent)
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

// TestTheNamespacesOfAStrayTaskOutliveItsContainers: the order of its stop is in no record.
func TestTheNamespacesOfAStrayTaskOutliveItsContainers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.config.AdoptStraysOf = "prod"
		for id, name := range map[string]string{"1": task.NetworkPauseName, "2": "web", "3": "side"} {
			r.docker.containers[id] = &fakeContainer{id: id, name: "ecs-" + id, arn: testARN, cname: name, cluster: "prod", status: task.ContainerRunning, createdAt: time.Now()}
		}
		r.boot()
		<-r.engine.Ready()
		time.Sleep(time.Second)
		r.engine.Stop(testARN)
		time.Sleep(time.Second)
		if len(r.docker.violations) > 0 || r.taskStatus() != task.Stopped {
			t.Errorf("task is %s, %q", r.taskStatus(), r.docker.violations)
		}
		r.cancel()
		<-r.done
	})
}

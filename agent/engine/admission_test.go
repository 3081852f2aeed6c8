package engine

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/aws/amazon-ecs-agent/agent/turnstile"
)

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

func TestStepsWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.config.MaxStarts = 1
		busiest := 0
		watched := watchedStarts{fakeDocker: r.docker, busiest: &busiest}
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
			t.Errorf("%d starts at once", busiest)
		}
		if starts := r.engine.Starts(); starts != (turnstile.State{Limit: 1}) {
			t.Errorf("left behind: %+v", starts)
		}
		r.cancel()
		<-r.done
	})
}

// watchedStarts counts the starts under way.
type watchedStarts struct {
	*fakeDocker
	mu      sync.Mutex
	now     int
	busiest *int
}

func (w *watchedStarts) Start(ctx context.Context, t *task.Task, c *task.Container) (*task.ContainerState, error) {
	w.count(1)
	defer w.count(-1)
	return w.fakeDocker.Start(ctx, t, c)
}

func (w *watchedStarts) count(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now += n
	*w.busiest = max(*w.busiest, w.now)
}

// onHost is a task with one container that takes memory and a port of the host; 0: none.
func onHost(id string, memory int64, port uint16) *task.Task {
	c := &task.Container{Name: "c", Image: "i", Essential: true}
	if port != 0 {
		c.Ports = []task.PortMapping{{ContainerPort: 80, HostPort: port}}
	}
	return &task.Task{ARN: arnOf(id), Memory: memory, Desired: task.Running, Containers: []*task.Container{c}}
}

// TestAStoppingTaskKeepsItsShareOverARestart: its replacement would find the port in use.
func TestAStoppingTaskKeepsItsShareOverARestart(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, onHost("old", 1, 80))
		time.Sleep(time.Second)
		r.onDocker(func(d *fakeDocker) { d.hangs["stop"] = hang{wait: time.Minute} })
		r.engine.Stop(arnOf("old"))
		time.Sleep(time.Second)
		r.crash()
		r.onDocker(func(d *fakeDocker) { d.hangs["stop"] = hang{wait: time.Minute} })
		r.boot()
		<-r.engine.Ready()
		r.accept(t, onHost("new", 1, 80))
		time.Sleep(time.Second)
		if tk, _ := r.engine.Task(arnOf("new")); tk.Engine.Admitted || tk.Engine.Waiting != "PORTS_TCP (80 in use)" {
			t.Errorf("the new one: admitted %t, waits for %q", tk.Engine.Admitted, tk.Engine.Waiting)
		}
		time.Sleep(2 * time.Minute)
		if tk, _ := r.engine.Task(arnOf("new")); tk.Known != task.Running {
			t.Errorf("the new one is %s when the old one has stopped", tk.Known)
		}
		r.engine.Stop(arnOf("new"))
		time.Sleep(time.Second)
		if use := r.engine.Host(); use.MemoryUsedMiB != 0 || use.Waiting != 0 {
			t.Errorf("left behind: %+v", use)
		}
	})
}

func TestWhatRunsIsCountedAlsoWhereItDoesNotFit(t *testing.T) {
	a := newAdmission(HostResources{CPU: 1024, Memory: 1000})
	if missing := a.account(onHost("A", 600, 80)); missing != "" {
		t.Errorf("A lacks %q", missing)
	}
	if missing := a.account(onHost("B", 600, 80)); missing != "MEMORY (needs 600 MiB, 400 of 1000 free), PORTS_TCP (80 in use)" {
		t.Errorf("B lacks %q", missing)
	}
	a.release(arnOf("A"))
	if a.sum.memory != 600 || a.sum.tcp[80] != 1 {
		t.Errorf("without A: %+v", a.sum)
	}
}

// TestWhatRunsIsCountedBeforeAnybodyIsAdmitted: a task that waits may be older than one that runs.
func TestWhatRunsIsCountedBeforeAnybodyIsAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.config.Host = HostResources{CPU: 4096, Memory: 1024}
		r.boot()
		<-r.engine.Ready()
		r.accept(t, onHost("waits", 2048, 0)) // the host is too small for it
		time.Sleep(time.Second)
		r.accept(t, onHost("runs", 1024, 0))
		time.Sleep(time.Second)
		r.crash()
		r.config.Host.Memory = 2560
		r.boot()
		<-r.engine.Ready()
		time.Sleep(time.Second)
		if tk, _ := r.engine.Task(arnOf("waits")); tk.Engine.Admitted {
			t.Errorf("admitted beside what runs: %+v", r.engine.Host())
		}
		r.engine.Stop(arnOf("runs"))
		time.Sleep(time.Second)
		if tk, _ := r.engine.Task(arnOf("waits")); tk.Known != task.Running {
			t.Errorf("the one that waits is %s", tk.Known)
		}
		r.cancel()
		<-r.done
	})
}

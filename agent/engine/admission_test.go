package engine

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
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

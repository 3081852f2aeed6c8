package engine

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// callLog notes the calls that change containers, in the order in which they return.
type callLog struct {
	*fakeDocker
	mu  sync.Mutex
	log []string
}

func (l *callLog) note(call string, c *task.Container) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = append(l.log, call+" "+c.Name)
}

func (l *callLog) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.log)
}

func (l *callLog) Pull(ctx context.Context, t *task.Task, c *task.Container) (task.PullResult, error) {
	l.note("pull", c)
	return l.fakeDocker.Pull(ctx, t, c)
}

func (l *callLog) Start(ctx context.Context, t *task.Task, c *task.Container) (*task.ContainerState, error) {
	defer l.note("start", c)
	return l.fakeDocker.Start(ctx, t, c)
}

func (l *callLog) Stop(ctx context.Context, t *task.Task, c *task.Container) (*task.ContainerState, error) {
	l.note("stop", c)
	return l.fakeDocker.Stop(ctx, t, c)
}

// logged is scenario with a log of the calls.
func logged(t *testing.T, play func(t *testing.T, r *rig, calls *callLog)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		calls := &callLog{fakeDocker: r.docker}
		r.bootOn(calls)
		<-r.engine.Ready()
		play(t, r, calls)
		r.cancel()
		<-r.done
	})
}

func sharing(pid, ipc string, cs ...*task.Container) *task.Task {
	tk := containers(cs...)
	tk.PIDMode, tk.IPCMode = pid, ipc
	return tk
}

func TestTheNamespacesOfATaskOutliveItsContainers(t *testing.T) {
	for _, modes := range [][2]string{{"task", ""}, {"", "task"}, {"task", "task"}} {
		logged(t, func(t *testing.T, r *rig, calls *callLog) {
			r.accept(t, sharing(modes[0], modes[1], &task.Container{Name: "app", Essential: true}, &task.Container{Name: "side"}))
			time.Sleep(time.Second)
			got := calls.lines()
			if len(got) != 5 || got[0] != "start "+task.NamespacePauseName || got[1][:4] != "pull" {
				t.Errorf("modes %q: started by %q; want the pause container first, and only then pulls", modes, got)
			}
			r.engine.Stop(testARN)
			time.Sleep(time.Second)
			got = calls.lines()[len(got):]
			slices.Sort(got[:2])
			if want := []string{"stop app", "stop side", "stop " + task.NamespacePauseName}; !slices.Equal(got, want) {
				t.Errorf("modes %q: stopped by %q, want %q", modes, got, want)
			}
			if r.taskStatus() != task.Stopped {
				t.Errorf("modes %q: task is %s", modes, r.taskStatus())
			}
		})
	}
}

func TestOtherModesNeedNoPauseContainer(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, sharing("host", "none", &task.Container{Name: "app", Essential: true}))
		time.Sleep(time.Second)
		if tk, _ := r.engine.Task(testARN); len(tk.Containers) != 1 || tk.Known != task.Running {
			t.Errorf("%d containers, task is %s", len(tk.Containers), tk.Known)
		}
	})
}

func TestThePauseContainerIsLikeTheOthersForTheHost(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, sharing("task", "", &task.Container{Name: "app", Essential: true}))
		time.Sleep(time.Second)
		tk, _ := r.engine.Task(testARN)
		pause, found := tk.Container(task.NamespacePauseName)
		if !found || !pause.Internal() || pause.Type != task.NamespacePause || !pause.Essential || pause.Image != task.PauseImage ||
			pause.RuntimeName == "" || pause.EndpointID != "" || pause.Known != task.ContainerRunning {
			t.Errorf("pause container %+v", pause)
		}
		if r.calls("pull") != 1 || r.calls("manifest") != 1 {
			t.Error("the image of the pause container was asked for in a registry")
		}
	})
}

func TestATaskEndsWithItsNamespaces(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		r.onDocker(func(d *fakeDocker) { d.lifetimes[task.NamespacePauseName] = lifetime{2 * time.Second, 137} })
		r.accept(t, sharing("task", "", &task.Container{Name: "app", Essential: true}))
		time.Sleep(10 * time.Second)
		if r.taskStatus() != task.Stopped || r.calls("stop") != 1 {
			t.Errorf("task is %s after %d stops, want STOPPED after that of the application", r.taskStatus(), r.calls("stop"))
		}
	})
}

func TestNoContainerOutlivesATaskWhosePauseContainerCannotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.bootOn(&noPause{r.docker})
		<-r.engine.Ready()
		r.accept(t, sharing("task", "", &task.Container{Name: "app", Essential: true}))
		time.Sleep(10 * time.Second)
		if r.taskStatus() != task.Stopped || r.calls("pull") != 0 || r.calls("create") != 1 {
			t.Errorf("task is %s after %d pulls and %d creates", r.taskStatus(), r.calls("pull"), r.calls("create"))
		}
		r.cancel()
		<-r.done
	})
}

// noPause is a runtime without the pause image's program.
type noPause struct{ *fakeDocker }

func (n *noPause) Start(ctx context.Context, t *task.Task, c *task.Container) (*task.ContainerState, error) {
	if c.Type == task.NamespacePause {
		return nil, &task.Error{Name: task.ErrCannotStartContainer, Message: "Error response from daemon: no such file"}
	}
	return n.fakeDocker.Start(ctx, t, c)
}

func TestTheStopOrderHoldsAfterARestart(t *testing.T) {
	logged(t, func(t *testing.T, r *rig, _ *callLog) {
		r.accept(t, sharing("task", "", &task.Container{Name: "app", Essential: true}, &task.Container{Name: "side"}))
		time.Sleep(time.Second)
		r.engine.Stop(testARN) // and the agent dies at once
		r.crash()
		calls := &callLog{fakeDocker: r.docker}
		r.bootOn(calls)
		<-r.engine.Ready()
		r.engine.Stop(testARN)
		time.Sleep(10 * time.Second)
		got := calls.lines()
		if len(got) == 0 || got[len(got)-1] != "stop "+task.NamespacePauseName || r.taskStatus() != task.Stopped {
			t.Errorf("task is %s after %q", r.taskStatus(), got)
		}
	})
}

func TestStopRequirements(t *testing.T) {
	pause := &task.Container{Name: "pause", Known: task.ContainerRunning, Transitions: task.TransitionSet{
		task.ContainerStopped: {Containers: []task.ContainerRequirement{{Container: "a", Status: task.ContainerStopped}, {Container: "gone", Status: task.ContainerStopped}}},
		task.ContainerPulled:  {Containers: []task.ContainerRequirement{{Container: "b", Status: task.ContainerStopped}}},
	}}
	a := &task.Container{Name: "a", Known: task.ContainerCreated}
	tk := containers(pause, a, &task.Container{Name: "b", Known: task.ContainerRunning})
	if got := blockingShutdown(tk, pause); !slices.Equal(got, []string{"a"}) {
		t.Errorf("held back by %q, want a", got)
	}
	a.Known = task.ContainerStopped
	if got := blockingShutdown(tk, pause); got != nil {
		t.Errorf("held back by %q", got)
	}
}

func TestGPUsGoToTheirContainers(t *testing.T) {
	gpu := func(name string, containers ...string) task.Association {
		return task.Association{Type: "gpu", Name: name, Containers: containers}
	}
	tests := []struct {
		name         string
		support      GPUSupport
		associations []task.Association
		want         []string // of container a
		runtime      string
		err          string
	}{
		{name: "in order", support: GPUSupport{true, "nvidia"}, associations: []task.Association{gpu("2", "a"), gpu("1", "a"), gpu("3", "b")}, want: []string{"2", "1"}, runtime: "nvidia"},
		{name: "external", support: GPUSupport{Enabled: true}, associations: []task.Association{gpu("1", "a")}, want: []string{"1"}},
		{name: "off", associations: []task.Association{gpu("1", "a", "nobody")}},
		{name: "other associations", support: GPUSupport{true, "nvidia"}, associations: []task.Association{{Type: "elastic-inference", Name: "x", Containers: []string{"a", "b"}}}},
		{name: "two containers", support: GPUSupport{true, "nvidia"}, associations: []task.Association{gpu("1", "a", "b")}, err: "could not associate multiple containers to GPU 1"},
		{name: "no container", support: GPUSupport{true, "nvidia"}, associations: []task.Association{gpu("1")}, err: "could not associate multiple containers to GPU 1"},
		{name: "unknown container", support: GPUSupport{true, "nvidia"}, associations: []task.Association{gpu("1", "c")}, err: "could not find container with name c for associating GPU 1"},
	}
	for _, tt := range tests {
		tk := containers(&task.Container{Name: "a"}, &task.Container{Name: "b"})
		tk.Associations = tt.associations
		given := tk.Containers[0]
		err := tt.support.assign(tk)
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%s: error %v, want %s", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil || !slices.Equal(tk.Containers[0].GPUIDs, tt.want) || tk.NvidiaRuntime != tt.runtime {
			t.Errorf("%s: %v, %v, runtime %q", tt.name, err, tk.Containers[0].GPUIDs, tk.NvidiaRuntime)
		}
		if given.GPUIDs != nil {
			t.Errorf("%s: a container that was handed out has changed", tt.name)
		}
	}
}

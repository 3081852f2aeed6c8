package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func (l *callLog) Provision(ctx context.Context, t *task.Task, c *task.Container) (task.Connection, error) {
	defer l.note("connect", c)
	return l.fakeDocker.Provision(ctx, t, c)
}

func (l *callLog) Disconnect(ctx context.Context, t *task.Task, c *task.Container) error {
	l.note("disconnect", c)
	return l.fakeDocker.Disconnect(ctx, t, c)
}

func (l *callLog) ReleaseAddress(ctx context.Context, t *task.Task) error {
	l.mu.Lock()
	l.log = append(l.log, "release")
	l.mu.Unlock()
	return l.fakeDocker.ReleaseAddress(ctx, t)
}

func connected(cs ...*task.Container) *task.Task {
	tk := containers(cs...)
	tk.NetworkMode = task.NetworkAWSVPC
	tk.ENIs = task.ENIs{{MAC: "02:00:00:00:00:01"}}
	return tk
}

const pause = task.NetworkPauseName

func TestTheNetworkOfATaskOutlivesItsContainers(t *testing.T) {
	logged(t, func(t *testing.T, r *rig, calls *callLog) {
		r.accept(t, connected(&task.Container{Name: "app", Essential: true}, &task.Container{Name: "side"}))
		time.Sleep(time.Second)
		got := calls.lines()
		if len(got) != 6 || got[0] != "start "+pause || got[1] != "connect "+pause {
			t.Errorf("started by %q; want the network first", got)
		}
		tk, _ := r.engine.Task(testARN)
		if tk.Known != task.Running || tk.LocalIPAddress == "" || tk.NetworkNamespace == "" || tk.DefaultNetworkInterface != "eth0" {
			t.Errorf("task is %s, network %q %q %q", tk.Known, tk.LocalIPAddress, tk.NetworkNamespace, tk.DefaultNetworkInterface)
		}
		if c, _ := tk.Container(pause); c.Known != task.ContainerResourcesProvisioned || !c.Internal() || !c.Essential || c.Image != task.PauseImage {
			t.Errorf("pause container %+v", c)
		}
		r.engine.Stop(testARN)
		time.Sleep(time.Second)
		got = calls.lines()[len(got):]
		slices.Sort(got[:2])
		if want := []string{"stop app", "stop side", "disconnect " + pause, "stop " + pause, "release"}; !slices.Equal(got, want) {
			t.Errorf("stopped by %q, want %q", got, want)
		}
		if tk, _ := r.engine.Task(testARN); tk.Known != task.Stopped || tk.LocalIPAddress != "" {
			t.Errorf("task is %s, local address %q", tk.Known, tk.LocalIPAddress)
		}
		if got := r.taskReason(); got != "" {
			t.Errorf("a reason nobody gave: %s", got)
		}
	})
}

// noNetwork is a runtime that cannot connect tasks.
type noNetwork struct {
	*callLog
	releases int // that fail
}

func (n *noNetwork) Provision(context.Context, *task.Task, *task.Container) (task.Connection, error) {
	return task.Connection{}, &task.Error{Name: task.ErrContainerNetworking, Message: "container resource provisioning: no"}
}

func (n *noNetwork) Disconnect(context.Context, *task.Task, *task.Container) error {
	return errors.New("nothing there")
}

func (n *noNetwork) ReleaseAddress(ctx context.Context, t *task.Task) error {
	if n.releases > 0 {
		n.releases--
		return errors.New("locked")
	}
	return n.callLog.ReleaseAddress(ctx, t)
}

func (r *rig) taskReason() string {
	r.ecs.mu.Lock()
	defer r.ecs.mu.Unlock()
	return r.ecs.reasons[testARN]
}

func TestATaskWithoutItsNetworkStopsAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		calls := &callLog{fakeDocker: r.docker}
		r.bootOn(&noNetwork{callLog: calls, releases: 2})
		<-r.engine.Ready()
		r.accept(t, connected(&task.Container{Name: "app", Essential: true}))
		time.Sleep(time.Second)
		if got := r.taskReason(); r.taskStatus() != task.Stopped || got != "ContainerNetworkingError: container resource provisioning: no" {
			t.Errorf("task is %s, reason %q", r.taskStatus(), got)
		}
		if want := []string{"start " + pause, "stop " + pause}; !slices.Equal(calls.lines(), want) {
			t.Errorf("calls %q, want %q", calls.lines(), want)
		}
		tk, _ := r.engine.Task(testARN)
		if app, _ := tk.Container("app"); app.RuntimeID != "" || app.Known != task.ContainerStopped {
			t.Errorf("app %+v", app)
		}
		time.Sleep(2 * disconnectRetry)
		if got := calls.lines(); got[len(got)-1] != "release" {
			t.Errorf("calls %q: the address was not released", got)
		}
		r.cancel()
		<-r.done
	})
}

func TestALostPauseContainerEndsItsTask(t *testing.T) {
	logged(t, func(t *testing.T, r *rig, calls *callLog) {
		r.accept(t, connected(&task.Container{Name: "app", Essential: true}))
		time.Sleep(time.Second)
		r.onDocker(func(d *fakeDocker) {
			for _, f := range d.containers {
				if f.cname == pause {
					d.exitLocked(f, 137)
				}
			}
		})
		time.Sleep(time.Second)
		got := calls.lines()
		if r.taskStatus() != task.Stopped || !slices.Contains(got, "stop app") || slices.Contains(got, "stop "+pause) || got[len(got)-1] != "release" {
			t.Errorf("task is %s, calls %q", r.taskStatus(), got)
		}
	})
}

func TestTheNetworkOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		boot := func() *callLog {
			calls := &callLog{fakeDocker: r.docker}
			r.bootOn(calls)
			<-r.engine.Ready()
			return calls
		}
		boot()
		r.accept(t, connected(&task.Container{Name: "app", Essential: true}))
		time.Sleep(time.Second)
		r.crash()
		calls := boot()
		time.Sleep(time.Second)
		tk, _ := r.engine.Task(testARN)
		if len(calls.lines()) != 0 || tk.Known != task.Running || tk.LocalIPAddress == "" {
			t.Errorf("after a restart: calls %q, task is %s with address %q", calls.lines(), tk.Known, tk.LocalIPAddress)
		}
		r.engine.Stop(testARN)
		time.Sleep(time.Second)
		r.crash()
		if calls = boot(); len(calls.lines()) != 0 {
			t.Errorf("what was let go of once is let go of again: %q", calls.lines())
		}
		time.Sleep(time.Second)
		if len(calls.lines()) != 0 {
			t.Errorf("what was let go of once is let go of again: %q", calls.lines())
		}
		r.cancel()
		<-r.done
	})
}

// hangingNetwork never gets done with connecting a task.
type hangingNetwork struct{ *callLog }

func (hangingNetwork) Provision(ctx context.Context, _ *task.Task, _ *task.Container) (task.Connection, error) {
	<-ctx.Done()
	return task.Connection{}, ctx.Err()
}

func TestAKilledSetUpBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(1)
		r.bootOn(hangingNetwork{&callLog{fakeDocker: r.docker}})
		<-r.engine.Ready()
		r.accept(t, connected(&task.Container{Name: "app", Essential: true}))
		time.Sleep(time.Second)
		r.crash()
		calls := &callLog{fakeDocker: r.docker}
		r.bootOn(calls)
		<-r.engine.Ready()
		time.Sleep(time.Second)
		if got := calls.lines(); len(got) == 0 || got[0] != "connect "+pause || r.taskStatus() != task.Running {
			t.Errorf("calls %q, task is %s", got, r.taskStatus())
		}
		r.cancel()
		<-r.done
	})
}

// An interface that a later task has got by now brings its address with it.
func TestTheAddressOfALaterTaskIsNotReleased(t *testing.T) {
	logged(t, func(t *testing.T, r *rig, calls *callLog) {
		first, second := connected(&task.Container{Name: "app", Essential: true}), connected(&task.Container{Name: "app", Essential: true})
		second.ARN = arnOf("second")
		r.accept(t, first)
		r.accept(t, second)
		time.Sleep(time.Second)
		r.engine.Stop(testARN)
		time.Sleep(time.Second)
		if slices.Contains(calls.lines(), "release") {
			t.Errorf("calls %q", calls.lines())
		}
	})
}

func TestThePauseImageAndItsUser(t *testing.T) {
	config := func(s string) task.DockerConfig { return task.DockerConfig{Config: &s} }
	envoy := func(c task.DockerConfig) *task.Container { return &task.Container{Name: "envoy", DockerConfig: c} }
	for _, test := range []struct {
		name      string
		image     string
		mesh      *task.AppMesh
		proxy     *task.Container
		want, err string // raw config of the pause container
	}{
		{"the image that came with the agent", "", &task.AppMesh{ContainerName: "envoy"}, envoy(config(`{"User":"1337"}`)), "", ""},
		{"another image", "my/pause:1", nil, envoy(config(`{}`)), "", ""},
		{"another image with App Mesh", "my/pause:1", &task.AppMesh{ContainerName: "envoy"}, envoy(config(`{"User":"1337:35","Tty":true}`)), `{"User":"1337:35"}`, ""},
		{"no user", "my/pause:1", &task.AppMesh{ContainerName: "envoy"}, envoy(config(`{}`)), "", "user needs to be specified for proxy container"},
		{"no proxy", "my/pause:1", &task.AppMesh{ContainerName: "other"}, envoy(config(`{"User":"1"}`)), "", "user needs to be specified for proxy container"},
		{"no config", "my/pause:1", &task.AppMesh{ContainerName: "envoy"}, envoy(task.DockerConfig{}), "", "user needs to be specified for proxy container"},
		{"a config that is none", "my/pause:1", &task.AppMesh{ContainerName: "envoy"}, envoy(config(`{"User":1}`)), "", "unable to decode given docker config: json: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			tk := connected(test.proxy)
			tk.AppMesh = test.mesh
			err := addNetworkPause(tk, test.image)
			if test.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.err) {
					t.Errorf("%v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c, _ := tk.Container(pause)
			image := test.image
			if image == "" {
				image = task.PauseImage
			}
			got := ""
			if c.DockerConfig.Config != nil {
				got = *c.DockerConfig.Config
			}
			if c.Image != image || got != test.want {
				t.Errorf("image %s, config %s, want %s", c.Image, got, test.want)
			}
		})
	}
}

func TestWhoOwnsAnInterface(t *testing.T) {
	logged(t, func(t *testing.T, r *rig, _ *callLog) {
		owned := func(mac string) bool { return r.engine.OwnsInterface(mac) }
		if owned("02:00:00:00:00:01") {
			t.Error("owned by nobody")
		}
		r.accept(t, connected(&task.Container{Name: "app", Essential: true}))
		if time.Sleep(time.Second); !owned("02:00:00:00:00:01") || owned("02:00:00:00:00:02") {
			t.Error("the interface of a running task is not owned, or another one is")
		}
		r.engine.Stop(testARN)
		if time.Sleep(time.Second); owned("02:00:00:00:00:01") {
			t.Error("still owned after the release")
		}
		lost := containers(&task.Container{Name: pause, Essential: true})
		lost.ARN = arnOf("lost")
		r.accept(t, lost)
		if !owned("02:00:00:00:00:02") {
			t.Error("a task with unknown interfaces may own any")
		}
	})
}

func TestATaskSaysWhyItsPauseContainerCannotBe(t *testing.T) {
	for _, tk := range []*task.Task{
		connected(&task.Container{Name: "app", Essential: true}),
		sharing("task", "", &task.Container{Name: "app", Essential: true}),
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(1)
			r.bootOn(noPauseImage{r.docker})
			<-r.engine.Ready()
			r.accept(t, tk)
			time.Sleep(time.Second)
			if got, want := r.taskReason(), "CannotCreateContainerError: No such image"; r.taskStatus() != task.Stopped || got != want {
				t.Errorf("task is %s, reason %q, want %q", r.taskStatus(), got, want)
			}
			r.cancel()
			<-r.done
		})
	}
}

// noPauseImage is a runtime without the image of pause containers.
type noPauseImage struct{ *fakeDocker }

func (n noPauseImage) Create(ctx context.Context, t *task.Task, c *task.Container) (task.CreateResult, error) {
	if c.Internal() {
		return task.CreateResult{}, &task.Error{Name: task.ErrCannotCreateContainer, Message: "No such image"}
	}
	return n.fakeDocker.Create(ctx, t, c)
}

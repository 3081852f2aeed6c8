//go:build integration

package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// hungRig has a proxy between the engine and Docker that makes calls hang.
type hungRig struct {
	*realRig
	proxy *dockertest.Proxy
}

func newHungRig(t *testing.T) *hungRig {
	t.Helper()
	proxy := dockertest.StartProxy(t)
	return &hungRig{newRealRig(t, proxy.Endpoint, 5*time.Second), proxy}
}

func (r *hungRig) hung(call string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); r.proxy.Hung(call) == 0; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("no call %q", call)
		}
	}
}

// TestHungCallsAffectTheirOwnTaskOnly: while a look at a manifest, a pull, a create, a start, an inspect and a stop hang, other tasks start and
// stop; and each call that hangs ends with its error.
func TestHungCallsAffectTheirOwnTaskOnly(t *testing.T) {
	r := newHungRig(t)
	name := "ecs-" + r.prefix + "-"
	create, start := `POST /containers/create\?name=`+name+"create", "POST /containers/"+name+"start.*/start"
	inspect, stop := "GET /containers/"+name+"inspect.*/json", "POST /containers/"+name+"stop.*/stop"
	pull, manifest := "POST /images/create.*"+r.prefix, "GET /distribution/.*"+r.prefix
	for _, call := range []string{create, start, inspect, stop, pull, manifest} {
		r.proxy.Hang(call, false)
	}
	r.runOne("stop")
	r.awaitOne("stop", task.Running, 30*time.Second)
	r.Stop(r.arn("stop"))
	for _, kind := range []string{"create", "start", "inspect"} {
		r.runOne(kind)
	}
	const digest = "@sha256:c3839dd800b9eb7603340509769c43e146a74c63dca3045a8e7dc8ee07e53966" // no manifest to ask for
	for _, name := range []string{"pull", "samepull", "stoppedpull"} {                        // one pull for all
		r.runOne(name, func(c *task.Container) { c.Image = "127.0.0.1:1/" + r.prefix + digest })
	}
	r.runOne("manifest", func(c *task.Container) { c.Image = "127.0.0.1:1/" + r.prefix + ":latest" })
	for _, call := range []string{create, start, inspect, stop, pull, manifest} {
		r.hung(call)
	}

	// All of them hang now, for seconds.
	began := time.Now()
	r.Stop(r.arn("stoppedpull"))
	if c := r.awaitOne("stoppedpull", task.Stopped, 4*time.Second); c.Failure != nil {
		t.Errorf("stopped while it pulled: %q", c.Failure.Reason())
	}
	for i := range 5 {
		kind := "other" + string(rune('0'+i))
		r.runOne(kind)
		r.awaitOne(kind, task.Running, 20*time.Second)
		r.Stop(r.arn(kind))
		// Which code it is depends on whether the program listens for signals already.
		if c := r.awaitOne(kind, task.Stopped, 20*time.Second); c.ExitCode == nil || c.Failure != nil {
			t.Errorf("%s: exit code %v, failure %v", kind, c.ExitCode, c.Failure)
		}
	}
	t.Logf("5 other tasks took %s", time.Since(began))

	const timeout = "DockerTimeoutError: Could not transition to "
	for kind, want := range map[string]string{
		"create":   timeout + "created; timed out after waiting 5s",
		"start":    timeout + "started; timed out after waiting 5s",
		"pull":     timeout + "pulled; timed out after waiting 5s",
		"samepull": timeout + "pulled; timed out after waiting 5s",
	} {
		if c := r.awaitOne(kind, task.Stopped, 60*time.Second); c.Failure.Reason() != want {
			t.Errorf("%s: %q", kind, c.Failure.Reason())
		}
	}
	// An inspect that hangs kills nobody; the end of the container shows its exit code all the same.
	c := r.awaitOne("inspect", task.Running, 30*time.Second)
	if err := dockertest.SDK(t).ContainerKill(t.Context(), c.RuntimeID, "KILL"); err != nil {
		t.Fatal(err)
	}
	if c = r.awaitOne("inspect", task.Stopped, 30*time.Second); c.ExitCode == nil || *c.ExitCode != 137 {
		t.Errorf("inspect: %+v", c)
	}
	// The stop goes on trying; when the container ends meanwhile the task is over.
	running, _ := r.Task(r.arn("stop"))
	if running.Known == task.Stopped {
		t.Error("reported as stopped while it runs")
	}
	if err := dockertest.SDK(t).ContainerKill(t.Context(), running.Containers[0].RuntimeID, "KILL"); err != nil {
		t.Fatal(err)
	}
	if c = r.awaitOne("stop", task.Stopped, 30*time.Second); c.ExitCode == nil || *c.ExitCode != 137 {
		t.Errorf("stop: %+v", c)
	}
}

// TestAListThatHangsKeepsNoAgentAway: one that starts goes on with a look at each container it knows.
func TestAListThatHangsKeepsNoAgentAway(t *testing.T) {
	r := newHungRig(t)
	for _, name := range []string{"runs", "ends", "stops"} {
		r.runOne(name)
	}
	runs, ends := r.awaitOne("runs", task.Running, 30*time.Second), r.awaitOne("ends", task.Running, 30*time.Second)
	r.awaitOne("stops", task.Running, 30*time.Second)
	before := r.real(runs)
	r.end()
	if err := dockertest.SDK(t).ContainerKill(t.Context(), ends.RuntimeID, "KILL"); err != nil {
		t.Fatal(err)
	}
	const list = "GET /containers/json"
	r.proxy.Hang(list, false)
	began := time.Now()
	r.boot(r.Tasks()) // returns when the engine is ready
	if took := time.Since(began); r.proxy.Hung(list) == 0 || took > 20*time.Second {
		t.Errorf("ready after %s, with %d lists that hang", took, r.proxy.Hung(list))
	}
	r.Stop(r.arn("stops"))
	r.awaitOne("stops", task.Stopped, 30*time.Second)
	if c := r.awaitOne("ends", task.Stopped, 30*time.Second); c.ExitCode == nil || *c.ExitCode != 137 {
		t.Errorf("ends: %+v", c)
	}
	r.runOne("new")
	r.awaitOne("new", task.Running, 30*time.Second)
	if tk, _ := r.Task(r.arn("runs")); tk.Known != task.Running || r.real(runs).StartedAt != before.StartedAt {
		t.Errorf("runs: %s, %+v", tk.Known, r.real(runs))
	}
}

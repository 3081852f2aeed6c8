package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// fetches gives every task one resource that is fetched with the execution role and held in memory. Fetching takes a
// second.
type fetches struct {
	mu    sync.Mutex
	calls []string // "create", "release", "remove"; "given up" for a create whose context ended
	fail  error
	hang  bool
}

func (f *fetches) Plan(*task.Task) ([]task.Resource, error) {
	return []task.Resource{{Kind: task.ResourceSSMSecrets, Name: task.ResourceSSMSecrets, Spec: []byte("{}")}}, nil
}

func (f *fetches) Create(ctx context.Context, _ *task.Task, _ *task.Resource) error {
	f.note("create")
	limit := time.Second
	if f.hang {
		limit = time.Hour
	}
	select {
	case <-time.After(limit):
		return f.fail
	case <-ctx.Done():
		f.note("given up")
		return ctx.Err()
	}
}

func (f *fetches) Release(context.Context, *task.Task) { f.note("release") }
func (f *fetches) Remove(context.Context, *task.Task, *task.Resource) error {
	f.note("remove")
	return nil
}

func (f *fetches) note(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

func (f *fetches) want(t *testing.T, want ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.calls, want) {
		t.Errorf("calls %q, want %q", f.calls, want)
	}
}

// fetching plays a task with a secret on an engine whose resources are f.
func fetching(t *testing.T, f *fetches, play func(t *testing.T, r *rig)) {
	t.Helper()
	scenario(t, func(t *testing.T, r *rig) {
		r.config.Resources = f
		r.crash() // to begin anew, with f
		r.boot()
		<-r.engine.Ready()
		play(t, r)
	})
}

func withSecret() *task.Task {
	tk := containers(&task.Container{Name: "web", Essential: true, Secrets: []task.Secret{{Name: "S", Provider: task.ProviderSSM}}})
	tk.ExecutionCredentialsID = "exec"
	return tk
}

// holdRole does what ACS does when it gets credentials.
func (r *rig) holdRole() {
	r.config.Credentials.Set(credentials.Credentials{ID: "exec"})
	r.engine.SetCredentials(testARN, credentials.Execution, "exec")
}

func (r *rig) waiting() string {
	tk, _ := r.engine.Task(testARN)
	return tk.Engine.Waiting
}

func TestAFetchWaitsForTheExecutionRole(t *testing.T) {
	f := &fetches{}
	fetching(t, f, func(t *testing.T, r *rig) {
		r.accept(t, withSecret())
		time.Sleep(time.Hour)
		f.want(t)
		if r.calls("create") > 0 || r.waiting() != waitsForRole {
			t.Errorf("%d containers created, waits for %q", r.calls("create"), r.waiting())
		}
		r.holdRole()
		time.Sleep(5 * time.Second)
		f.want(t, "create", "release")
		if r.taskStatus() != task.Running || r.waiting() != "" {
			t.Errorf("task is %s, waits for %q", r.taskStatus(), r.waiting())
		}
	})
}

func TestAFetchThatFailsEndsItsTask(t *testing.T) {
	f := &fetches{fail: errors.New("fetching secret data:  access\ndenied")}
	fetching(t, f, func(t *testing.T, r *rig) {
		r.holdRole()
		r.accept(t, withSecret())
		time.Sleep(5 * time.Second)
		tk, _ := r.engine.Task(testARN)
		if r.taskStatus() != task.Stopped || tk.TerminalReason != "Fetching secret data: access denied" || r.calls("create") > 0 {
			t.Errorf("task is %s because of %q, %d containers created", r.taskStatus(), tk.TerminalReason, r.calls("create"))
		}
		f.want(t, "create", "release")
	})
}

// Whether a task could be prepared is found out in part by calls; the reason is the same.
func TestAPreparationThatFailsGivesItsReasonAsItIs(t *testing.T) {
	f := &fetches{fail: &task.PrepareError{TaskARN: testARN, Cause: errors.New("initialize volume:  no such volume")}}
	fetching(t, f, func(t *testing.T, r *rig) {
		r.holdRole()
		r.accept(t, withSecret())
		time.Sleep(5 * time.Second)
		want := "resource cannot be initialized for task " + testARN + ": initialize volume:  no such volume"
		if tk, _ := r.engine.Task(testARN); tk.TerminalReason != want {
			t.Errorf("reason %q, want %q", tk.TerminalReason, want)
		}
	})
}

func TestATaskThatStopsGivesUpItsFetch(t *testing.T) {
	f := &fetches{hang: true}
	fetching(t, f, func(t *testing.T, r *rig) {
		r.holdRole()
		r.accept(t, withSecret())
		time.Sleep(time.Minute)
		r.engine.Stop(testARN)
		time.Sleep(time.Second)
		tk, _ := r.engine.Task(testARN)
		if r.taskStatus() != task.Stopped || tk.TerminalReason != "" {
			t.Errorf("task is %s because of %q", r.taskStatus(), tk.TerminalReason)
		}
		f.want(t, "create", "given up", "release")
		r.engine.Acknowledge(testARN, task.Stopped, nil)
		time.Sleep(2 * time.Hour)
		f.want(t, "create", "given up", "release", "remove")
	})
}

// What was fetched died with the agent: it is fetched again, by whoever still has to create a container.
func TestFetchesAreRepeatedAfterARestart(t *testing.T) {
	f := &fetches{}
	fetching(t, f, func(t *testing.T, r *rig) {
		r.onDocker(func(d *fakeDocker) { d.hangs["pull"] = hang{wait: time.Hour} })
		r.holdRole()
		r.accept(t, withSecret())
		time.Sleep(5 * time.Second)
		f.want(t, "create")
		r.crash()
		r.boot()
		<-r.engine.Ready()
		time.Sleep(time.Minute)
		if r.waiting() != waitsForRole {
			t.Errorf("waits for %q", r.waiting())
		}
		r.holdRole()
		time.Sleep(5 * time.Second)
		f.want(t, "create", "create", "release")
		if r.taskStatus() != task.Running || r.calls("create") != 1 {
			t.Errorf("task is %s, %d containers created", r.taskStatus(), r.calls("create"))
		}
		r.crash()
		r.boot()
		<-r.engine.Ready()
		r.holdRole()
		time.Sleep(time.Minute)
		if n := r.calls("create"); n != 1 {
			t.Errorf("%d containers created", n)
		}
	})
}

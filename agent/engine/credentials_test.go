package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// wantRoles looks which credentials ids are known to the endpoint, with credentials or without.
func (r *rig) wantRoles(t *testing.T, when string, want ...string) {
	t.Helper()
	var known []string
	for _, id := range []string{"app", "app-2", "exec", "exec-2"} {
		if _, is := r.config.Credentials.Get(id); is {
			known = append(known, id)
		}
	}
	if !slices.Equal(known, want) {
		t.Errorf("%s: known are %q, want %q", when, known, want)
	}
}

// Those of the task role go when the task stops; those of the execution role stay for its logs until it is cleaned up.
func TestCredentialsGoWithTheirTask(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		send := func(role credentials.RoleType, id string) {
			r.config.Credentials.Set(credentials.Credentials{ID: id, TaskARN: testARN, RoleType: role})
			r.engine.SetCredentials(testARN, role, id)
		}
		send(credentials.Application, "app")
		send(credentials.Execution, "exec")
		tk := containers(&task.Container{Name: "web", Essential: true})
		tk.CredentialsID, tk.ExecutionCredentialsID = "app", "exec"
		r.accept(t, tk)
		send(credentials.Application, "app-2") // under another id than before
		send(credentials.Execution, "exec-2")
		time.Sleep(time.Minute)
		r.wantRoles(t, "running", "app", "app-2", "exec", "exec-2")
		r.engine.Stop(testARN)
		time.Sleep(time.Minute)
		r.wantRoles(t, "stopped", "exec", "exec-2")

		// The next agent expects those of the tasks it finds, whatever became of them.
		r.crash()
		r.boot()
		<-r.engine.Ready()
		r.wantRoles(t, "restored", "app-2", "exec-2")
		time.Sleep(2 * time.Hour)
		if _, known := r.engine.Task(testARN); known {
			t.Error("the task is not cleaned up")
		}
		r.wantRoles(t, "cleaned up")
	})
}

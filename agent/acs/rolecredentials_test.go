package acs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestRefreshedCredentials(t *testing.T) {
	var golden struct {
		Cases []struct {
			Name      string
			TaskKnown bool
			Receive   envelope
			Send      []envelope
			Effect    struct {
				Stored                                        bool
				TaskCredentialsID, TaskExecutionCredentialsID string
			}
			Log string
		}
	}
	goldenfile.Read(t, "testdata/refresh_credentials.json", &golden)
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			b := newBench(0)
			arn := taskPrefix + "t1"
			if c.TaskKnown {
				b.engine.add(&task.Task{ARN: arn, Desired: task.Running})
			}
			logged := logs.Mark()
			raw, _ := json.Marshal(c.Receive)
			same(t, "answers", b.receive(t, raw), expected(t, c.Send))
			var m credentialsMessage
			_ = json.Unmarshal(c.Receive.Message, &m)
			if got, _ := b.store.Get(m.Credentials.CredentialsID); (got != nil) != c.Effect.Stored {
				t.Errorf("stored: %v", got)
			}
			if got := b.engine.credentials[arn+" TaskApplication"]; got != c.Effect.TaskCredentialsID {
				t.Errorf("task role %q", got)
			}
			if got := b.engine.credentials[arn+" TaskExecution"]; got != c.Effect.TaskExecutionCredentialsID {
				t.Errorf("execution role %q", got)
			}
			if !strings.Contains(logged(), c.Log) || strings.Contains(logged(), "AKIDEXAMPLE") || strings.Contains(logged(), "secretAccessKey") {
				t.Errorf("logged %s", logged())
			}
		})
	}
}

// A task that has stopped needs no credentials; the service is told that all is well.
func TestCredentialsOfAStoppedTaskAreNotKept(t *testing.T) {
	b := newBench(0)
	b.engine.add(&task.Task{ARN: "a", Known: task.Stopped, Desired: task.Stopped})
	got := b.receive(t, frame("IAMRoleCredentialsMessage", `{"messageId":"m","taskArn":"a","roleType":"TaskApplication","roleCredentials":{"credentialsId":"id"}}`))
	if len(got) != 1 {
		t.Errorf("answers %v", got)
	}
	if c, known := b.store.Get("id"); c != nil || known {
		t.Error("kept")
	}
}

// endsAtOnce is an engine whose task ends while its credentials are being set.
type endsAtOnce struct{ *fakeEngine }

func (e endsAtOnce) SetCredentials(arn string, role credentials.RoleType, id string) bool {
	known := e.fakeEngine.SetCredentials(arn, role, id)
	e.tasks[0] = &task.Task{ARN: arn, Known: task.Stopped}
	return known
}

func TestCredentialsOfATaskThatEndsMeanwhileAreNotKept(t *testing.T) {
	b := newBench(0)
	b.engine.add(&task.Task{ARN: "a", Desired: task.Running})
	b.config.Engine = endsAtOnce{b.engine}
	b.receive(t, frame("IAMRoleCredentialsMessage", `{"messageId":"m","taskArn":"a","roleType":"TaskApplication","roleCredentials":{"credentialsId":"id"}}`))
	if c, known := b.store.Get("id"); c != nil || known {
		t.Error("kept")
	}
}

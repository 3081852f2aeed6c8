//go:build integration

package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// patience bounds every wait for Docker; a quiet machine needs a fraction of it.
const patience = time.Minute

// dependent is container "b", which depends on "a" and decides about the task.
func dependent(condition task.Condition) *task.Container {
	return &task.Container{Name: "b", Essential: true, DependsOn: []task.Dependency{{Container: "a", Condition: condition}}}
}

// healthCheck is a raw container configuration with a health check of one command.
func healthCheck(command ...string) task.DockerConfig {
	config := fmt.Sprintf(`{"Healthcheck":{"Test":["CMD","%s"],"Interval":300000000,"Timeout":5000000000,"Retries":1}}`, strings.Join(command, `","`))
	return task.DockerConfig{Config: &config}
}

// TestDependsOnConditions plays each condition of dependsOn to its good end, and looks at Docker's own times.
func TestDependsOnConditions(t *testing.T) {
	r := newRealRig(t, dockertest.Endpoint(), patience)
	for name, a := range map[string]*task.Container{
		"START":    {},
		"COMPLETE": {Command: []string{"later", "300ms", "3"}},
		"SUCCESS":  {Command: []string{"later", "300ms", "0"}},
		"HEALTHY":  {HealthCheckType: "docker", DockerConfig: healthCheck("/app", "check", "0")},
	} {
		a.Name = "a"
		r.run(name, a, dependent(task.Condition(name)))
	}
	for _, name := range []string{"START", "COMPLETE", "SUCCESS", "HEALTHY"} {
		c := r.until(name, "b running", patience, func(t *task.Task) bool { return t.Containers[1].Known == task.ContainerRunning })
		a, b := r.real(c["a"]), r.real(c["b"])
		after := a.StartedAt
		switch name {
		case "COMPLETE", "SUCCESS":
			after = a.FinishedAt
			if a.Running {
				t.Errorf("%s: a still runs", name)
			}
		case "HEALTHY":
			if len(a.Health.Log) == 0 {
				t.Fatal("HEALTHY: no health check was made")
			}
			after = a.Health.Log[0].End.Format(time.RFC3339Nano)
		}
		if began, earliest := parse(t, b.StartedAt), parse(t, after); began.Before(earliest) {
			t.Errorf("%s: b started at %s, a was there at %s", name, began, earliest)
		}
	}
}

func parse(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestDependsOnThatIsNeverMet: the dependant is never created, has exit code 143 and the reason.
func TestDependsOnThatIsNeverMet(t *testing.T) {
	r := newRealRig(t, dockertest.Endpoint(), patience)
	for _, test := range []struct {
		name      string
		condition task.Condition
		a         task.Container
		want      string
	}{
		{"success", task.ConditionSuccess, task.Container{Command: []string{"exit", "3"}}, "as dependency did not exit successfully."},
		{"success-late", task.ConditionSuccess, task.Container{StartTimeout: 2}, "has timed out."},
		{"complete-late", task.ConditionComplete, task.Container{StartTimeout: 2}, "has timed out."},
		{"healthy-late", task.ConditionHealthy, task.Container{StartTimeout: 2, HealthCheckType: "docker", DockerConfig: healthCheck("/app", "check", "1")}, "has timed out."},
	} {
		a := test.a
		a.Name = "a"
		r.run(test.name, &a, dependent(test.condition))
		defer func() {
			c := r.await(test.name, task.Stopped, patience)
			b := c["b"]
			reason := b.Failure.Reason()
			if b.ExitCode == nil || *b.ExitCode != 143 || !strings.HasPrefix(reason, "CannotStartContainerError: dependency graph: ") || !strings.HasSuffix(reason, test.want) {
				t.Errorf("%s: exit code %v, reason %q", test.name, b.ExitCode, reason)
			}
			if b.RuntimeID != "" {
				t.Errorf("%s: b was created", test.name)
			}
			if r.real(c["a"]).Running {
				t.Errorf("%s: a still runs", test.name)
			}
		}()
	}
}

// TestStopOrderAndTimeouts: dependants stop first; who does not listen is killed after its own stop timeout, or after the
// agent's.
func TestStopOrderAndTimeouts(t *testing.T) {
	r := newRealRig(t, dockertest.Endpoint(), patience)
	r.run("order", &task.Container{Name: "a", Essential: true}, dependent(task.ConditionStart))
	r.runOne("own", func(c *task.Container) { c.Command, c.StopTimeout = []string{"stubborn"}, 3 })
	r.runOne("agent", func(c *task.Container) { c.Command = []string{"stubborn"} }) // one second
	for _, name := range []string{"order", "own", "agent"} {
		r.await(name, task.Running, patience)
	}
	asked := time.Now()
	for _, name := range []string{"order", "own", "agent"} {
		r.Stop(r.arn(name))
	}
	c := r.await("order", task.Stopped, patience)
	if a, b := parse(t, r.real(c["a"]).FinishedAt), parse(t, r.real(c["b"]).FinishedAt); a.Before(b) {
		t.Errorf("a stopped at %s, b, which depends on it, at %s", a, b)
	}
	for name, least := range map[string]time.Duration{"own": 3 * time.Second, "agent": time.Second} {
		c := r.awaitOne(name, task.Stopped, patience)
		if c.ExitCode == nil || *c.ExitCode != 137 {
			t.Errorf("%s: exit code %v, want 137", name, c.ExitCode)
		}
		if took := parse(t, r.real(c).FinishedAt).Sub(asked); took < least {
			t.Errorf("%s: killed after %s, want %s", name, took, least)
		}
	}
}

//go:build integration

package engine_test

import (
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// TestRestartPolicyRules plays each rule of the restart policy.
func TestRestartPolicyRules(t *testing.T) {
	r := newRealRig(t, dockertest.Endpoint(), patience)
	policy := func(period int, ignored ...int) *task.RestartPolicy {
		return &task.RestartPolicy{Enabled: true, AttemptPeriod: period, IgnoredExitCodes: ignored}
	}
	run := func(name string, p *task.RestartPolicy, command ...string) {
		r.runOne(name, func(c *task.Container) { c.RestartPolicy, c.Command = p, command })
	}
	run("again", policy(1), "later", "1200ms", "1")
	run("ignored", policy(1, 0, 3), "later", "1200ms", "3")
	run("early", policy(60), "exit", "4")
	run("off", &task.RestartPolicy{AttemptPeriod: 1}, "later", "1200ms", "5")
	run("stopped", policy(0), "wait")

	restarts := func(tk *task.Task) int {
		if c := tk.Containers[0]; c.Restarts != nil {
			return c.Restarts.Count
		}
		return 0
	}
	first := r.awaitOne("again", task.Running, patience)
	started := parse(t, r.real(first).StartedAt)
	again := r.until("again", "restarted twice", patience, func(tk *task.Task) bool { return restarts(tk) >= 2 })["c"]
	if again.RuntimeID != first.RuntimeID || again.Known != task.ContainerRunning || !parse(t, r.real(again).StartedAt).After(started) {
		t.Errorf("again: %s, then %s, which is %s", first.RuntimeID, again.RuntimeID, again.Known)
	}
	for name, code := range map[string]int{"ignored": 3, "early": 4, "off": 5} {
		c := r.awaitOne(name, task.Stopped, patience)
		tk, _ := r.Task(r.arn(name))
		if c.ExitCode == nil || *c.ExitCode != code || restarts(tk) != 0 {
			t.Errorf("%s: exit code %v after %d restarts", name, c.ExitCode, restarts(tk))
		}
	}
	r.await("stopped", task.Running, patience)
	for _, name := range []string{"stopped", "again"} {
		r.Stop(r.arn(name))
		if c := r.awaitOne(name, task.Stopped, patience); r.real(c).Running {
			t.Errorf("%s: runs behind a STOPPED", name)
		}
	}
}

// TestWhatEndedWithoutAnAgentIsNotRestarted: the policy is not for containers that an agent finds stopped at its start.
func TestWhatEndedWithoutAnAgentIsNotRestarted(t *testing.T) {
	r := newRealRig(t, dockertest.Endpoint(), patience)
	r.runOne("c", func(c *task.Container) { c.RestartPolicy = &task.RestartPolicy{Enabled: true} })
	r.runOne("untouched")
	c := r.awaitOne("c", task.Running, patience)
	untouched := r.real(r.awaitOne("untouched", task.Running, patience))
	r.end()
	if err := dockertest.SDK(t).ContainerKill(t.Context(), c.RuntimeID, "KILL"); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); r.real(c).Running; {
		if time.Since(began) > patience {
			t.Fatal("not killed")
		}
	}
	r.boot(r.Tasks())
	if c = r.awaitOne("c", task.Stopped, patience); c.ExitCode == nil || *c.ExitCode != 137 || c.Restarts.Count != 0 {
		t.Errorf("exit code %v after %d restarts", c.ExitCode, c.Restarts.Count)
	}
	tk, _ := r.Task(r.arn("untouched"))
	if after := r.real(tk.Containers[0]); tk.Known != task.Running || !after.Running || after.StartedAt != untouched.StartedAt {
		t.Errorf("the other task is %s, its container %+v", tk.Known, after)
	}
}

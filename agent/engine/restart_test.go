package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// underPolicy is a task whose container runs under a restart policy and was restarted a number of times.
func underPolicy(restarts int) *task.Task {
	policy := task.RestartPolicy{Enabled: true, IgnoredExitCodes: []int{9}}
	tk := oneContainer(task.Container{Known: task.ContainerRunning, Desired: task.ContainerRunning, Essential: true, RuntimeID: "id",
		RestartPolicy: &policy, Restarts: &task.RestartTracker{Policy: policy, Count: restarts, Last: noon.Add(-time.Hour)}})
	tk.Desired, tk.Known = task.Running, task.Running
	return tk
}

// TestAStopToldAfterTheRestartEndsNothing: Docker tells of docker stop after the end of the process, which the policy may have
// started again by then. That the look at it fails proves nothing.
func TestAStopToldAfterTheRestartEndsNothing(t *testing.T) {
	slow := &task.Error{Name: task.ErrCannotInspectContainer, Message: "slow"}
	for name, test := range map[string]struct {
		restarts int
		event    task.RuntimeEvent
		err      error
		want     task.ContainerStatus
	}{
		"stop after a restart":        {1, task.RuntimeEvent{Action: task.ActionStop}, slow, task.ContainerRunning},
		"stop without a restart":      {0, task.RuntimeEvent{Action: task.ActionStop}, slow, task.ContainerStopped},
		"end after a restart":         {1, task.RuntimeEvent{Action: task.ActionDie, ExitCode: new(9)}, slow, task.ContainerStopped},
		"stop, and then it is gone":   {1, task.RuntimeEvent{Action: task.ActionStop}, task.ErrGone, task.ContainerStopped},
		"stop, and nobody can say so": {1, task.RuntimeEvent{Action: task.ActionStop}, errors.New("what"), task.ContainerRunning},
	} {
		test.event.RuntimeID = "id"
		tk := Apply(underPolicy(test.restarts), RuntimeNews{Container: "c", Event: test.event}, noon, Rules{}).Task
		tk = Apply(tk, Inspected{Container: "c", Err: test.err}, noon, Rules{}).Task
		if c := tk.Containers[0]; c.Known != test.want || c.Known == task.ContainerRunning && c.Engine.InspectAt.IsZero() {
			t.Errorf("%s: %s, looked at again %s", name, c.Known, c.Engine.InspectAt)
		}
	}
}

func TestWhyAContainerIsNotRestartedIsKept(t *testing.T) {
	ended := &task.ContainerState{RuntimeID: "id", Status: task.ContainerStopped, ExitCode: new(9)}
	tk := Apply(underPolicy(0), Inspected{Container: "c", State: ended}, noon, Rules{}).Task
	if got := tk.Containers[0].Engine.NotRestarted; got != "exit code 9 should be ignored" {
		t.Errorf("%q", got)
	}
	tk = underPolicy(0)
	tk.Containers[0].RestartPolicy = nil
	tk = Apply(tk, Inspected{Container: "c", State: ended}, noon, Rules{}).Task
	if got := tk.Containers[0].Engine.NotRestarted; got != "" {
		t.Errorf("without a policy: %q", got)
	}
}

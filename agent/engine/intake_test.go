package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestCyclesAndUnknownReferencesAreRefused(t *testing.T) {
	on := func(name string) []task.Dependency {
		return []task.Dependency{{Container: name, Condition: task.ConditionStart}}
	}
	for name, c := range map[string]struct {
		tk   *task.Task
		want string
	}{
		"cycle":       {containers(&task.Container{Name: "a", DependsOn: on("b")}, &task.Container{Name: "b", DependsOn: on("a")}), "Task dependencies cannot be resolved, taskArn: " + testARN},
		"unknown":     {containers(&task.Container{Name: "a", DependsOn: on("nobody")}), "Task dependencies cannot be resolved, taskArn: " + testARN},
		"no health":   {containers(&task.Container{Name: "a"}, &task.Container{Name: "b", DependsOn: []task.Dependency{{Container: "a", Condition: task.ConditionHealthy}}}), "Task dependencies cannot be resolved, taskArn: " + testARN},
		"link":        {containers(&task.Container{Name: "a", Links: []string{"b:c:d"}}), "resource cannot be initialized for task " + testARN + ": invalid link format"},
		"link target": {containers(&task.Container{Name: "a", Links: []string{"b"}}), "resource cannot be initialized for task " + testARN + ": could not find container for link b"},
		"volumesFrom": {containers(&task.Container{Name: "a", VolumesFrom: []task.VolumeFrom{{SourceContainer: "b"}}}), "resource cannot be initialized for task " + testARN + ": could not find volume source container with name b"},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(t *testing.T, r *rig) {
				r.accept(t, c.tk)
				time.Sleep(time.Second)
				r.wantReports(t, "STOPPED "+c.want)
				if r.calls("create") != 0 {
					t.Error("a container was created")
				}
				if _, known := r.engine.Task(testARN); known {
					t.Error("kept after ECS acknowledged it")
				}
			})
		})
	}
}

func TestStopOfAnUnknownTaskIsReported(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		tk := containers(&task.Container{Name: "web", Essential: true})
		tk.Desired = task.Stopped
		r.accept(t, tk)
		time.Sleep(time.Second)
		r.wantReports(t, "web STOPPED", "STOPPED")
	})
	scenario(t, func(t *testing.T, r *rig) {
		r.accept(t, &task.Task{ARN: testARN, Desired: task.Stopped})
		time.Sleep(time.Second)
		r.wantReports(t, "STOPPED "+reasonCannotStop)
	})
}

// TestATaskThatComesTwiceInOneMessageIsOne: what is on disk is what runs, and the higher wish counts.
func TestATaskThatComesTwiceInOneMessageIsOne(t *testing.T) {
	scenario(t, func(t *testing.T, r *rig) {
		names := 0
		r.engine.config.ContainerName = func(_ *task.Task, c *task.Container) string {
			names++
			return fmt.Sprintf("ecs-%s-%d", c.Name, names)
		}
		web := func() *task.Task { return containers(&task.Container{Name: "web", Essential: true}) }
		if err := r.engine.Accept(t.Context(), web(), web()); err != nil {
			t.Fatal(err)
		}
		saved := r.store.crash().load()[0].Containers[0]
		tk, _ := r.engine.Task(testARN)
		if c := tk.Containers[0]; names != 1 || c.RuntimeName != saved.RuntimeName || c.EndpointID != saved.EndpointID {
			t.Errorf("runs %s %s, saved %s %s", c.RuntimeName, c.EndpointID, saved.RuntimeName, saved.EndpointID)
		}
		other, stop := web(), web()
		other.ARN, stop.ARN, stop.Desired = arnOf("other"), arnOf("other"), task.Stopped
		if err := r.engine.Accept(t.Context(), other, stop); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if tk, _ := r.engine.Task(arnOf("other")); tk.Known != task.Stopped {
			t.Errorf("the other one is %s", tk.Known)
		}
	})
}

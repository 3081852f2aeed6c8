package introspection

import (
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// statusResponse is the page /v1/status, an addition of this agent: what keeps tasks waiting, and how the reports to ECS
// get along.
type statusResponse struct {
	Tasks   map[string]int // by known status
	Waiting []waitingTask
	// Slow are the steps that have been under way for longer than slowAfter: a pull, or a call in which Docker hangs.
	Slow    []slowStep `json:",omitempty"`
	Reports any        `json:",omitempty"`
	// Steps are the kinds of work that may have to wait for their turn.
	Steps any `json:",omitempty"`
}

type waitingTask struct {
	Arn    string
	Reason string
}

type slowStep struct {
	Arn, Container, Step string
	Seconds              int
}

// slowAfter is how long most steps do not take.
const slowAfter = 10 * time.Second

// slowSteps are those of a task.
func slowSteps(t *task.Task, now time.Time) (slow []slowStep) {
	for _, c := range t.Containers {
		if took := now.Sub(c.Engine.StepSince); c.Engine.Step != task.StepNone && took >= slowAfter {
			slow = append(slow, slowStep{t.ARN, c.Name, c.Engine.Step.String(), int(took.Seconds())})
		}
	}
	return slow
}

func statusOf(tasks []*task.Task, reports, steps func() any) statusResponse {
	now := time.Now()
	s := statusResponse{Tasks: map[string]int{}, Waiting: []waitingTask{}}
	for _, t := range tasks {
		if t.Internal {
			continue
		}
		s.Tasks[t.Known.String()]++
		if t.Engine.Waiting != "" {
			s.Waiting = append(s.Waiting, waitingTask{t.ARN, t.Engine.Waiting})
		}
		s.Slow = append(s.Slow, slowSteps(t, now)...)
	}
	if reports != nil {
		s.Reports = reports()
	}
	if steps != nil {
		s.Steps = steps()
	}
	return s
}

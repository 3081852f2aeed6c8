package introspection

import "github.com/aws/amazon-ecs-agent/agent/task"

// statusResponse is the page /v1/status, an addition of this agent: what keeps tasks waiting, and how the reports to ECS
// get along.
type statusResponse struct {
	Tasks   map[string]int // by known status
	Waiting []waitingTask
	Reports any `json:",omitempty"`
	// Steps are the kinds of work that may have to wait for their turn.
	Steps any `json:",omitempty"`
}

type waitingTask struct {
	Arn    string
	Reason string
}

func statusOf(tasks []*task.Task, reports, steps func() any) statusResponse {
	s := statusResponse{Tasks: map[string]int{}, Waiting: []waitingTask{}}
	for _, t := range tasks {
		if t.Internal {
			continue
		}
		s.Tasks[t.Known.String()]++
		if t.Engine.Waiting != "" {
			s.Waiting = append(s.Waiting, waitingTask{t.ARN, t.Engine.Waiting})
		}
	}
	if reports != nil {
		s.Reports = reports()
	}
	if steps != nil {
		s.Steps = steps()
	}
	return s
}

package engine

import (
	"fmt"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// fakeECS hears the reports and acknowledges them, as agent/report and the service do.
type fakeECS struct {
	mu         sync.Mutex
	engine     *Engine
	tasks      map[string]task.Status
	containers map[string]task.ContainerStatus
	reasons    map[string]string
	exits      map[string]*int
	log        []string
	violations []string
	docker     *fakeDocker
	// dead is set while no agent runs: what a dying one still says is not heard.
	dead bool
}

func newFakeECS(d *fakeDocker) *fakeECS {
	return &fakeECS{tasks: map[string]task.Status{}, containers: map[string]task.ContainerStatus{}, reasons: map[string]string{}, exits: map[string]*int{}, docker: d}
}

func (s *fakeECS) ContainerChanged(t *task.Task, c *task.Container) {
	if c.Known != c.Steady() && c.Known != task.ContainerStopped {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return
	}
	key := t.ARN + "/" + c.Name
	if c.Known < s.containers[key] {
		s.violations = append(s.violations, fmt.Sprintf("container %s went back from %s to %s", key, s.containers[key], c.Known))
	}
	s.log = append(s.log, fmt.Sprintf("%s %s", key, c.Known))
	s.containers[key] = max(s.containers[key], c.Known)
	if c.Known == task.ContainerStopped {
		s.exits[key] = c.ExitCode
		if c.Failure != nil {
			s.reasons[key] = c.Failure.Reason()
		}
	}
	s.acknowledge(t.ARN, task.None, c.Name, c.Known)
}

func (s *fakeECS) TaskChanged(t *task.Task, reason string) {
	if t.Known != task.Running && t.Known != task.Stopped {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return
	}
	if t.Known < s.tasks[t.ARN] {
		s.violations = append(s.violations, fmt.Sprintf("task %s went back from %s to %s", t.ARN, s.tasks[t.ARN], t.Known))
	}
	s.log = append(s.log, fmt.Sprintf("%s %s %s", t.ARN, t.Known, reason))
	s.tasks[t.ARN] = max(s.tasks[t.ARN], t.Known)
	if reason != "" {
		s.reasons[t.ARN] = reason
	}
	s.acknowledge(t.ARN, t.Known, "", 0)
}

func (s *fakeECS) acknowledge(arn string, known task.Status, container string, status task.ContainerStatus) {
	sent := map[string]task.ContainerStatus{}
	if container != "" {
		sent[container] = status
	}
	s.engine.Acknowledge(arn, known, sent)
}

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

// status prints what happens, with the time since the start.
type status struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

func newStatus(out io.Writer) *status { return &status{out: out, start: time.Now()} }

func (s *status) line(what, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%6.1fs  %-12s %s\n", time.Since(s.start).Seconds(), what, strings.TrimSpace(text))
}

// follower prints every change of some tasks.
type follower struct {
	*client
	definition *ecs.TaskDefinition
	arns       []string
	status     *status
	wait       bool  // until STOPPED, not only RUNNING
	logs       *logs // nil: none
	interrupts <-chan os.Signal
	shown      map[string]string // what was printed last, by what it is about
}

// pollInterval is the time between looks at the tasks.
const pollInterval = 150 * time.Millisecond

// follow polls until the tasks are where they should be and returns the exit code.
func (f *follower) follow(ctx context.Context) (int, error) {
	f.shown = map[string]string{}
	stopping := false
	for {
		tasks, err := f.tasks(ctx, f.arns)
		if err != nil {
			return exitError, err
		}
		if len(tasks) < len(f.arns) {
			return exitError, fmt.Errorf("a task is gone from the service")
		}
		done := true
		for i := range tasks {
			f.show(&tasks[i])
			if f.logs != nil {
				f.logs.attach(ctx, tasks[i].TaskArn)
			}
			done = done && (tasks[i].LastStatus == ecs.Stopped || !f.wait && tasks[i].LastStatus == ecs.Running)
		}
		if done {
			return f.exitCode(tasks)
		}
		timer := time.NewTimer(pollInterval)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return exitError, fmt.Errorf("following given up: %w", ctx.Err())
		case <-f.interrupts:
			if stopping || !f.wait {
				return 130, fmt.Errorf("interrupted; the task goes on (local-ecs ps, local-ecs stop)")
			}
			stopping = true
			f.status.line("stopping", "interrupted; once more to leave")
			for _, arn := range f.arns {
				if err := f.call(ctx, "StopTask", map[string]string{"cluster": f.cluster, "task": arn, "reason": "Interrupted"}, new(any)); err != nil {
					return exitError, err
				}
			}
		}
		timer.Stop()
	}
}

// show prints what changed in a task.
func (f *follower) show(t *ecs.Task) {
	suffix := ""
	if len(f.arns) > 1 {
		suffix = " (" + shortID(t.TaskArn) + ")"
	}
	if _, known := f.shown[t.TaskArn]; !known {
		f.change(t.TaskArn+"/created", "task"+suffix, fmt.Sprintf("%s on container instance %s", id(t.TaskArn), shortID(t.ContainerInstanceArn)))
	}
	for i := range t.Containers {
		c := &t.Containers[i]
		f.change(c.ContainerArn, c.Name+suffix, containerText(c))
	}
	text := t.LastStatus
	if t.LastStatus == ecs.Stopped {
		text += "  " + t.StopCode + ": " + t.StoppedReason
	}
	f.change(t.TaskArn, "task"+suffix, text)
	if t.HealthStatus != "UNKNOWN" {
		f.change(t.TaskArn+"/health", "task"+suffix, t.HealthStatus)
	}
}

func (f *follower) change(key, what, text string) {
	if f.shown[key] != text {
		f.shown[key] = text
		f.status.line(what, text)
	}
}

func containerText(c *ecs.Container) string {
	text := c.LastStatus
	switch c.LastStatus {
	case ecs.Running:
		for _, n := range c.NetworkInterfaces {
			text += "  " + cmp.Or(n.PrivateIPv4Address, n.IPv6Address)
		}
		for _, b := range c.NetworkBindings {
			if b.HostPort != nil && b.ContainerPort != nil {
				text += fmt.Sprintf("  %s:%d->%d/%s", b.BindIP, *b.HostPort, *b.ContainerPort, b.Protocol)
			}
			if b.HostPortRange != "" {
				text += fmt.Sprintf("  %s:%s->%s/%s", b.BindIP, b.HostPortRange, b.ContainerPortRange, b.Protocol)
			}
		}
	case ecs.Stopped:
		if c.ExitCode != nil {
			text += fmt.Sprintf("  exit code %d", *c.ExitCode)
		}
	}
	if c.Reason != "" {
		text += "  " + c.Reason
	}
	return text
}

// exitCode is the first essential container's; 1 when it never ran.
func (f *follower) exitCode(tasks []ecs.Task) (int, error) {
	for i := range tasks {
		t := &tasks[i]
		if t.LastStatus != ecs.Stopped {
			continue
		}
		code := taskExitCode(f.definition, t)
		if code == nil {
			return exitError, fmt.Errorf("%s: %s", t.StopCode, t.StoppedReason)
		}
		if *code != 0 {
			return *code, nil
		}
		if !f.wait {
			return exitOK, nil
		}
	}
	return exitOK, nil
}

func taskExitCode(d *ecs.TaskDefinition, t *ecs.Task) *int {
	for i := range d.ContainerDefinitions {
		if !d.ContainerDefinitions[i].IsEssential() {
			continue
		}
		for j := range t.Containers {
			if t.Containers[j].Name == d.ContainerDefinitions[i].Name {
				return t.Containers[j].ExitCode
			}
		}
	}
	return nil
}

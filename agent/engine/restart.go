package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// restarts is how often the container was restarted under its policy.
func restarts(c *task.Container) int {
	if c.Restarts == nil {
		return 0
	}
	return c.Restarts.Count
}

func logRestart(t *task.Task, c *task.Container) {
	fields := []logger.Field{logger.F("taskARN", t.ARN), logger.F("containerName", c.Name), logger.F("runtimeID", c.RuntimeID), logger.F("restartCount", restarts(c))}
	if code := c.Engine.EventExitCode; code != nil {
		fields = append(fields, logger.F("exitCode", *code))
	}
	logger.Info("Restarting container", fields...)
}

// mayRestart decides whether a container that has just exited is started again under its restart policy. The reason
// says why not; it goes to the log.
func mayRestart(c *task.Container, now time.Time) (restart bool, reason string) {
	policy := c.RestartPolicy
	switch {
	case policy == nil || !policy.Enabled:
		return false, "restart policy is not enabled"
	case c.Desired == task.ContainerStopped:
		return false, "container's desired status is stopped"
	case c.ExitCode == nil:
		return false, "exit code is nil"
	case slices.Contains(policy.IgnoredExitCodes, *c.ExitCode):
		return false, fmt.Sprintf("exit code %d should be ignored", *c.ExitCode)
	}
	since := c.StartedAt
	if c.Restarts != nil && !c.Restarts.Last.IsZero() {
		since = c.Restarts.Last
	}
	if now.Sub(since) < time.Duration(policy.AttemptPeriod)*time.Second {
		return false, "attempt reset period has not elapsed"
	}
	return true, ""
}

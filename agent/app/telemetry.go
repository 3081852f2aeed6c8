package app

import (
	"context"

	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/stats"
	"github.com/aws/amazon-ecs-agent/agent/tcs"
	"github.com/aws/amazon-ecs-agent/agent/version"
)

// newCollector measures the containers of the engine's tasks.
func (a *agent) newCollector(tasks *engine.Engine) *stats.Collector {
	collector := stats.New(a.cfg, tasks, a.docker)
	collector.Restarts = tasks
	return collector
}

// measure measures from when the engine knows what runs: before that there are no process ids.
func measure(ctx context.Context, collector *stats.Collector, tasks *engine.Engine) error {
	select {
	case <-tasks.Ready():
		return collector.Run(ctx)
	case <-ctx.Done():
		return nil
	}
}

// telemetry is the conversation on which ECS hears how much containers use and how they are. accepted reports whether ECS
// talks to this instance at all.
func (c *conversations) telemetry(doctor *tcs.Doctor, accepted func() bool) *tcs.Session {
	a := c.agent
	return tcs.New(tcs.Config{
		Cluster:              c.registered.Cluster,
		ContainerInstanceARN: c.registered.ContainerInstanceARN,
		AgentVersion:         version.Version,
		AgentHash:            version.GitShortHash,
		DockerVersion:        func(context.Context) string { return a.docker.Server().Version },
		MetricsDisabled:      a.cfg.DisableMetrics,
		HealthDisabled:       a.cfg.DisableDockerHealthCheck,
		Source:               c.stats,
		Doctor:               doctor,
		Endpoints:            a.ecs,
		Dialer:               a.websocket(tcs.ErrorTypes),
		Sign:                 a.sign,
		Accepted:             accepted,
	})
}

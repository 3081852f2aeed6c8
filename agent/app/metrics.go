package app

import (
	"net/http"

	"github.com/aws/amazon-ecs-agent/agent/acs"
	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/metrics"
	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/aws/amazon-ecs-agent/agent/tcs"
	"github.com/aws/amazon-ecs-agent/agent/version"
)

// newMetrics gives what counts for Prometheus, and lets it hear of Docker calls and the checkpoint; nil when nobody wants
// to know.
func (a *agent) newMetrics() *metrics.Metrics {
	if !a.cfg.PrometheusMetricsEnabled {
		return nil
	}
	m := metrics.New(metrics.Build{Version: version.Version, Commit: version.GitShortHash})
	a.docker.SetObserver(m)
	a.store.Observe(m.Checkpoint)
	return m
}

// sink gives the engine somebody to report to.
func (a *agent) sink(reporter engine.Sink) engine.Sink {
	if a.metrics == nil {
		return reporter
	}
	return observedSink{reporter, a.metrics}
}

// observedSink tells the metrics of changes too.
type observedSink struct {
	engine.Sink
	metrics *metrics.Metrics
}

func (s observedSink) TaskChanged(t *task.Task, reason string) {
	s.metrics.TaskChanged(t)
	s.Sink.TaskChanged(t, reason)
}

// metricsHandler serves the metrics; nil when there are none.
func (c *conversations) metricsHandler(control *acs.Session, telemetry *tcs.Session) http.Handler {
	m := c.agent.metrics
	if m == nil {
		return nil
	}
	m.Watch(metrics.Sources{
		Tasks: c.tasks.Tasks,
		Sessions: map[string]func() metrics.Session{
			"acs": func() metrics.Session {
				s := control.Stats()
				return metrics.Session{Connected: s.Connected, Connects: s.Connects, Failures: s.ConnectFailures}
			},
			"tcs": func() metrics.Session {
				s := telemetry.Stats()
				return metrics.Session{Connected: s.Connected, Connects: s.Connects, Failures: s.ConnectFailures}
			},
		},
		Reports: func() metrics.Reports {
			s := c.reporter.Stats()
			return metrics.Reports{Pending: s.Pending, Submitted: s.Submitted, Retried: s.Retried, Dropped: s.Dropped}
		},
		Host: func() metrics.Host {
			h := c.tasks.Host()
			return metrics.Host{CPU: h.CPU, CPUUsed: h.CPUUsed, MemoryBytes: h.MemoryMiB << 20, MemoryUsed: h.MemoryUsedMiB << 20, GPUs: h.GPUs, GPUsUsed: h.GPUsUsed}
		},
		Steps: map[string]func() metrics.Step{
			"pull": func() metrics.Step {
				pulls := c.images.Turns()
				return metrics.Step{Running: pulls.Running, Waiting: pulls.Waiting}
			},
			"start": func() metrics.Step {
				starts := c.tasks.Starts()
				return metrics.Step{Running: starts.Running, Waiting: starts.Waiting}
			},
		},
	})
	return m.Handler()
}

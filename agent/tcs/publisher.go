package tcs

import (
	"context"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

const (
	publishInterval = 20 * time.Second
	// serviceConnectTicks is every how many ticks Service Connect metrics are sent.
	serviceConnectTicks = 3
)

// publish collects metrics and health at once, so that short-lived tasks are seen, and then every 20 s until ctx ends.
func (s *Session) publish(ctx context.Context) {
	ticker := time.NewTicker(publishInterval)
	defer ticker.Stop()
	for tick := 0; ; tick++ {
		if !s.silent.Load() {
			s.publishHealth()
			s.publishMetrics(ctx, tick > 0 && tick%serviceConnectTicks == 0)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Session) publishMetrics(ctx context.Context, withServiceConnect bool) {
	m, err := s.config.Source.Metrics(ctx, withServiceConnect)
	if err != nil {
		if ctx.Err() == nil {
			logger.Warn("Error collecting task metrics: " + err.Error())
		}
		return
	}
	now := time.Now()
	requests, err := s.metricsRequests(newID(), m, now)
	if err != nil {
		logger.Warn("Error publishing metrics", logger.Err(err))
		return
	}
	s.metrics.put(message{kindMetrics, requests, now})
}

func (s *Session) publishHealth() {
	list := s.config.Source.Health()
	if len(list) == 0 {
		logger.Debug("No container health metrics to report")
		return
	}
	now := time.Now()
	requests, err := s.healthRequests(newID(), list, now)
	if err != nil {
		logger.Warn("Error publishing health", logger.Err(err))
		return
	}
	s.health.put(message{kindHealth, requests, now})
}

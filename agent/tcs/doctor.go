package tcs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Words of the service about a check of the instance.
const (
	statusInitializing = "INITIALIZING"
	statusOK           = "OK"
	statusImpaired     = "IMPAIRED"
)

// pingTimeout bounds the check of Docker.
const pingTimeout = 2 * time.Second

// Check is one examination of the instance.
type Check struct {
	// Type is the service's name for what is examined.
	Type string
	// Healthy examines it.
	Healthy func(ctx context.Context) bool
}

// DockerCheck examines whether Docker answers.
func DockerCheck(ping func(ctx context.Context) error) Check {
	return Check{Type: "ContainerRuntime", Healthy: func(ctx context.Context) bool {
		ctx, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		err := ping(ctx)
		if err != nil {
			logger.Info(fmt.Sprintf("[DockerRuntimeHealthcheck] Docker Ping failed with error: %v", err))
		}
		return err == nil
	}}
}

// Doctor examines the instance whenever it is asked to, and remembers what it found until that was reported.
type Doctor struct {
	checks []Check

	mu      sync.Mutex
	results []result // of each check
	run     int      // number of the newest run; 0 is the initial state
	told    int      // number of the newest run that was reported; −1 before
}

// result is what a check said.
type result struct {
	status        string
	at, changedAt time.Time
	// previousAt is the time of the run before: the service knows it as the last update.
	previousAt time.Time
}

// NewDoctor has not examined anything.
func NewDoctor(checks ...Check) *Doctor {
	d := &Doctor{checks: checks, told: -1}
	now := time.Now()
	for range checks {
		d.results = append(d.results, result{status: statusInitializing, at: now, changedAt: now, previousAt: now})
	}
	return d
}

// Examine runs all checks. What ends because of ctx is not a finding.
func (d *Doctor) Examine(ctx context.Context) {
	found := make([]string, len(d.checks))
	var all sync.WaitGroup
	for i, c := range d.checks {
		all.Go(func() {
			if found[i] = statusImpaired; c.Healthy(ctx) {
				found[i] = statusOK
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for i := range d.results {
		r := &d.results[i]
		r.previousAt, r.at = r.at, now
		if r.status != found[i] {
			r.status, r.changedAt = found[i], now
		}
	}
	d.run++
}

// news gives the present statuses; ok is false when they were reported. run is for reported.
func (d *Doctor) news() (statuses []instanceStatus, run int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.told == d.run {
		return nil, d.run, false
	}
	for i, r := range d.results {
		statuses = append(statuses, instanceStatus{d.checks[i].Type, r.status, timestamp(r.changedAt), timestamp(r.previousAt)})
	}
	return statuses, d.run, true
}

// reported notes that what news gave was sent.
func (d *Doctor) reported(run int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = run
}

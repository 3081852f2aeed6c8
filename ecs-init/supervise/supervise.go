// Package supervise keeps the agent running: it starts its container, waits for its end, and decides by the exit code
// what comes next.
package supervise

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

// Exit codes of the agent with a meaning of their own. Every other one leads to a new start after a pause.
const (
	codeEnded    = 0
	codeCrashed  = 2
	codeTerminal = 5
	codeUpgrade  = 42
)

const (
	// stableAfter is how long an agent must have run for its end to count as the first trouble again.
	stableAfter = 5 * time.Minute
	// trialFailures in a row without a stable run end the trial of an updated image.
	trialFailures = 5
	// stopLimit is for stopping the agent on the way out; systemd kills what takes longer than 90 s.
	stopLimit = time.Minute
)

// Agent is the agent's container.
type Agent interface {
	// Remove removes the container of the last run, also one that runs.
	Remove(ctx context.Context) error
	// Run creates and starts the container, waits until it ends, and returns its exit code.
	Run(ctx context.Context) (exitCode int, err error)
	// LogTail returns the last lines the container wrote.
	LogTail(ctx context.Context) (string, error)
	// Stop stops the container; one that does not run is fine.
	Stop(ctx context.Context) error
}

// Images are the images the agent is made from.
type Images interface {
	Upgrade(ctx context.Context) error
	// OnTrial reports whether the present image came by an update and has not proved itself; Keep and FallBack end that.
	OnTrial(ctx context.Context) bool
	Keep(ctx context.Context)
	FallBack(ctx context.Context) error
}

// Run supervises until the agent ends for good, and returns its exit code: 0 or 5. When ctx ends, it stops the agent
// and returns 0.
func Run(ctx context.Context, agent Agent, images Images) (int, error) {
	s := supervisor{agent: agent, images: images, pauses: restarting.Start()}
	for {
		next, err := s.round(ctx)
		switch {
		case ctx.Err() != nil:
			return codeEnded, s.stop(ctx)
		case err != nil:
			return 0, err
		case next.end:
			return next.exitCode, nil
		}
		if next.pause > 0 {
			log.Warnf("ECS Agent failed to start, retrying in %s", next.pause)
			select {
			case <-time.After(next.pause):
			case <-ctx.Done():
			}
		}
	}
}

// restarting is before another start of an agent that failed; the jitter keeps instances from starting together.
var restarting = backoff.Policy{First: 500 * time.Millisecond, Longest: 15 * time.Second, Factor: 2, Jitter: 0.1}

type supervisor struct {
	agent  Agent
	images Images
	pauses backoff.Pauses
	// failures since the last stable run, and the exit code of the last one.
	failures int
	lastCode int
}

// after is what happens after a round: the end, or another round after a pause.
type after struct {
	end      bool
	exitCode int
	pause    time.Duration
}

// round lets the agent run once.
func (s *supervisor) round(ctx context.Context) (after, error) {
	if err := s.agent.Remove(ctx); err != nil {
		return after{}, fmt.Errorf("could not remove existing Agent container: %w", err)
	}
	log.Infof("Starting Amazon Elastic Container Service Agent")
	code, stable, err := s.run(ctx)
	switch {
	case ctx.Err() != nil:
		return after{}, nil
	case stable:
		s.failures = 0
		s.pauses.Reset()
	}
	if err != nil {
		if !s.images.OnTrial(ctx) {
			return after{}, fmt.Errorf("could not start Agent: %w", err)
		}
		log.Errorf("could not start Agent: %v", err)
		return s.failed(ctx, -1), nil
	}

	log.Infof("Agent exited with code %d", code)
	switch code {
	case codeEnded:
		return after{end: true}, nil
	case codeTerminal:
		log.Errorf("agent exited with terminal exit code: %d", code)
		return after{end: true, exitCode: codeTerminal}, nil
	case codeUpgrade:
		if err := s.images.Upgrade(ctx); err != nil {
			log.Errorf("%v", err)
			return s.failed(ctx, code), nil
		}
		s.failures = 0
		return after{}, nil
	}
	s.logTail(ctx, code)
	return s.failed(ctx, code), nil
}

// run runs the agent once. An image on trial has proved itself as soon as the agent has run long enough.
func (s *supervisor) run(ctx context.Context) (code int, stable bool, err error) {
	proved := make(chan struct{})
	timer := time.AfterFunc(stableAfter, func() {
		defer close(proved)
		s.images.Keep(ctx)
	})
	code, err = s.agent.Run(ctx)
	if timer.Stop() {
		return code, false, err
	}
	<-proved
	return code, true, err
}

// failed counts a run that should not have ended. An updated image that only fails is replaced by the one before it.
func (s *supervisor) failed(ctx context.Context, code int) after {
	s.failures++
	s.lastCode = code
	if s.failures >= trialFailures && s.images.OnTrial(ctx) {
		log.Errorf("the updated agent failed %d times in a row, going back to the image before the update", s.failures)
		if err := s.images.FallBack(ctx); err != nil {
			log.Errorf("%v", err)
		}
		s.failures = 0
	}
	return after{pause: s.pauses.Next()}
}

// logTail shows what the agent said last. A crash is shown each time; an agent that keeps ending with the same code has
// said so once.
func (s *supervisor) logTail(ctx context.Context, code int) {
	if code != codeCrashed && s.failures > 0 && s.lastCode == code {
		return
	}
	tail, err := s.agent.LogTail(ctx)
	if err != nil {
		log.Errorf("could not read the logs of the agent container: %v", err)
		return
	}
	log.Infof("Captured the last 200 lines of the agent container logs====>\n%s\n<====end 200 lines of the failed agent container logs", tail)
}

// stop stops the agent after ctx has ended.
func (s *supervisor) stop(ctx context.Context) error {
	log.Infof("Stopping Amazon Elastic Container Service Agent")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	return s.agent.Stop(ctx)
}

package agentcontainer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

const (
	createLimit = 4 * time.Minute
	startLimit  = 3 * time.Minute
	stopGrace   = 10 * time.Second
	tailLines   = 200
	// daemonAbsence is how long the daemon may be away while the agent runs (Docker's live-restore), and daemonPause the
	// time between two attempts to reach it again.
	daemonAbsence = 2 * time.Minute
	daemonPause   = time.Second
)

// Docker is what this package needs of the daemon.
type Docker interface {
	CreateNewest(ctx context.Context, name string, config *container.Config, host *container.HostConfig, limit time.Duration) (string, error)
	Start(ctx context.Context, id, version string, limit time.Duration) (*task.ContainerState, error)
	Wait(ctx context.Context, id string) (int, error)
	Inspect(ctx context.Context, idOrName string) (*task.ContainerState, error)
	Stop(ctx context.Context, id string, grace time.Duration) (*task.ContainerState, error)
	RemoveForced(ctx context.Context, idOrName string) error
	LogTail(ctx context.Context, id string, lines int) (string, error)
}

// Container is the agent's container.
type Container struct {
	Docker Docker
	// Situation is asked at each start, because the environment files may have changed.
	Situation func() Situation
}

// Remove removes the container, also a running one; none is fine.
func (c Container) Remove(ctx context.Context) error { return c.Docker.RemoveForced(ctx, Name) }

// Run creates and starts the container and waits for its end. A daemon that restarts and leaves the agent running is
// waited for.
func (c Container) Run(ctx context.Context) (exitCode int, err error) {
	config, host := Configuration(ctx, c.Situation())
	id, err := c.Docker.CreateNewest(ctx, Name, config, host, createLimit)
	if err != nil {
		return 0, err
	}
	if _, err := c.Docker.Start(ctx, id, "", startLimit); err != nil {
		return 0, err
	}
	for {
		code, err := c.Docker.Wait(ctx, id)
		if err == nil || ctx.Err() != nil || errors.Is(err, task.ErrGone) {
			return code, err
		}
		log.Warnf("Lost the connection to Docker while the agent runs, waiting up to %s for the daemon: %v", daemonAbsence, err)
		state, err := c.findAgain(ctx, id)
		if err != nil {
			return 0, err
		}
		if state.Status != task.ContainerRunning && state.ExitCode != nil {
			return *state.ExitCode, nil
		}
	}
}

// findAgain waits until the daemon answers again and says what became of the container.
func (c Container) findAgain(ctx context.Context, id string) (*task.ContainerState, error) {
	for deadline := time.Now().Add(daemonAbsence); ; {
		select {
		case <-time.After(daemonPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		state, err := c.Docker.Inspect(ctx, id)
		if err == nil || errors.Is(err, task.ErrGone) {
			return state, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("the Docker daemon did not come back within %s: %w", daemonAbsence, err)
		}
	}
}

// LogTail returns the last lines the agent wrote.
func (c Container) LogTail(ctx context.Context) (string, error) {
	return c.Docker.LogTail(ctx, Name, tailLines)
}

// Stop stops the container, which stays; none, or one that has ended, is fine.
func (c Container) Stop(ctx context.Context) error {
	state, err := c.Docker.Inspect(ctx, Name)
	switch {
	case docker.IsNotFound(err):
		log.Infof("No running Agent to stop")
		return nil
	case err == nil && state.Status != task.ContainerRunning:
		log.Infof("Agent is already stopped")
		return nil
	case err == nil:
		_, err = c.Docker.Stop(ctx, state.RuntimeID, stopGrace)
	}
	if err != nil && !docker.IsNotFound(err) {
		return fmt.Errorf("could not stop Amazon Elastic Container Service Agent: %w", err)
	}
	return nil
}

package docker

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// The calls of this file are for the agent's own container, which ecs-init looks after.

// CreateNewest creates a container in the newest API version both sides know and returns its id. Unlike the containers
// of tasks, the agent's container asks for everything explicitly, so nothing depends on an old version's defaults.
// Errors: CannotCreateContainerError, DockerTimeoutError.
func (c *Client) CreateNewest(ctx context.Context, name string, config *container.Config, host *container.HostConfig, limit time.Duration) (string, error) {
	return c.Create(ctx, CreateRequest{
		Name: name, Version: c.versions.highest.String(), Config: config, HostConfig: host, Limit: limit,
	})
}

// Wait waits for as long as it takes until a container has ended, and returns its exit code. The error has no name; it
// also tells about a lost connection to the daemon.
func (c *Client) Wait(ctx context.Context, id string) (int, error) {
	if err := checkRef(id); err != nil {
		return 0, err
	}
	answers, errs := c.api.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case answer := <-answers:
		if answer.Error != nil && answer.Error.Message != "" {
			return 0, fmt.Errorf("wait for container %s: %s", id, answer.Error.Message)
		}
		return int(answer.StatusCode), nil
	case err := <-errs:
		return 0, fmt.Errorf("wait for container %s: %w", id, gone(err))
	}
}

const (
	tailLimit = 30 * time.Second
	maxTail   = 1 << 20 // bytes
)

// LogTail returns the last lines a container wrote to standard output and standard error, each with its time. It needs
// a logging driver that can be read. Errors have no name, but for DockerTimeoutError.
func (c *Client) LogTail(ctx context.Context, id string, lines int) (string, error) {
	if err := checkRef(id); err != nil {
		return "", err
	}
	return guarded(ctx, step{doing: "reading logs", limit: tailLimit}, func(ctx context.Context) (string, error) {
		stream, err := c.api.ContainerLogs(ctx, id, container.LogsOptions{
			ShowStdout: true, ShowStderr: true, Timestamps: true, Tail: strconv.Itoa(lines),
		})
		if err != nil {
			return "", err
		}
		defer stream.Close()
		both := &boundedBuffer{most: maxTail}
		_, err = stdcopy.StdCopy(both, both, stream)
		return both.kept.String(), err
	})
}

// boundedBuffer keeps the first bytes written to it and drops the rest.
type boundedBuffer struct {
	kept bytes.Buffer
	most int
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	b.kept.Write(p[:min(len(p), max(0, b.most-b.kept.Len()))])
	return len(p), nil
}

// RemoveForced kills a container if it runs and removes it; one that is gone already is fine. Its volumes stay.
// Errors: CannotRemoveContainerError, DockerTimeoutError.
func (c *Client) RemoveForced(ctx context.Context, idOrName string) error {
	if err := checkRef(idOrName); err != nil {
		return task.NewError(task.ErrCannotRemoveContainer, err)
	}
	s := step{name: task.ErrCannotRemoveContainer, doing: "removing", limit: removeLimit}
	err := guardedDo(ctx, s, func(ctx context.Context) error {
		return c.api.ContainerRemove(ctx, idOrName, container.RemoveOptions{Force: true})
	})
	if IsNotFound(err) {
		return nil
	}
	return err
}

// Options of the network a container joins when it asks for none.
const (
	defaultBridgeOption = "com.docker.network.bridge.default_bridge"
	bridgeNameOption    = "com.docker.network.bridge.name"
)

// DefaultBridge returns the interface name of Docker's default bridge network ("docker0"), empty when the daemon has
// none. Errors have no name, but for DockerTimeoutError.
func (c *Client) DefaultBridge(ctx context.Context) (string, error) {
	which := network.ListOptions{Filters: filters.NewArgs(filters.Arg("driver", "bridge"))}
	networks, err := guarded(ctx, step{doing: "listing", limit: systemLimit}, func(ctx context.Context) ([]network.Summary, error) {
		return c.api.NetworkList(ctx, which)
	})
	if err != nil {
		return "", err
	}
	for _, n := range networks {
		name := n.Options[bridgeNameOption]
		if n.Driver == "bridge" && n.Options[defaultBridgeOption] == "true" && strings.TrimSpace(name) != "" {
			return name, nil
		}
	}
	return "", nil
}

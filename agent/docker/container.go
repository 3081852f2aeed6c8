package docker

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// CreateRequest is a container to be created.
type CreateRequest struct {
	// Name in Docker. When it is taken the error satisfies IsConflict; Inspect(Name) shows by whom.
	Name string
	// Version is the API version the configuration was written for (dockerConfig.version); empty: the minimum.
	Version    string
	Config     *container.Config
	HostConfig *container.HostConfig
	Limit      time.Duration // ECS_CONTAINER_CREATE_TIMEOUT
}

// Create creates a container and returns its id. It may clear values of r that the API version does not know.
// Errors: CannotGetDockerClientVersionError, CannotCreateContainerError, DockerTimeoutError.
func (c *Client) Create(ctx context.Context, r CreateRequest) (string, error) {
	if err := checkRef(r.Name); err != nil {
		return "", task.NewError(task.ErrCannotCreateContainer, err)
	}
	version, err := c.versions.effective(r.Version)
	if err != nil {
		return "", task.NewError(task.ErrCannotGetDockerVersion, err)
	}
	api, err := c.at(version)
	if err != nil {
		return "", task.NewError(task.ErrCannotGetDockerVersion, err)
	}
	s := step{name: task.ErrCannotCreateContainer, doing: "created", limit: r.Limit}
	answer, err := guarded(ctx, s, func(ctx context.Context) (container.CreateResponse, error) {
		return api.ContainerCreate(context.WithValue(ctx, written{}, r.body()), r.Config, r.HostConfig, &network.NetworkingConfig{}, nil, r.Name)
	})
	for _, warning := range answer.Warnings {
		logger.Debug("Docker warned about a new container", logger.F("runtimeName", r.Name), logger.F("warning", warning))
	}
	return answer.ID, err
}

// body gives the body of the request. The SDK's own would have the capabilities in another spelling ("CAP_NET_ADMIN" for
// "NET_ADMIN"), sorted and without duplicates; authorisation plug-ins and docker inspect show what the task definition says.
func (r CreateRequest) body() func() any {
	if r.HostConfig == nil {
		return func() any {
			return container.CreateRequest{Config: r.Config, NetworkingConfig: &network.NetworkingConfig{}}
		}
	}
	add, drop := r.HostConfig.CapAdd, r.HostConfig.CapDrop
	return func() any {
		host := *r.HostConfig // as the SDK has left it
		host.CapAdd, host.CapDrop = add, drop
		return container.CreateRequest{Config: r.Config, HostConfig: &host, NetworkingConfig: &network.NetworkingConfig{}}
	}
}

// Start starts a container and inspects it once, both within limit; one that runs already is fine. version is the API
// version asked for in the container's dockerConfig. Errors: CannotGetDockerclientError, CannotStartContainerError and
// DockerTimeoutError when the start failed; CannotInspectContainerError when it succeeded but the inspect did not.
func (c *Client) Start(ctx context.Context, id, version string, limit time.Duration) (*task.ContainerState, error) {
	if err := checkRef(id); err != nil {
		return nil, task.NewError(task.ErrCannotStartContainer, err)
	}
	effective, err := c.versions.effective(version)
	if err != nil {
		return nil, task.NewError(task.ErrCannotGetDockerClient, fmt.Errorf("(v%s) - %w", effective, err))
	}
	api, err := c.at(effective)
	if err != nil {
		return nil, task.NewError(task.ErrCannotGetDockerClient, fmt.Errorf("(v%s) - %w", effective, err))
	}
	deadline := time.Now().Add(limit)
	s := step{name: task.ErrCannotStartContainer, doing: "started", limit: limit}
	if err := guardedDo(ctx, s, func(ctx context.Context) error {
		return gone(api.ContainerStart(ctx, id, container.StartOptions{}))
	}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return c.inspectAfter(ctx, id)
}

// Stop tries up to five times.
const stopTries = 5

var stopRetry = backoff.Policy{First: time.Second, Longest: 5 * time.Second, Factor: 1.3, Jitter: 0.2}

// Stop sends the stop signal, lets Docker kill the container after grace (whole seconds), and inspects it once. A
// container that is not running is fine. Failures are tried again, five calls in all, each limited to grace + 2 minutes.
// Errors: NoSuchContainerError (wraps task.ErrGone), CannotStopContainerError, DockerTimeoutError;
// CannotInspectContainerError when it stopped but the inspect failed.
func (c *Client) Stop(ctx context.Context, id string, grace time.Duration) (*task.ContainerState, error) {
	if err := checkRef(id); err != nil {
		return nil, task.NewError(task.ErrCannotStopContainer, err)
	}
	pauses := stopRetry.Start()
	for try := 1; ; try++ {
		err := c.stopOnce(ctx, id, grace)
		switch {
		case err == nil:
			state, err := c.inspectAfter(ctx, id)
			if IsNotFound(err) {
				return nil, noSuchContainer(id, err)
			}
			return state, err
		case IsNotFound(err):
			return nil, noSuchContainer(id, err)
		case try == stopTries || ctx.Err() != nil:
			return nil, err
		}
		wait := pauses.Next()
		logger.Warn("Stopping a container failed; trying again",
			logger.F("runtimeID", id), logger.F("try", try), logger.F("wait", wait), logger.Err(err))
		if backoff.Sleep(ctx, wait) != nil {
			return nil, err
		}
	}
}

func (c *Client) stopOnce(ctx context.Context, id string, grace time.Duration) error {
	seconds := int((grace + time.Second - 1) / time.Second)
	s := step{name: task.ErrCannotStopContainer, doing: "stopped", limit: grace + c.stopLimit}
	return guardedDo(ctx, s, func(ctx context.Context) error {
		return c.api.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
	})
}

func noSuchContainer(id string, cause error) error {
	return &task.Error{Name: task.ErrNoSuchContainer, Message: "Container not found: " + id, Cause: gone(cause)}
}

// Inspect asks for one container by id or name. Errors: CannotInspectContainerError (wraps task.ErrGone when there is no
// such container), DockerTimeoutError, UnparsablePort.
func (c *Client) Inspect(ctx context.Context, idOrName string) (*task.ContainerState, error) {
	if err := checkRef(idOrName); err != nil {
		return nil, task.NewError(task.ErrCannotInspectContainer, err)
	}
	s := step{name: task.ErrCannotInspectContainer, doing: "inspecting", limit: c.inspectLimit}
	answer, err := guarded(ctx, s, func(ctx context.Context) (container.InspectResponse, error) {
		answer, err := c.api.ContainerInspect(ctx, idOrName)
		return answer, gone(err)
	})
	if err != nil {
		return nil, err
	}
	return stateOf(answer, time.Now())
}

// Settings are what a container was given.
type Settings struct {
	Environment map[string]string
	LogOptions  map[string]string
}

// Format makes every verb print the same words: secrets are among the values.
func (Settings) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[settings]") }

// Settings asks for what a container was given. Errors: CannotInspectContainerError, DockerTimeoutError.
func (c *Client) Settings(ctx context.Context, idOrName string) (Settings, error) {
	if err := checkRef(idOrName); err != nil {
		return Settings{}, task.NewError(task.ErrCannotInspectContainer, err)
	}
	s := step{name: task.ErrCannotInspectContainer, doing: "inspecting", limit: c.inspectLimit}
	answer, err := guarded(ctx, s, func(ctx context.Context) (container.InspectResponse, error) {
		answer, err := c.api.ContainerInspect(ctx, idOrName)
		return answer, gone(err)
	})
	if err != nil {
		return Settings{}, err
	}
	given := Settings{Environment: map[string]string{}}
	if answer.Config != nil {
		for _, entry := range answer.Config.Env {
			name, value, _ := strings.Cut(entry, "=")
			given.Environment[name] = value
		}
	}
	if answer.ContainerJSONBase != nil && answer.HostConfig != nil {
		given.LogOptions = answer.HostConfig.LogConfig.Config
	}
	return given, nil
}

// inspectAfter inspects after a call that succeeded: whatever goes wrong is a CannotInspectContainerError, so that it
// is not taken for a failure of that call.
func (c *Client) inspectAfter(ctx context.Context, id string) (*task.ContainerState, error) {
	state, err := c.Inspect(ctx, id)
	if named, ok := err.(*task.Error); ok && named.Name == task.ErrDockerTimeout {
		return nil, task.NewError(task.ErrCannotInspectContainer, fmt.Errorf("%s", named.Message))
	}
	return state, err
}

// Remove removes a container and its anonymous volumes; one that is gone already is fine.
// Errors: CannotRemoveContainerError, DockerTimeoutError.
func (c *Client) Remove(ctx context.Context, idOrName string) error {
	if err := checkRef(idOrName); err != nil {
		return task.NewError(task.ErrCannotRemoveContainer, err)
	}
	s := step{name: task.ErrCannotRemoveContainer, doing: "removing", limit: removeLimit}
	err := guardedDo(ctx, s, func(ctx context.Context) error {
		return c.api.ContainerRemove(ctx, idOrName, container.RemoveOptions{RemoveVolumes: true})
	})
	if IsNotFound(err) {
		return nil
	}
	return err
}

// List gives the containers of ECS tasks, running or not, in Docker's order (newest first). The states are partial.
// Errors: CannotListContainersError, DockerTimeoutError.
func (c *Client) List(ctx context.Context) ([]task.ContainerState, error) {
	return c.list(ctx, filters.NewArgs(filters.Arg("label", task.LabelTaskARN)))
}

// ListAll is List for every container of the host.
func (c *Client) ListAll(ctx context.Context) ([]task.ContainerState, error) {
	return c.list(ctx, filters.NewArgs())
}

func (c *Client) list(ctx context.Context, which filters.Args) ([]task.ContainerState, error) {
	s := step{name: task.ErrCannotListContainers, doing: "listing", limit: listLimit}
	list, err := guarded(ctx, s, func(ctx context.Context) ([]container.Summary, error) {
		return c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: which})
	})
	if err != nil {
		return nil, err
	}
	states := make([]task.ContainerState, len(list))
	for i := range list {
		states[i] = partialStateOf(&list[i])
	}
	return states, nil
}

// checkRef refuses what would turn a call on one container into another call of the API.
func checkRef(idOrName string) error {
	if idOrName == "" || idOrName == "." || idOrName == ".." || strings.ContainsAny(idOrName, "/\\") {
		return fmt.Errorf("invalid container name or ID: %q", idOrName)
	}
	return nil
}

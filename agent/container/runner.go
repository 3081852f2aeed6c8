// Package container carries out single steps on the containers of tasks: it brings images, creates, starts, looks at,
// stops and removes. What to do when is the engine's business; each step here may be repeated.
package container

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/metadatafile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Docker is what the steps need of the Docker engine. All errors are named.
type Docker interface {
	Create(ctx context.Context, r docker.CreateRequest) (id string, err error)
	Start(ctx context.Context, id, version string, limit time.Duration) (*task.ContainerState, error)
	Stop(ctx context.Context, id string, grace time.Duration) (*task.ContainerState, error)
	Inspect(ctx context.Context, idOrName string) (*task.ContainerState, error)
	Settings(ctx context.Context, idOrName string) (docker.Settings, error)
	Remove(ctx context.Context, idOrName string) error
	ServerAtLeast(major, minor, patch int) (bool, error)
	Watcher
}

// Watcher are the calls that are not about one container; a Runner passes them on.
type Watcher interface {
	Ping(ctx context.Context) error
	List(ctx context.Context) ([]task.ContainerState, error)
	Events(ctx context.Context, since time.Time, listening func(), deliver func(task.RuntimeEvent)) error
}

// Images are the steps before a container can be created; a Runner passes them on.
type Images interface {
	ResolveManifest(ctx context.Context, t *task.Task, c *task.Container) (task.Manifest, error)
	Pull(ctx context.Context, t *task.Task, c *task.Container) (task.PullResult, error)
}

// ImageFacts is what is known about images on this host.
type ImageFacts interface {
	Images
	// SetsRegion says whether the container's image sets AWS_REGION or AWS_DEFAULT_REGION, even to nothing.
	SetsRegion(c *task.Container) bool
}

// Runner carries out steps.
type Runner struct {
	Watcher
	Images
	docker Docker
	facts  mapping.Facts
	files  metadataFiles
	hide   redactor
	// network of pause containers.
	network         Network
	disconnectDelay time.Duration

	createLimit, startLimit time.Duration
	// stopGrace is how long a container may take to end that does not say so itself.
	stopGrace time.Duration
}

// Host is what a Runner has to know about the host beyond the configuration.
type Host struct {
	CgroupV2 bool
	// CgroupSlices says that Docker lets systemd make the cgroups.
	CgroupSlices bool
	// LogsEndpoint is the URL of CloudWatch Logs in a region.
	LogsEndpoint func(region string, dualStack bool) (string, error)
	// MetadataFiles of containers; nil: there are none.
	MetadataFiles *metadatafile.Files
	Network       Network
	// Secret gives the value of a secret that was fetched for the task.
	Secret func(*task.Task, task.Secret) (string, error)
	// EnvironmentFiles gives the variables of the container's environment files.
	EnvironmentFiles func(*task.Task, *task.Container) ([]map[string]string, error)
}

// New gives a Runner. The error names a setting that makes no sense.
func New(cfg *config.Config, d Docker, images ImageFacts, roles *credentials.Store, host Host) (*Runner, error) {
	first, last, err := cfg.PortRange()
	if err != nil {
		return nil, err
	}
	return &Runner{
		Watcher: d, Images: images, docker: d,
		facts: mapping.Facts{
			Cluster: cfg.Cluster, Region: cfg.AWSRegion, IPv6Only: cfg.InstanceIPCompatibility.IPv6Only(), CgroupV2: host.CgroupV2, CgroupSlices: host.CgroupSlices,
			PropagateTaskMemory: cfg.PropagateTaskMemoryLimitCgroupV2, PauseLabels: cfg.PauseLabels,
			HostDataDir: cfg.DataDirOnHost, FirelensAsync: cfg.FirelensAsyncEnabled, Runtime: cfg.DockerRuntime,
			Accelerators: mapping.Accelerators{DeviceRequests: cfg.GPUSupportEnabled && cfg.External, Neuron: cfg.InferentiaSupportEnabled},
			Credentials:  roles, Ports: mapping.NewPortPool(task.PortRange{First: first, Last: last}, unused),
			ImageSetsRegion: images.SetsRegion, ServerAtLeast: d.ServerAtLeast, LogsEndpoint: host.LogsEndpoint,
			Secret: host.Secret, EnvironmentFiles: host.EnvironmentFiles,
		},
		files:           metadataFiles{files: host.MetadataFiles, on: cfg.ContainerMetadataEnabled},
		network:         host.Network,
		disconnectDelay: time.Duration(cfg.ENIPauseContainerCleanupDelaySeconds) * time.Second,
		createLimit:     cfg.ContainerCreateTimeout, startLimit: cfg.ContainerStartTimeout, stopGrace: cfg.DockerStopTimeout,
	}, nil
}

// Create creates the container under its RuntimeName. A container of that name which an earlier call created for this
// container, whose answer was lost, is taken over.
func (r *Runner) Create(ctx context.Context, t *task.Task, c *task.Container) (task.CreateResult, error) {
	request, err := mapping.Create(t, c, &r.facts)
	if err != nil {
		return task.CreateResult{}, err
	}
	r.hide.keep(c.RuntimeName, request.Secrets)
	r.files.mount(ctx, t, c, request)
	result := task.CreateResult{SinglePorts: request.SinglePorts, HostRanges: request.HostRanges, HasPortRange: request.HasPortRange}
	create := docker.CreateRequest{
		Name: request.Name, Version: apiVersion(c), Config: request.Config, HostConfig: request.HostConfig, Limit: r.createLimit,
	}
	for deadline := time.Now().Add(conflictLimit); ; {
		result.RuntimeID, err = r.docker.Create(ctx, create)
		if !docker.IsConflict(err) {
			break
		}
		if result.State, err = r.adopt(ctx, t, c, err); result.State != nil {
			result.RuntimeID = result.State.RuntimeID
		}
		// Docker reserves a name before there is a container to look at: a create call of a killed agent may still be
		// under way, and may yet succeed or be given up.
		if !errors.Is(err, task.ErrGone) || time.Now().After(deadline) || backoff.Sleep(ctx, conflictPause) != nil {
			break
		}
	}
	if err != nil && !unsure(err) {
		r.facts.Ports.Release(c.RuntimeName)
	}
	if err != nil {
		err = hidden(err, func(text string) string { return redact(text, request.Secrets) })
		r.hide.drop(c.RuntimeName)
	}
	r.hideIn(ctx, c, result.State)
	return result, err
}

// Waiting for a create call whose caller is gone.
const (
	conflictLimit = 30 * time.Second
	conflictPause = 100 * time.Millisecond
)

// adopt looks at the container that has the name already. Only the one that was made for c may be used.
func (r *Runner) adopt(ctx context.Context, t *task.Task, c *task.Container, conflict error) (*task.ContainerState, error) {
	state, err := r.docker.Inspect(ctx, c.RuntimeName)
	if err != nil {
		return nil, &task.Error{Name: task.ErrCannotCreateContainer, Cause: err,
			Message: task.ErrorText(conflict) + "; looking at that container failed: " + task.ErrorText(err)}
	}
	if state.Labels[task.LabelTaskARN] != t.ARN || state.Labels[task.LabelContainerName] != c.Name {
		return nil, &task.Error{Name: task.ErrCannotCreateContainer, Cause: conflict,
			Message: fmt.Sprintf("the name %s is taken by container %s, which does not belong to this task; remove or rename that container", c.RuntimeName, state.RuntimeID)}
	}
	logger.Info("Took over a container that was created before", logger.F("taskARN", t.ARN), logger.F("containerName", c.Name), logger.F("runtimeID", state.RuntimeID))
	return state, nil
}

// Start starts the container and looks at it once. From then on Docker holds its host ports, or nobody has to.
func (r *Runner) Start(ctx context.Context, t *task.Task, c *task.Container) (*task.ContainerState, error) {
	state, err := r.docker.Start(ctx, reference(c), apiVersion(c), r.startLimit)
	if !unsure(err) {
		r.facts.Ports.Release(c.RuntimeName)
	}
	if err == nil && needsAddress(t, c) {
		state, err = r.awaitAddress(ctx, t, c, state)
	}
	if err == nil {
		r.files.complete(t, c, state)
	}
	err = r.hiddenFailure(ctx, c, err)
	r.hideIn(ctx, c, state)
	r.hide.drop(c.RuntimeName)
	return state, err
}

// Stop asks the container to end and lets Docker kill it when its time is over, then looks at it.
func (r *Runner) Stop(ctx context.Context, _ *task.Task, c *task.Container) (*task.ContainerState, error) {
	grace := r.stopGrace
	if c.StopTimeout > 0 {
		grace = time.Duration(c.StopTimeout) * time.Second
	}
	state, err := r.docker.Stop(ctx, reference(c), grace)
	if err == nil || errors.Is(err, task.ErrGone) {
		r.facts.Ports.Release(c.RuntimeName)
	}
	r.hideIn(ctx, c, state)
	return state, r.hiddenFailure(ctx, c, err)
}

// Inspect looks at the container.
func (r *Runner) Inspect(ctx context.Context, c *task.Container) (*task.ContainerState, error) {
	state, err := r.docker.Inspect(ctx, reference(c))
	r.hideIn(ctx, c, state)
	return state, err
}

// Remove removes the container, its anonymous volumes and its metadata file; one that is gone is a success.
func (r *Runner) Remove(ctx context.Context, t *task.Task, c *task.Container) error {
	r.facts.Ports.Release(c.RuntimeName)
	r.hide.drop(c.RuntimeName)
	r.files.remove(t, c)
	return r.docker.Remove(ctx, reference(c))
}

// reference is how Docker knows the container: by id, or by name while no create call has returned one.
func reference(c *task.Container) string {
	if c.RuntimeID != "" {
		return c.RuntimeID
	}
	return c.RuntimeName
}

// apiVersion is the Docker API version for which the container's raw settings were written; empty when it has none.
func apiVersion(c *task.Container) string {
	if c.DockerConfig.Version == nil {
		return ""
	}
	return *c.DockerConfig.Version
}

// unsure reports whether a call failed in a way that leaves open whether Docker did what it was asked.
func unsure(err error) bool {
	return task.ErrorName(err) == task.ErrDockerTimeout || strings.HasSuffix(task.ErrorText(err), "EOF")
}

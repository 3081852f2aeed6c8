// Package mapping turns one container of a task into the request that makes Docker create it.
//
// It is pure: the same task, container and facts give the same request, apart from the host ports that a PortPool hands
// out. The order of work is the table steps; what a step needs beside the task comes in through Facts.
package mapping

import (
	"errors"
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Facts are what the mapping has to know about the agent and its host.
type Facts struct {
	// Cluster as configured, a name or an ARN; empty means "default".
	Cluster string
	// Region of the instance; empty when unknown.
	Region string
	// IPv6Only is set on instances without IPv4.
	IPv6Only bool
	// CgroupV2 says which cgroup version the host uses.
	CgroupV2 bool
	// CgroupSlices says that Docker lets systemd make the cgroups.
	CgroupSlices bool
	// PropagateTaskMemory gives containers without a memory limit the task's (cgroup v2 only).
	PropagateTaskMemory bool
	// HostDataDir is the directory of the agent's data on the host (ECS_HOST_DATA_DIR).
	HostDataDir string
	// FirelensAsync lets containers start although their log router cannot take their logs yet.
	FirelensAsync bool
	// PauseLabels are added to pause containers.
	PauseLabels map[string]string
	// Runtime is the OCI runtime of task containers; empty: Docker's default.
	Runtime      string
	Accelerators Accelerators

	Credentials *credentials.Store
	Ports       *PortPool

	// ImageSetsRegion says whether the container's image sets AWS_REGION or AWS_DEFAULT_REGION, even to nothing.
	ImageSetsRegion func(*task.Container) bool
	// ServerAtLeast says whether the Docker engine has at least this version.
	ServerAtLeast func(major, minor, patch int) (bool, error)
	// LogsEndpoint is the URL of CloudWatch Logs in a region.
	LogsEndpoint func(region string, dualStack bool) (string, error)
	// Secret gives the value of a secret that was fetched for the task.
	Secret func(*task.Task, task.Secret) (string, error)
	// EnvironmentFiles gives the variables of the container's environment files: one set per file, in order.
	EnvironmentFiles func(*task.Task, *task.Container) ([]map[string]string, error)
}

// Request is what a container is created with.
type Request struct {
	// Name of the new container in Docker.
	Name       string
	Config     *container.Config
	HostConfig *container.HostConfig
	// Secrets are the values in it that must not be shown to anybody.
	Secrets []string

	// Host ports behind the container's ports, in the form in which they are kept with the container.
	SinglePorts  task.PortSet
	HostRanges   map[string]string
	HasPortRange bool
}

// Body is the body of POST /containers/create.
func (r *Request) Body() container.CreateRequest {
	return container.CreateRequest{Config: r.Config, HostConfig: r.HostConfig, NetworkingConfig: &network.NetworkingConfig{}}
}

// build is a request in the making. Steps read what earlier steps left.
type build struct {
	*Request
	facts *Facts
	task  *task.Task
	c     *task.Container
	// env becomes Config.Env.
	env map[string]string
	// published are the ports the container opens to the outside.
	published []publishedPort
}

// step is one rule or group of rules. A failing step makes the container fail with an error of the given name; the steps
// without a name cannot fail.
type step struct {
	name      string
	errorName string
	run       func(*build) error
}

// steps in the order in which they are taken.
var steps = []step{
	// Host config: what the task asks for, then the raw JSON over it, then what nobody may override.
	{"links", task.ErrHostConfig, links},
	{"port bindings", task.ErrHostConfig, portBindings},
	{"volumes from", task.ErrHostConfig, volumesFrom},
	{"binds", task.ErrHostConfig, binds},
	{"cpu and memory", "", cpuAndMemory},
	{"devices and runtime", task.ErrHostConfig, devices},
	{"raw host config", task.ErrHostConfig, rawHostConfig},
	{"cgroup parent", task.ErrHostConfig, cgroupParent},
	{"network mode", "", networkMode},
	{"own network", "", ownNetwork},
	{"pid mode", task.ErrHostConfig, pidMode},
	{"ipc mode", task.ErrHostConfig, ipcMode},
	{"files of the log router", task.ErrHostConfig, routerFiles},
	// Log options.
	{"awslogs credentials endpoint", task.ErrHostConfig, logsCredentialsEndpoint},
	{"awslogs endpoint", "", logsEndpoint},
	{"non-blocking log buffer", "", logBuffer},
	{"logs to the log router", task.ErrCannotCreateContainer, routedLogs},
	// Environment.
	{"task variables", "", taskVariables},
	{"task role credentials", "", taskRoleVariable},
	{"visible GPUs", "", gpuVariable},
	{"agent endpoints", "", endpointVariables},
	{"secrets", task.ErrDockerClientConfig, secretValues}, // in log options too
	{"variables of the log router", task.ErrDockerClientConfig, routerVariables},
	{"address of the log router", task.ErrDockerClientConfig, routerAddress},
	{"environment files", task.ErrResourceInitialization, fileVariables},
	{"region", "", regionVariables},
	// Config: same order as for the host config.
	{"image, program and environment", "", program},
	{"raw config", task.ErrDockerClientConfig, rawConfig},
	{"health check", task.ErrDockerClientConfig, healthCheck},
	{"labels", "", labels},
}

// Create maps a container of a task. The host ports it picks are held in facts.Ports under the container's RuntimeName;
// the caller releases them. On failure none are held and the error is a *task.Error.
func Create(t *task.Task, c *task.Container, facts *Facts) (*Request, error) {
	b := &build{
		Request: &Request{
			Name:   c.RuntimeName,
			Config: &container.Config{},
			// Lists that the steps fill are empty rather than missing in docker inspect.
			HostConfig: &container.HostConfig{Binds: []string{}, Links: []string{}, VolumesFrom: []string{}, PortBindings: nat.PortMap{}},
		},
		facts: facts, task: t, c: c, env: map[string]string{},
	}
	for _, s := range steps {
		if err := s.run(b); err != nil {
			facts.Ports.Release(c.RuntimeName)
			return nil, task.NewError(s.errorName, err)
		}
	}
	return b.Request, nil
}

// program is the image and what runs in it.
func program(b *build) error {
	b.Config.Image = b.c.Image
	b.Config.Cmd = b.c.Command
	if b.c.Overrides.Command != nil {
		b.Config.Cmd = *b.c.Overrides.Command
	}
	b.Config.Entrypoint = b.c.EntryPoint
	if len(b.Config.Cmd) == 0 {
		b.Config.Cmd = nil // the image's own
	}
	if len(b.Config.Entrypoint) == 0 {
		b.Config.Entrypoint = nil
	}
	b.Config.Env = sortedEnv(b.env)
	return nil
}

// healthCheck fails a container whose health ECS expects from Docker and that has no check of its own.
func healthCheck(b *build) error {
	if b.c.DockerHealthChecked() && b.Config.Healthcheck == nil {
		return errors.New("docker health check is nil while container health check type is DOCKER")
	}
	return nil
}

// pause reports whether the container only holds namespaces for the others.
func pause(c *task.Container) bool {
	return c.Type == task.CNIPause || c.Type == task.NamespacePause
}

// runtimeName is the Docker name of a container of the task that another one refers to.
func (b *build) runtimeName(name, role string) (string, error) {
	target, found := b.task.Container(name)
	if !found || target.RuntimeName == "" {
		return "", fmt.Errorf("%s target not available: %s", role, name)
	}
	return target.RuntimeName, nil
}

package task

import (
	"cmp"
	"time"
)

// ContainerState is what the container runtime says about one container (Docker inspect).
type ContainerState struct {
	RuntimeID  string
	Name       string // without the leading slash
	Status     ContainerStatus
	ExitCode   *int // only when it ended
	CreatedAt  time.Time
	StartedAt  time.Time
	FinishedAt time.Time
	Labels     map[string]string
	ImageID    string
	PID        int

	Bindings    []PortMapping
	Mounts      []Mount
	NetworkMode string
	Networks    []Network
	Health      *Health // nil when the container has no health check

	// Failure is set when the runtime says why the container ended: out of memory, or an error of its own.
	Failure *Error
	// MetadataFileReady is set when the step that asked also completed the container's metadata file.
	MetadataFileReady bool
	// Partial marks a state taken from a list of containers: no exit code, times or ports, and of health the status alone.
	Partial bool
}

// Mount is a mounted volume as Docker reports it.
type Mount struct {
	Name, Source, Destination, Driver, Mode string
	ReadOnly                                bool
}

// Network is one Docker network the container is attached to.
type Network struct {
	Name       string // "bridge", "host", …
	IPv4, IPv6 string
	MAC        string
	IPv4Prefix int
	Gateway    string
}

// BridgeAddress is the container's address on Docker's bridge; empty while it has none.
func (s *ContainerState) BridgeAddress() string { return bridgeAddress(s.Networks) }

func bridgeAddress(networks []Network) string {
	for _, n := range networks {
		if n.Name == "bridge" {
			return cmp.Or(n.IPv4, n.IPv6)
		}
	}
	return ""
}

// Health is the state of a container's health check.
type Health struct {
	Status   HealthStatus
	Since    time.Time
	Output   string // last log entry, at most 1024 bytes
	ExitCode int
}

// update takes over a result only when the status changed; the exit code only when unhealthy.
func (h *Health) update(now Health) {
	if h.Status == now.Status && !h.Since.IsZero() {
		return
	}
	exit := h.ExitCode
	if now.Status == HealthUnhealthy {
		exit = now.ExitCode
	}
	*h = Health{Status: now.Status, Since: now.Since, Output: now.Output, ExitCode: exit}
}

// RuntimeAction is a kind of event of the container runtime.
type RuntimeAction string

// Actions of the Docker event stream that the agent uses.
const (
	ActionCreate  RuntimeAction = "create"
	ActionStart   RuntimeAction = "start"
	ActionDie     RuntimeAction = "die"
	ActionStop    RuntimeAction = "stop"
	ActionRestart RuntimeAction = "restart"
	ActionOOM     RuntimeAction = "oom"
	ActionHealth  RuntimeAction = "health_status"
	ActionDestroy RuntimeAction = "destroy"
)

// RuntimeEvent is something the container runtime reports about a container.
type RuntimeEvent struct {
	Action    RuntimeAction
	RuntimeID string
	// TaskARN and Container come from the labels ECS puts on containers; empty for others' containers.
	TaskARN   string
	Container string
	ExitCode  *int // of die
	Health    HealthStatus
	Time      time.Time
}

// Labels that the agent puts on every container it creates.
const (
	LabelTaskARN       = "com.amazonaws.ecs.task-arn"
	LabelContainerName = "com.amazonaws.ecs.container-name"
	LabelFamily        = "com.amazonaws.ecs.task-definition-family"
	LabelRevision      = "com.amazonaws.ecs.task-definition-version"
	LabelCluster       = "com.amazonaws.ecs.cluster"
)

// Manifest is the result of resolving an image reference in its registry.
type Manifest struct {
	// Digest is empty when the image needs none or has none (the step counts as done).
	Digest string
}

// PullResult is the result of pulling an image.
type PullResult struct {
	ImageID    string
	Digest     string    // of the image on the host, when resolving found none; empty when it has none of its own name
	StartedAt  time.Time // zero when nothing had to be pulled
	FinishedAt time.Time
	// Missing says that the pull failed and the image is not on the host either. It is only found out with pulls upfront.
	Missing bool
}

// CreateResult is the result of creating a container.
type CreateResult struct {
	RuntimeID string
	// Ports as chosen for the create call.
	SinglePorts  PortSet
	HostRanges   map[string]string
	HasPortRange bool
	// State is set when the runtime was asked about the new container.
	State *ContainerState
}

package task

import (
	"encoding/json"
	"fmt"
	"time"
)

// Container is one container of a task: what was asked for, how far it is, and what Docker said about it last.
// The JSON form is the "Container" object of agent.db; fields tagged "-" come back from Docker after a restart.
type Container struct {
	Name    string `json:"Name"`
	TaskARN string `json:"taskARN"`
	// RuntimeID is the Docker id; empty until a create call returned one.
	RuntimeID string `json:"RuntimeID"`
	// RuntimeName is the Docker name, chosen at intake and saved before the create call, so that a container whose
	// create answer was lost is found again. Kept beside the Container object in agent.db ("DockerName").
	RuntimeName string `json:"-"`
	// EndpointID is the random id in the container's metadata and agent API addresses.
	EndpointID string `json:"V3EndpointID"`
	// ARN is the container's ARN as ECS knows it.
	ARN string `json:"ContainerArn,omitempty"`

	Image       string `json:"Image"`
	ImageID     string `json:"ImageID"`
	ImageDigest string `json:"ImageDigest"`

	Command          []string          `json:"Command"`
	EntryPoint       []string          `json:"EntryPoint"`
	Environment      map[string]string `json:"environment"`
	EnvironmentFiles []EnvironmentFile `json:"environmentFiles"`
	CPU              uint              `json:"Cpu"`    // shares
	Memory           uint              `json:"Memory"` // MiB
	Links            []string          `json:"Links"`
	VolumesFrom      []VolumeFrom      `json:"volumesFrom"`
	MountPoints      []MountPoint      `json:"mountPoints"`
	Ports            []PortMapping     `json:"portMappings"`
	Essential        bool              `json:"Essential"`
	Overrides        Overrides         `json:"overrides"`
	DockerConfig     DockerConfig      `json:"dockerConfig"`
	HealthCheckType  string            `json:"healthCheckType,omitempty"`
	LogsAuthStrategy string            `json:"LogsAuthStrategy"`
	StartTimeout     uint              `json:"StartTimeout"` // seconds
	StopTimeout      uint              `json:"StopTimeout"`  // seconds
	GPUIDs           []string          `json:"GPUIDs"`
	Type             ContainerType     `json:"IsInternal"`
	SteadyStatus     *ContainerStatus  `json:"SteadyStateStatus,omitempty"`

	Secrets         []Secret         `json:"secrets"`
	Firelens        *FirelensConfig  `json:"firelensConfiguration"`
	CredentialSpecs []string         `json:"credentialSpecs,omitempty"`
	RegistryAuth    *RegistryAuth    `json:"registryAuthentication"`
	ManagedAgents   []ManagedAgent   `json:"managedAgents,omitempty"`
	DependsOn       []Dependency     `json:"dependsOn,omitempty"`
	Transitions     TransitionSet    `json:"TransitionDependencySet"`
	RunDependencies []string         `json:"RunDependencies"` // legacy
	RestartPolicy   *RestartPolicy   `json:"restartPolicy,omitempty"`
	Restarts        *RestartTracker  `json:"restartTracker,omitempty"`
	RestartStats    *json.RawMessage `json:"RestartAggregationDataForStats,omitempty"`

	Desired  ContainerStatus `json:"desiredStatus"`
	Known    ContainerStatus `json:"KnownStatus"`
	Sent     ContainerStatus `json:"SentStatus"`
	Failure  *AppliedError   `json:"ApplyingError"` // the first error, kept for reasons
	ExitCode *int            `json:"KnownExitCode"`
	// Bindings are the published ports as first observed.
	Bindings          []PortMapping     `json:"KnownPortBindings"`
	StartedAt         time.Time         `json:"startedAt"` // first start
	MetadataFileReady bool              `json:"metadataFileUpdated"`
	NetworkTornDown   bool              `json:"containerTornDown"`
	HasPortRange      bool              `json:"ContainerHasPortRange"`
	SinglePorts       PortSet           `json:"ContainerPortSet"`
	HostRanges        map[string]string `json:"ContainerPortRangeMap"` // container range → host range

	// From the last inspect.
	CreatedAt   time.Time         `json:"-"`
	FinishedAt  time.Time         `json:"-"`
	Labels      map[string]string `json:"-"`
	Mounts      []Mount           `json:"-"`
	NetworkMode string            `json:"-"`
	Networks    []Network         `json:"-"`
	Health      Health            `json:"-"`
	PID         int               `json:"-"`

	// Engine is what only the running engine needs to know; see the type.
	Engine ContainerProgress `json:"-"`
}

// ContainerProgress is the part of a container's state that a restart starts over.
type ContainerProgress struct {
	// Step is the step in flight, since StepSince; at most one per container.
	Step      Step
	StepSince time.Time
	// RetryStopAt is when a stop that failed while Docker did not answer is tried again.
	RetryStopAt time.Time
	// InspectAt is when the container is to be inspected; zero = not wanted. Inspecting is set while that runs.
	InspectAt  time.Time
	Inspecting bool
	// Restored is set until Docker was asked about a container that a former run of the agent left.
	Restored bool
	// EventExitCode is the exit code a die event brought while it still waits for an inspect or another step.
	EventExitCode *int
	// Died is set by a die event until it has been dealt with.
	Died bool
	// MustStop is set when the container may run although no start has succeeded: stop it before calling it STOPPED.
	MustStop bool
	// Restart is set when the restart policy wants the container started again; NotRestarted says why it does not, for people.
	Restart      bool
	NotRestarted string
	// CameBack is set when a stopped container was seen running: it is stopped once more.
	CameBack bool
}

// Step is one piece of work on a container that needs a call to the outside world.
type Step int

// Steps in the order a container usually takes them.
const (
	StepNone Step = iota
	StepResolveManifest
	StepPull
	StepCreate
	StepStart
	StepProvision
	StepStop
	StepRestart
)

var stepNames = [...]string{"none", "resolve manifest", "pull", "create", "start", "provision", "stop", "restart"}

func (s Step) String() string {
	if s < 0 || int(s) >= len(stepNames) {
		return fmt.Sprintf("step %d", int(s))
	}
	return stepNames[s]
}

// Steady is the status at which the container counts as up.
func (c *Container) Steady() ContainerStatus {
	if c.SteadyStatus == nil {
		return ContainerRunning
	}
	return *c.SteadyStatus
}

// BridgeAddress is the container's address on Docker's bridge; empty while it has none.
func (c *Container) BridgeAddress() string { return bridgeAddress(c.Networks) }

// Internal reports whether the agent added the container; internal containers are never reported to ECS.
func (c *Container) Internal() bool { return c.Type != Normal }

// DockerHealthChecked reports whether the container's health comes from its Docker health check.
func (c *Container) DockerHealthChecked() bool { return c.HealthCheckType == "docker" }

// TaskStatus is the task status the container's known status stands for.
func (c *Container) TaskStatus() Status {
	switch {
	case c.Known == c.Steady():
		return Running
	case c.Known == ContainerStopped:
		return Stopped
	case c.Known == ContainerCreated, c.Known == ContainerRunning:
		return Created
	case c.Known == ContainerManifestPulled, c.Known == ContainerPulled:
		return ManifestPulled
	default:
		return None
	}
}

// Fail keeps the container's first error.
func (c *Container) Fail(err *Error) {
	if c.Failure == nil && err != nil {
		c.Failure = &AppliedError{Name: err.Name, Message: err.Message}
	}
}

// Observe takes over what an inspect found; it does not touch the known status or the failure.
func (c *Container) Observe(s *ContainerState) {
	if s.RuntimeID != "" {
		c.RuntimeID = s.RuntimeID
	}
	if s.Name != "" {
		c.RuntimeName = s.Name
	}
	if !s.CreatedAt.IsZero() {
		c.CreatedAt = s.CreatedAt
	}
	if c.StartedAt.IsZero() {
		c.StartedAt = s.StartedAt
	}
	if !s.FinishedAt.IsZero() {
		c.FinishedAt = s.FinishedAt
	}
	if len(c.Labels) == 0 {
		c.Labels = s.Labels
	}
	if s.ExitCode != nil {
		c.ExitCode = s.ExitCode
	}
	if len(c.Bindings) == 0 && len(s.Bindings) > 0 {
		c.Bindings = s.Bindings
	}
	c.MetadataFileReady = c.MetadataFileReady || s.MetadataFileReady
	c.Mounts, c.NetworkMode, c.Networks, c.PID = s.Mounts, s.NetworkMode, s.Networks, s.PID
	if c.DockerHealthChecked() && s.Health != nil && !s.Partial {
		c.Health.update(*s.Health)
	}
}

// EnvironmentFile is a file of variables to be read before the container is created.
type EnvironmentFile struct {
	Value string `json:"value"`
	Type  string `json:"type"`
}

// VolumeFrom mounts the volumes of another container of the task.
type VolumeFrom struct {
	SourceContainer string `json:"sourceContainer"`
	ReadOnly        bool   `json:"readOnly"`
}

// MountPoint mounts a volume of the task into the container.
type MountPoint struct {
	SourceVolume  string `json:"sourceVolume"`
	ContainerPath string `json:"containerPath"`
	ReadOnly      bool   `json:"readOnly"`
}

// Overrides are the container overrides that reach the agent; a nil Command overrides nothing.
type Overrides struct {
	Command *[]string `json:"command"`
}

// DockerConfig holds raw Docker JSON: two JSON objects in strings, and the API version they were written for.
type DockerConfig struct {
	Config     *string `json:"config"`
	HostConfig *string `json:"hostConfig"`
	Version    *string `json:"version"`
}

// Secret is a reference to a secret; the value is never kept here.
type Secret struct {
	Name          string `json:"name"`
	ValueFrom     string `json:"valueFrom"`
	Region        string `json:"region"`
	ContainerPath string `json:"containerPath"`
	Type          string `json:"type"`
	Provider      string `json:"provider"`
	Target        string `json:"target"`
}

// Values of a Secret's members.
const (
	ProviderSSM           = "ssm"
	ProviderASM           = "asm" // Secrets Manager
	SecretVariable        = "ENVIRONMENT_VARIABLE"
	secretTargetLogDriver = "LOG_DRIVER"
)

// ForLogDriver reports whether the secret is an option of the container's log driver.
func (s Secret) ForLogDriver() bool { return s.Target == secretTargetLogDriver }

// FirelensConfig marks the container as the task's log router.
type FirelensConfig struct {
	Type    string            `json:"type"`
	Options map[string]string `json:"options"`
}

// Types of RegistryAuth. Any other means the credentials of the agent's configuration.
const (
	RegistryECR = "ecr"
	RegistryASM = "asm"
)

// RegistryAuth says where the credentials for the container's registry come from.
type RegistryAuth struct {
	Type string       `json:"type"`
	ECR  *ECRAuthData `json:"ecrAuthData"`
	ASM  *ASMAuthData `json:"asmAuthData"`
}

// ECRAuthData asks for an Amazon ECR token.
type ECRAuthData struct {
	EndpointOverride string `json:"endpointOverride"`
	Region           string `json:"region"`
	RegistryID       string `json:"registryId"`
	UseExecutionRole bool   `json:"useExecutionRole"`
}

// ASMAuthData names a Secrets Manager secret with user name and password.
type ASMAuthData struct {
	CredentialsParameter string `json:"credentialsParameter"`
	Region               string `json:"region"`
}

// ManagedAgent is a process the agent runs inside a container (ECS Exec). The JSON is that of agent.db.
type ManagedAgent struct {
	ID            string            `json:"id,omitempty"`
	Status        string            `json:"status,omitempty"`
	SentStatus    string            `json:"sentStatus,omitempty"`
	Reason        string            `json:"reason,omitempty"`
	LastStartedAt time.Time         `json:"lastStartedAt"`
	Metadata      map[string]any    `json:"metadata,omitempty"`
	InitFailed    bool              `json:"initFailed,omitempty"`
	Name          string            `json:"name,omitempty"`
	Properties    map[string]string `json:"properties,omitempty"`
}

// RestartPolicy asks the agent to start a container again when it exits (ECS ContainerRestartPolicy).
type RestartPolicy struct {
	Enabled          bool  `json:"enabled"`
	IgnoredExitCodes []int `json:"ignoredExitCodes"`
	AttemptPeriod    int   `json:"restartAttemptPeriod"` // seconds a container has to run before it is restarted
}

// RestartTracker counts the restarts made under a policy.
type RestartTracker struct {
	Count  int           `json:"restartCount,omitempty"`
	Last   time.Time     `json:"lastRestartAt"`
	Policy RestartPolicy `json:"restartPolicy"`
}

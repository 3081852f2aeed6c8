package ecs

import "encoding/json"

// TaskDefinition is one revision of a task definition, as registered and as described.
type TaskDefinition struct {
	TaskDefinitionArn       string                `json:"taskDefinitionArn,omitempty"`
	ContainerDefinitions    []ContainerDefinition `json:"containerDefinitions"`
	Family                  string                `json:"family"`
	TaskRoleArn             string                `json:"taskRoleArn,omitempty"`
	ExecutionRoleArn        string                `json:"executionRoleArn,omitempty"`
	NetworkMode             string                `json:"networkMode,omitempty"`
	Revision                int                   `json:"revision,omitempty"`
	Volumes                 []Volume              `json:"volumes"`
	Status                  string                `json:"status,omitempty"`
	RequiresAttributes      []Attribute           `json:"requiresAttributes,omitempty"`
	PlacementConstraints    []PlacementConstraint `json:"placementConstraints"`
	Compatibilities         []string              `json:"compatibilities,omitempty"`
	RuntimePlatform         *RuntimePlatform      `json:"runtimePlatform,omitempty"`
	RequiresCompatibilities []string              `json:"requiresCompatibilities,omitempty"`
	CPU                     string                `json:"cpu,omitempty"`    // CPU units, or "1 vCPU"
	Memory                  string                `json:"memory,omitempty"` // MiB, or "1 GB"
	InferenceAccelerators   json.RawMessage       `json:"inferenceAccelerators,omitempty"`
	PidMode                 string                `json:"pidMode,omitempty"`
	IpcMode                 string                `json:"ipcMode,omitempty"`
	ProxyConfiguration      *ProxyConfiguration   `json:"proxyConfiguration,omitempty"`
	RegisteredAt            Time                  `json:"registeredAt,omitzero"`
	DeregisteredAt          Time                  `json:"deregisteredAt,omitzero"`
	RegisteredBy            string                `json:"registeredBy,omitempty"`
	EphemeralStorage        json.RawMessage       `json:"ephemeralStorage,omitempty"`
	EnableFaultInjection    bool                  `json:"enableFaultInjection,omitempty"`
}

// Task definition statuses.
const (
	Active   = "ACTIVE"
	Inactive = "INACTIVE"
	Draining = "DRAINING"
)

// ContainerDefinition describes one container of a task definition. Sizes: CPU in units (1024 = one CPU), memory in MiB.
type ContainerDefinition struct {
	Name                   string                 `json:"name"`
	Image                  string                 `json:"image"`
	RepositoryCredentials  *RepositoryCredentials `json:"repositoryCredentials,omitempty"`
	CPU                    int                    `json:"cpu"`
	Memory                 *int                   `json:"memory,omitempty"`
	MemoryReservation      *int                   `json:"memoryReservation,omitempty"`
	Links                  []string               `json:"links,omitempty"`
	PortMappings           []PortMapping          `json:"portMappings"`
	Essential              *bool                  `json:"essential,omitempty"`
	RestartPolicy          *RestartPolicy         `json:"restartPolicy,omitempty"`
	EntryPoint             []string               `json:"entryPoint,omitempty"`
	Command                []string               `json:"command,omitempty"`
	Environment            []KeyValue             `json:"environment"`
	EnvironmentFiles       []EnvironmentFile      `json:"environmentFiles,omitempty"`
	MountPoints            []MountPoint           `json:"mountPoints"`
	VolumesFrom            []VolumeFrom           `json:"volumesFrom"`
	LinuxParameters        *LinuxParameters       `json:"linuxParameters,omitempty"`
	Secrets                []Secret               `json:"secrets,omitempty"`
	DependsOn              []Dependency           `json:"dependsOn,omitempty"`
	StartTimeout           *int                   `json:"startTimeout,omitempty"` // seconds
	StopTimeout            *int                   `json:"stopTimeout,omitempty"`  // seconds
	VersionConsistency     string                 `json:"versionConsistency,omitempty"`
	Hostname               string                 `json:"hostname,omitempty"`
	User                   string                 `json:"user,omitempty"`
	WorkingDirectory       string                 `json:"workingDirectory,omitempty"`
	DisableNetworking      bool                   `json:"disableNetworking,omitempty"`
	Privileged             bool                   `json:"privileged,omitempty"`
	ReadonlyRootFilesystem bool                   `json:"readonlyRootFilesystem,omitempty"`
	DNSServers             []string               `json:"dnsServers,omitempty"`
	DNSSearchDomains       []string               `json:"dnsSearchDomains,omitempty"`
	ExtraHosts             []HostEntry            `json:"extraHosts,omitempty"`
	DockerSecurityOptions  []string               `json:"dockerSecurityOptions,omitempty"`
	Interactive            bool                   `json:"interactive,omitempty"`
	PseudoTerminal         bool                   `json:"pseudoTerminal,omitempty"`
	DockerLabels           map[string]string      `json:"dockerLabels,omitempty"`
	Ulimits                []Ulimit               `json:"ulimits,omitempty"`
	LogConfiguration       *LogConfiguration      `json:"logConfiguration,omitempty"`
	HealthCheck            *HealthCheck           `json:"healthCheck,omitempty"`
	SystemControls         []SystemControl        `json:"systemControls"`
	ResourceRequirements   []ResourceRequirement  `json:"resourceRequirements,omitempty"`
	FirelensConfiguration  *FirelensConfiguration `json:"firelensConfiguration,omitempty"`
	CredentialSpecs        []string               `json:"credentialSpecs,omitempty"`
}

// IsEssential tells whether the task ends with this container; absent means yes.
func (c *ContainerDefinition) IsEssential() bool { return c.Essential == nil || *c.Essential }

// KeyValue is a name with a value: environment variables, proxy properties.
type KeyValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Tag is a key with a value on a resource.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// PortMapping opens a container port, or a range, on the host. HostPort 0 in bridge mode is chosen by the agent.
type PortMapping struct {
	ContainerPort      *int   `json:"containerPort,omitempty"`
	HostPort           *int   `json:"hostPort,omitempty"`
	Protocol           string `json:"protocol,omitempty"`
	Name               string `json:"name,omitempty"`
	AppProtocol        string `json:"appProtocol,omitempty"`
	ContainerPortRange string `json:"containerPortRange,omitempty"`
}

type (
	// RuntimePlatform asks for an operating system family and CPU architecture.
	RuntimePlatform struct {
		CPUArchitecture       string `json:"cpuArchitecture,omitempty"`
		OperatingSystemFamily string `json:"operatingSystemFamily,omitempty"`
	}
	// RepositoryCredentials names the secret with a registry's user and password.
	RepositoryCredentials struct {
		CredentialsParameter string `json:"credentialsParameter"`
	}
	// RestartPolicy makes the agent restart a container that ended.
	RestartPolicy struct {
		Enabled              *bool `json:"enabled"`
		IgnoredExitCodes     []int `json:"ignoredExitCodes,omitempty"`
		RestartAttemptPeriod *int  `json:"restartAttemptPeriod,omitempty"` // seconds
	}
	// EnvironmentFile is a file with variables, in S3.
	EnvironmentFile struct {
		Value string `json:"value"`
		Type  string `json:"type"`
	}
	// MountPoint mounts a volume of the task.
	MountPoint struct {
		SourceVolume  string `json:"sourceVolume,omitempty"`
		ContainerPath string `json:"containerPath,omitempty"`
		ReadOnly      bool   `json:"readOnly,omitempty"`
	}
	// VolumeFrom mounts all volumes of another container.
	VolumeFrom struct {
		SourceContainer string `json:"sourceContainer,omitempty"`
		ReadOnly        bool   `json:"readOnly,omitempty"`
	}
	// Secret puts a stored value into a variable or log option.
	Secret struct {
		Name      string `json:"name"`
		ValueFrom string `json:"valueFrom"`
	}
	// Dependency makes a container wait for a condition of another one.
	Dependency struct {
		ContainerName string `json:"containerName"`
		Condition     string `json:"condition"`
	}
	// HostEntry is a line of /etc/hosts.
	HostEntry struct {
		Hostname  string `json:"hostname"`
		IPAddress string `json:"ipAddress"`
	}
	// Ulimit is a resource limit of the container's processes.
	Ulimit struct {
		Name      string `json:"name"`
		SoftLimit int64  `json:"softLimit"`
		HardLimit int64  `json:"hardLimit"`
	}
	// LogConfiguration chooses the Docker log driver.
	LogConfiguration struct {
		LogDriver     string            `json:"logDriver"`
		Options       map[string]string `json:"options,omitempty"`
		SecretOptions []Secret          `json:"secretOptions,omitempty"`
	}
	// HealthCheck is a command that tells whether the container is well. Times in seconds.
	HealthCheck struct {
		Command     []string `json:"command"`
		Interval    *int     `json:"interval,omitempty"`
		Timeout     *int     `json:"timeout,omitempty"`
		Retries     *int     `json:"retries,omitempty"`
		StartPeriod *int     `json:"startPeriod,omitempty"`
	}
	// SystemControl is a namespaced kernel parameter.
	SystemControl struct {
		Namespace string `json:"namespace,omitempty"`
		Value     string `json:"value,omitempty"`
	}
	// ResourceRequirement asks for GPUs.
	ResourceRequirement struct {
		Value string `json:"value"`
		Type  string `json:"type"`
	}
	// FirelensConfiguration makes the container the task's log router.
	FirelensConfiguration struct {
		Type    string            `json:"type"`
		Options map[string]string `json:"options,omitempty"`
	}
	// ProxyConfiguration describes an App Mesh proxy.
	ProxyConfiguration struct {
		Type          string     `json:"type,omitempty"`
		ContainerName string     `json:"containerName"`
		Properties    []KeyValue `json:"properties,omitempty"`
	}
	// PlacementConstraint limits the instances a task may go to: distinctInstance, or memberOf with an expression.
	PlacementConstraint struct {
		Type       string `json:"type,omitempty"`
		Expression string `json:"expression,omitempty"`
	}
	// PlacementStrategy orders the instances that fit: random, spread or binpack by a field.
	PlacementStrategy struct {
		Type  string `json:"type,omitempty"`
		Field string `json:"field,omitempty"`
	}
)

// LinuxParameters are options of Linux containers.
type LinuxParameters struct {
	Capabilities       *Capabilities `json:"capabilities,omitempty"`
	Devices            []Device      `json:"devices,omitempty"`
	InitProcessEnabled *bool         `json:"initProcessEnabled,omitempty"`
	SharedMemorySize   *int          `json:"sharedMemorySize,omitempty"` // MiB
	Tmpfs              []Tmpfs       `json:"tmpfs,omitempty"`
	MaxSwap            *int          `json:"maxSwap,omitempty"` // MiB
	Swappiness         *int          `json:"swappiness,omitempty"`
}

type (
	// Capabilities are added to and dropped from Docker's default set.
	Capabilities struct {
		Add  []string `json:"add,omitempty"`
		Drop []string `json:"drop,omitempty"`
	}
	// Device is a host device shown in the container; permissions are read, write, mknod.
	Device struct {
		HostPath      string   `json:"hostPath"`
		ContainerPath string   `json:"containerPath,omitempty"`
		Permissions   []string `json:"permissions,omitempty"`
	}
	// Tmpfs is a memory file system of Size MiB.
	Tmpfs struct {
		ContainerPath string   `json:"containerPath"`
		Size          int      `json:"size"`
		MountOptions  []string `json:"mountOptions,omitempty"`
	}
)

// Volume is a volume of a task definition; exactly one of the configurations is set, none means an empty host volume.
type Volume struct {
	Name                                   string          `json:"name"`
	Host                                   *HostVolume     `json:"host,omitempty"`
	DockerVolumeConfiguration              *DockerVolume   `json:"dockerVolumeConfiguration,omitempty"`
	EFSVolumeConfiguration                 *EFSVolume      `json:"efsVolumeConfiguration,omitempty"`
	S3FilesVolumeConfiguration             json.RawMessage `json:"s3filesVolumeConfiguration,omitempty"`
	FSxWindowsFileServerVolumeConfiguraton json.RawMessage `json:"fsxWindowsFileServerVolumeConfiguration,omitempty"`
	ConfiguredAtLaunch                     *bool           `json:"configuredAtLaunch,omitempty"`
}

type (
	// HostVolume is a path of the host, or an agent-made volume when SourcePath is empty.
	HostVolume struct {
		SourcePath string `json:"sourcePath,omitempty"`
	}
	// DockerVolume is a volume of a Docker volume driver.
	DockerVolume struct {
		Scope         string            `json:"scope,omitempty"`
		Autoprovision *bool             `json:"autoprovision,omitempty"`
		Driver        string            `json:"driver,omitempty"`
		DriverOpts    map[string]string `json:"driverOpts,omitempty"`
		Labels        map[string]string `json:"labels,omitempty"`
	}
	// EFSVolume is an Elastic File System.
	EFSVolume struct {
		FileSystemID          string            `json:"fileSystemId"`
		RootDirectory         string            `json:"rootDirectory,omitempty"`
		TransitEncryption     string            `json:"transitEncryption,omitempty"`
		TransitEncryptionPort *int              `json:"transitEncryptionPort,omitempty"`
		AuthorizationConfig   *EFSAuthorization `json:"authorizationConfig,omitempty"`
	}
	// EFSAuthorization chooses an access point and IAM.
	EFSAuthorization struct {
		AccessPointID string `json:"accessPointId,omitempty"`
		IAM           string `json:"iam,omitempty"`
	}
)

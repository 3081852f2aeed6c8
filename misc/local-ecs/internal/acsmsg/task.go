package acsmsg

// Task is a task inside a Payload.
type Task struct {
	Arn                      string           `json:"arn"`
	TaskClusterArn           string           `json:"taskClusterArn"`
	DesiredStatus            string           `json:"desiredStatus"`
	Family                   string           `json:"family"`
	Version                  string           `json:"version"`
	TaskDefinitionAccountID  string           `json:"taskDefinitionAccountId"`
	ServiceName              string           `json:"serviceName,omitempty"`
	Group                    string           `json:"group,omitempty"`
	LaunchType               string           `json:"launchType"`
	NetworkMode              string           `json:"networkMode,omitempty"`
	PidMode                  string           `json:"pidMode,omitempty"`
	IpcMode                  string           `json:"ipcMode,omitempty"`
	CPU                      float64          `json:"cpu,omitempty"`    // vCPUs
	Memory                   int              `json:"memory,omitempty"` // MiB
	EnableFaultInjection     bool             `json:"enableFaultInjection"`
	Containers               []Container      `json:"containers"`
	Volumes                  []Volume         `json:"volumes"`
	Associations             []Association    `json:"associations,omitempty"`
	ProxyConfiguration       *Proxy           `json:"proxyConfiguration,omitempty"`
	RoleCredentials          *RoleCredentials `json:"roleCredentials,omitempty"`
	ExecutionRoleCredentials *RoleCredentials `json:"executionRoleCredentials,omitempty"`
	ElasticNetworkInterfaces []ENI            `json:"elasticNetworkInterfaces,omitempty"`
}

type (
	// ENI is a network interface of a task.
	ENI struct {
		EC2ID                    string        `json:"ec2Id"`
		MACAddress               string        `json:"macAddress"`
		AttachmentArn            string        `json:"attachmentArn"`
		PrivateDNSName           string        `json:"privateDnsName"`
		IPv4Addresses            []IPv4Address `json:"ipv4Addresses"`
		IPv6Addresses            []IPv6Address `json:"ipv6Addresses,omitempty"`
		SubnetGatewayIPv4Address string        `json:"subnetGatewayIpv4Address,omitempty"`
		SubnetGatewayIPv6Address string        `json:"subnetGatewayIpv6Address,omitempty"`
		DomainNameServers        []string      `json:"domainNameServers"`
		DomainName               []string      `json:"domainName"`
		// AssociationProtocol is "vlan" for a branch of a trunk; no text for an interface of its own.
		AssociationProtocol string          `json:"interfaceAssociationProtocol,omitempty"`
		VLAN                *VLANProperties `json:"interfaceVlanProperties,omitempty"`
	}
	// VLANProperties say which branch of which trunk an interface is.
	VLANProperties struct {
		VLANID   string `json:"vlanId"`
		TrunkMAC string `json:"trunkInterfaceMacAddress"`
	}
	// IPv4Address is an address of an ENI.
	IPv4Address struct {
		Primary        bool   `json:"primary"`
		PrivateAddress string `json:"privateAddress"`
	}
	// IPv6Address is an address of an ENI.
	IPv6Address struct {
		Address string `json:"address"`
		Primary bool   `json:"primary"`
	}
)

// Container is a container of a Task. Everything Docker takes as it is travels in DockerConfig.
type Container struct {
	Name                   string            `json:"name"`
	Image                  string            `json:"image"`
	ContainerArn           string            `json:"containerArn"`
	Essential              bool              `json:"essential"`
	CPU                    int               `json:"cpu"`
	Memory                 int               `json:"memory"`
	Command                []string          `json:"command,omitempty"`
	EntryPoint             []string          `json:"entryPoint,omitempty"`
	Environment            map[string]string `json:"environment"`
	EnvironmentFiles       []EnvironmentFile `json:"environmentFiles,omitempty"`
	Links                  []string          `json:"links,omitempty"`
	PortMappings           []PortMapping     `json:"portMappings"`
	MountPoints            []MountPoint      `json:"mountPoints"`
	VolumesFrom            []VolumeFrom      `json:"volumesFrom"`
	Overrides              string            `json:"overrides"` // a JSON object in a string
	DockerConfig           DockerConfig      `json:"dockerConfig"`
	RegistryAuthentication *RegistryAuth     `json:"registryAuthentication,omitempty"`
	LogsAuthStrategy       string            `json:"logsAuthStrategy,omitempty"`
	HealthCheckType        string            `json:"healthCheckType,omitempty"`
	Secrets                []Secret          `json:"secrets,omitempty"`
	DependsOn              []Dependency      `json:"dependsOn,omitempty"`
	StartTimeout           int               `json:"startTimeout,omitempty"`
	StopTimeout            int               `json:"stopTimeout,omitempty"`
	Firelens               *Firelens         `json:"firelensConfiguration,omitempty"`
	ManagedAgents          []ManagedAgent    `json:"managedAgents,omitempty"`
	CredentialSpecs        []string          `json:"credentialSpecs,omitempty"`
	RestartPolicy          *RestartPolicy    `json:"restartPolicy,omitempty"`
}

type (
	// DockerConfig is raw Docker JSON in strings, and the API version it needs.
	DockerConfig struct {
		Version    string `json:"version"`
		Config     string `json:"config"`
		HostConfig string `json:"hostConfig"`
	}
	// EnvironmentFile is a file of variables.
	EnvironmentFile struct {
		Value string `json:"value"`
		Type  string `json:"type"`
	}
	// PortMapping is a published port.
	PortMapping struct {
		ContainerPort      int    `json:"containerPort,omitempty"`
		HostPort           int    `json:"hostPort"`
		ContainerPortRange string `json:"containerPortRange,omitempty"`
		Protocol           string `json:"protocol"`
	}
	// MountPoint mounts a volume.
	MountPoint struct {
		SourceVolume  string `json:"sourceVolume"`
		ContainerPath string `json:"containerPath"`
		ReadOnly      bool   `json:"readOnly"`
	}
	// VolumeFrom mounts the volumes of another container.
	VolumeFrom struct {
		SourceContainer string `json:"sourceContainer"`
		ReadOnly        bool   `json:"readOnly"`
	}
	// RegistryAuth tells how the image is pulled.
	RegistryAuth struct {
		Type        string   `json:"type"` // ecr, asm
		ECRAuthData *ECRAuth `json:"ecrAuthData,omitempty"`
		ASMAuthData *ASMAuth `json:"asmAuthData,omitempty"`
	}
	// ECRAuth is a registry in ECR.
	ECRAuth struct {
		RegistryID       string `json:"registryId"`
		Region           string `json:"region"`
		UseExecutionRole bool   `json:"useExecutionRole"`
	}
	// ASMAuth is a secret with user and password.
	ASMAuth struct {
		CredentialsParameter string `json:"credentialsParameter"`
		Region               string `json:"region"`
	}
	// Secret is a value the agent fetches.
	Secret struct {
		Name      string `json:"name"`
		ValueFrom string `json:"valueFrom"`
		Type      string `json:"type"`
		Region    string `json:"region"`
		Provider  string `json:"provider"`
		Target    string `json:"target,omitempty"`
	}
	// Dependency waits for a condition of another container.
	Dependency struct {
		ContainerName string `json:"containerName"`
		Condition     string `json:"condition"`
	}
	// Firelens makes the container a log router.
	Firelens struct {
		Type    string            `json:"type"`
		Options map[string]string `json:"options,omitempty"`
	}
	// ManagedAgent is an agent to run in the container.
	ManagedAgent struct {
		Name       string            `json:"name"`
		Properties map[string]string `json:"properties,omitempty"`
	}
	// RestartPolicy restarts a container that ended.
	RestartPolicy struct {
		Enabled              bool  `json:"enabled"`
		IgnoredExitCodes     []int `json:"ignoredExitCodes,omitempty"`
		RestartAttemptPeriod int   `json:"restartAttemptPeriod,omitempty"`
	}
	// Association ties a GPU to containers.
	Association struct {
		Name       string             `json:"name"`
		Type       string             `json:"type"`
		Content    AssociationContent `json:"content"`
		Containers []string           `json:"containers"`
	}
	// AssociationContent is the content of an association.
	AssociationContent struct {
		Encoding string `json:"encoding"`
		Value    string `json:"value"`
	}
	// Proxy is the App Mesh proxy of the task.
	Proxy struct {
		Type          string            `json:"type"`
		ContainerName string            `json:"containerName"`
		Properties    map[string]string `json:"properties"`
	}
)

// Volume is a volume of a Task.
type Volume struct {
	Name   string        `json:"name"`
	Type   string        `json:"type"` // host, docker, efs, fsxWindowsFileServer
	Host   *HostVolume   `json:"host,omitempty"`
	Docker *DockerVolume `json:"dockerVolumeConfiguration,omitempty"`
	EFS    *EFSVolume    `json:"efsVolumeConfiguration,omitempty"`
	FSx    any           `json:"fsxWindowsFileServerVolumeConfiguration,omitempty"`
}

type (
	// HostVolume is a path on the host; empty means a volume made by the agent.
	HostVolume struct {
		SourcePath string `json:"sourcePath,omitempty"`
	}
	// DockerVolume is a volume of a driver.
	DockerVolume struct {
		Scope         string            `json:"scope"`
		Autoprovision bool              `json:"autoprovision"`
		Driver        string            `json:"driver,omitempty"`
		DriverOpts    map[string]string `json:"driverOpts,omitempty"`
		Labels        map[string]string `json:"labels,omitempty"`
	}
	// EFSVolume is an Elastic File System.
	EFSVolume struct {
		FileSystemID          string   `json:"fileSystemId"`
		RootDirectory         string   `json:"rootDirectory,omitempty"`
		TransitEncryption     string   `json:"transitEncryption,omitempty"`
		TransitEncryptionPort int      `json:"transitEncryptionPort,omitempty"`
		AuthorizationConfig   *EFSAuth `json:"authorizationConfig,omitempty"`
	}
	// EFSAuth chooses an access point and IAM.
	EFSAuth struct {
		AccessPointID string `json:"accessPointId,omitempty"`
		IAM           string `json:"iam,omitempty"`
	}
)

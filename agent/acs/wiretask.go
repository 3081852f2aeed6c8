package acs

// The payload's task as ACS sends it (shape Task of the ACS model). Members of the wrong JSON type make the whole message
// unreadable, so everything is typed strictly; members that an agent on an instance does not need are left out.

type wireTask struct {
	ARN                  string            `json:"arn"`
	DesiredStatus        string            `json:"desiredStatus"`
	Family               string            `json:"family"`
	Version              string            `json:"version"`
	ServiceName          string            `json:"serviceName"`
	Group                string            `json:"group"`
	LaunchType           string            `json:"launchType"`
	CPU                  float64           `json:"cpu"`
	Memory               int64             `json:"memory"`
	PIDMode              string            `json:"pidMode"`
	IPCMode              string            `json:"ipcMode"`
	NetworkMode          string            `json:"networkMode"`
	EnableFaultInjection bool              `json:"enableFaultInjection"`
	Containers           []*wireContainer  `json:"containers"`
	Volumes              []*wireVolume     `json:"volumes"`
	ENIs                 []*wireENI        `json:"elasticNetworkInterfaces"`
	Associations         []wireAssociation `json:"associations"`
	Attachments          []*wireAttachment `json:"attachments"`
	Proxy                *wireProxy        `json:"proxyConfiguration"`
	Role                 *wireCredentials  `json:"roleCredentials"`
	ExecutionRole        *wireCredentials  `json:"executionRoleCredentials"`
}

type wireContainer struct {
	Name             string            `json:"name"`
	Image            string            `json:"image"`
	ARN              string            `json:"containerArn"`
	Essential        bool              `json:"essential"`
	CPU              int64             `json:"cpu"`
	Memory           int64             `json:"memory"`
	Command          []string          `json:"command"`
	EntryPoint       []string          `json:"entryPoint"`
	Environment      map[string]string `json:"environment"`
	EnvironmentFiles []struct {
		Value string `json:"value"`
		Type  string `json:"type"`
	} `json:"environmentFiles"`
	Links        []string `json:"links"`
	PortMappings []struct {
		ContainerPort      int64  `json:"containerPort"`
		HostPort           int64  `json:"hostPort"`
		ContainerPortRange string `json:"containerPortRange"`
		Protocol           string `json:"protocol"`
	} `json:"portMappings"`
	MountPoints []struct {
		SourceVolume  string `json:"sourceVolume"`
		ContainerPath string `json:"containerPath"`
		ReadOnly      bool   `json:"readOnly"`
	} `json:"mountPoints"`
	VolumesFrom []struct {
		SourceContainer string `json:"sourceContainer"`
		ReadOnly        bool   `json:"readOnly"`
	} `json:"volumesFrom"`
	Overrides    *string `json:"overrides"` // a JSON object in a string
	DockerConfig struct {
		Config     *string `json:"config"`
		HostConfig *string `json:"hostConfig"`
		Version    *string `json:"version"`
	} `json:"dockerConfig"`
	RegistryAuthentication *struct {
		Type string `json:"type"`
		ECR  *struct {
			RegistryID       string `json:"registryId"`
			Region           string `json:"region"`
			EndpointOverride string `json:"endpointOverride"`
			UseExecutionRole bool   `json:"useExecutionRole"`
		} `json:"ecrAuthData"`
		ASM *struct {
			CredentialsParameter string `json:"credentialsParameter"`
			Region               string `json:"region"`
		} `json:"asmAuthData"`
	} `json:"registryAuthentication"`
	LogsAuthStrategy string `json:"logsAuthStrategy"`
	HealthCheckType  string `json:"healthCheckType"`
	Secrets          []struct {
		Name          string `json:"name"`
		ValueFrom     string `json:"valueFrom"`
		ContainerPath string `json:"containerPath"`
		Type          string `json:"type"`
		Region        string `json:"region"`
		Provider      string `json:"provider"`
		Target        string `json:"target"`
	} `json:"secrets"`
	DependsOn []struct {
		ContainerName string `json:"containerName"`
		Condition     string `json:"condition"`
	} `json:"dependsOn"`
	StartTimeout int64 `json:"startTimeout"` // seconds
	StopTimeout  int64 `json:"stopTimeout"`  // seconds
	Firelens     *struct {
		Type    string            `json:"type"`
		Options map[string]string `json:"options"`
	} `json:"firelensConfiguration"`
	ManagedAgents []struct {
		Name       string            `json:"name"`
		Properties map[string]string `json:"properties"`
	} `json:"managedAgents"`
	CredentialSpecs []string `json:"credentialSpecs"`
	RestartPolicy   *struct {
		Enabled          bool  `json:"enabled"`
		IgnoredExitCodes []int `json:"ignoredExitCodes"`
		AttemptPeriod    int   `json:"restartAttemptPeriod"`
	} `json:"restartPolicy"`
}

type wireVolume struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"`
	Host   *wireHostVolume   `json:"host"`
	Docker *wireDockerVolume `json:"dockerVolumeConfiguration"`
	EFS    *efsVolume        `json:"efsVolumeConfiguration"`
	FSx    *fsxWindowsVolume `json:"fsxWindowsFileServerVolumeConfiguration"`
}

type wireHostVolume struct {
	SourcePath string `json:"sourcePath"`
}

type wireDockerVolume struct {
	Scope         string            `json:"scope"`
	Autoprovision bool              `json:"autoprovision"`
	Driver        string            `json:"driver"`
	DriverOpts    map[string]string `json:"driverOpts"`
	Labels        map[string]string `json:"labels"`
}

type wireAssociation struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Content struct {
		Value    string `json:"value"`
		Encoding string `json:"encoding"`
	} `json:"content"`
	Containers []string `json:"containers"`
}

type wireENI struct {
	EC2ID         string `json:"ec2Id"`
	MAC           string `json:"macAddress"`
	AttachmentARN string `json:"attachmentArn"`
	DNSName       string `json:"privateDnsName"`
	IPv4          []struct {
		Address string `json:"privateAddress"`
		Primary bool   `json:"primary"`
	} `json:"ipv4Addresses"`
	IPv6 []struct {
		Address string `json:"address"`
		Primary bool   `json:"primary"`
	} `json:"ipv6Addresses"`
	GatewayIPv4   string   `json:"subnetGatewayIpv4Address"`
	GatewayIPv6   string   `json:"subnetGatewayIpv6Address"`
	NameServers   []string `json:"domainNameServers"`
	SearchDomains []string `json:"domainName"`
	// Protocol is nil or "default" for a plain interface, "vlan" for a branch of a trunk.
	Protocol *string `json:"interfaceAssociationProtocol"`
	VLAN     *struct {
		ID       string `json:"vlanId"`
		TrunkMAC string `json:"trunkInterfaceMacAddress"`
	} `json:"interfaceVlanProperties"`
}

type wireAttachment struct {
	ARN        string          `json:"attachmentArn"`
	Type       string          `json:"attachmentType"`
	Properties []*wireProperty `json:"attachmentProperties"`
}

type wireProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type wireProxy struct {
	Type          string            `json:"type"`
	ContainerName string            `json:"containerName"`
	Properties    map[string]string `json:"properties"`
}

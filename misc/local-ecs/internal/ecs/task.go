package ecs

import "encoding/json"

// Statuses of tasks and containers. Of those the service knows, local-ecs passes through these; PROVISIONING lasts until the
// network interface of a task is attached.
const (
	Provisioning = "PROVISIONING"
	Pending      = "PENDING"
	Running      = "RUNNING"
	Stopped      = "STOPPED"
)

// Rank orders statuses; a report with a lower rank than the known status is a regression. Unknown words rank 0.
func Rank(status string) int {
	switch status {
	case Pending:
		return 1
	case Running:
		return 2
	case Stopped:
		return 3
	}
	return 0
}

// Stop codes of tasks.
const (
	EssentialContainerExited  = "EssentialContainerExited"
	TaskFailedToStart         = "TaskFailedToStart"
	UserInitiated             = "UserInitiated"
	ServiceSchedulerInitiated = "ServiceSchedulerInitiated"
)

// Task is a task as DescribeTasks shows it.
type Task struct {
	Attachments          []Attachment  `json:"attachments"`
	Attributes           []Attribute   `json:"attributes,omitempty"`
	AvailabilityZone     string        `json:"availabilityZone,omitempty"`
	ClusterArn           string        `json:"clusterArn"`
	Connectivity         string        `json:"connectivity,omitempty"`
	ConnectivityAt       Time          `json:"connectivityAt,omitzero"`
	ContainerInstanceArn string        `json:"containerInstanceArn,omitempty"`
	Containers           []Container   `json:"containers"`
	CPU                  string        `json:"cpu,omitempty"`
	CreatedAt            Time          `json:"createdAt,omitzero"`
	DesiredStatus        string        `json:"desiredStatus"`
	EnableExecuteCommand bool          `json:"enableExecuteCommand"`
	ExecutionStoppedAt   Time          `json:"executionStoppedAt,omitzero"`
	Group                string        `json:"group,omitempty"`
	HealthStatus         string        `json:"healthStatus,omitempty"`
	LastStatus           string        `json:"lastStatus"`
	LaunchType           string        `json:"launchType,omitempty"`
	Memory               string        `json:"memory,omitempty"`
	Overrides            *TaskOverride `json:"overrides"`
	PullStartedAt        Time          `json:"pullStartedAt,omitzero"`
	PullStoppedAt        Time          `json:"pullStoppedAt,omitzero"`
	StartedAt            Time          `json:"startedAt,omitzero"`
	StartedBy            string        `json:"startedBy,omitempty"`
	StopCode             string        `json:"stopCode,omitempty"`
	StoppedAt            Time          `json:"stoppedAt,omitzero"`
	StoppedReason        string        `json:"stoppedReason,omitempty"`
	StoppingAt           Time          `json:"stoppingAt,omitzero"`
	Tags                 []Tag         `json:"tags"`
	TaskArn              string        `json:"taskArn"`
	TaskDefinitionArn    string        `json:"taskDefinitionArn"`
	Version              int64         `json:"version"`
}

// Container is a container of a task as DescribeTasks shows it.
type Container struct {
	ContainerArn      string             `json:"containerArn"`
	TaskArn           string             `json:"taskArn"`
	Name              string             `json:"name"`
	Image             string             `json:"image"`
	ImageDigest       string             `json:"imageDigest,omitempty"`
	RuntimeID         string             `json:"runtimeId,omitempty"`
	LastStatus        string             `json:"lastStatus"`
	ExitCode          *int               `json:"exitCode,omitempty"`
	Reason            string             `json:"reason,omitempty"`
	NetworkBindings   []NetworkBinding   `json:"networkBindings"`
	NetworkInterfaces []NetworkInterface `json:"networkInterfaces"`
	HealthStatus      string             `json:"healthStatus,omitempty"`
	ManagedAgents     []ManagedAgent     `json:"managedAgents,omitempty"`
	CPU               string             `json:"cpu"`
	Memory            string             `json:"memory,omitempty"`
	MemoryReservation string             `json:"memoryReservation,omitempty"`
	GPUIDs            []string           `json:"gpuIds,omitempty"`
}

type (
	// NetworkBinding is a published port, or range of ports.
	NetworkBinding struct {
		BindIP             string `json:"bindIP,omitempty"`
		ContainerPort      *int   `json:"containerPort,omitempty"`
		HostPort           *int   `json:"hostPort,omitempty"`
		Protocol           string `json:"protocol,omitempty"`
		ContainerPortRange string `json:"containerPortRange,omitempty"`
		HostPortRange      string `json:"hostPortRange,omitempty"`
	}
	// NetworkInterface is an elastic network interface of a container.
	NetworkInterface struct {
		AttachmentID       string `json:"attachmentId,omitempty"`
		PrivateIPv4Address string `json:"privateIpv4Address,omitempty"`
		IPv6Address        string `json:"ipv6Address,omitempty"`
	}
	// ManagedAgent is an agent running in a container (ECS Exec).
	ManagedAgent struct {
		LastStartedAt Time   `json:"lastStartedAt,omitzero"`
		Name          string `json:"name"`
		Reason        string `json:"reason,omitempty"`
		LastStatus    string `json:"lastStatus,omitempty"`
	}
	// Attachment is a network interface or volume attached to a task or instance.
	Attachment struct {
		ID      string     `json:"id"`
		Type    string     `json:"type"`
		Status  string     `json:"status"`
		Details []KeyValue `json:"details"`
	}
	// NetworkConfiguration is where tasks of network mode awsvpc get their network interfaces.
	NetworkConfiguration struct {
		AWSVPC *AWSVPCConfiguration `json:"awsvpcConfiguration"`
	}
	// AWSVPCConfiguration chooses subnets and security groups.
	AWSVPCConfiguration struct {
		Subnets        []string `json:"subnets"`
		SecurityGroups []string `json:"securityGroups,omitempty"`
		AssignPublicIP string   `json:"assignPublicIp,omitempty"`
	}
	// Failure tells why one of several things asked for was not done.
	Failure struct {
		Arn    string `json:"arn,omitempty"`
		Reason string `json:"reason,omitempty"`
		Detail string `json:"detail,omitempty"`
	}
)

// TaskOverride changes parts of a task definition for one launch.
type TaskOverride struct {
	ContainerOverrides            []ContainerOverride `json:"containerOverrides"`
	CPU                           string              `json:"cpu,omitempty"`
	Memory                        string              `json:"memory,omitempty"`
	ExecutionRoleArn              string              `json:"executionRoleArn,omitempty"`
	TaskRoleArn                   string              `json:"taskRoleArn,omitempty"`
	InferenceAcceleratorOverrides json.RawMessage     `json:"inferenceAcceleratorOverrides"`
	EphemeralStorage              json.RawMessage     `json:"ephemeralStorage,omitempty"`
}

// ContainerOverride changes parts of one container. A nil Command keeps that of the definition.
type ContainerOverride struct {
	Name                 string                `json:"name"`
	Command              []string              `json:"command,omitempty"`
	Environment          []KeyValue            `json:"environment,omitempty"`
	EnvironmentFiles     []EnvironmentFile     `json:"environmentFiles,omitempty"`
	CPU                  *int                  `json:"cpu,omitempty"`
	Memory               *int                  `json:"memory,omitempty"`
	MemoryReservation    *int                  `json:"memoryReservation,omitempty"`
	ResourceRequirements []ResourceRequirement `json:"resourceRequirements,omitempty"`
}

// ProtectedTask tells whether a service's task is protected from scale-in.
type ProtectedTask struct {
	TaskArn           string `json:"taskArn"`
	ProtectionEnabled bool   `json:"protectionEnabled"`
	ExpirationDate    Time   `json:"expirationDate,omitzero"`
}

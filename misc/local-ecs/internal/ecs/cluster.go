package ecs

import "encoding/json"

// Cluster is a cluster as DescribeClusters shows it.
type Cluster struct {
	ClusterArn                        string          `json:"clusterArn"`
	ClusterName                       string          `json:"clusterName"`
	Configuration                     json.RawMessage `json:"configuration,omitempty"`
	Status                            string          `json:"status"`
	RegisteredContainerInstancesCount int             `json:"registeredContainerInstancesCount"`
	RunningTasksCount                 int             `json:"runningTasksCount"`
	PendingTasksCount                 int             `json:"pendingTasksCount"`
	ActiveServicesCount               int             `json:"activeServicesCount"`
	Statistics                        []KeyValue      `json:"statistics"`
	Tags                              []Tag           `json:"tags"`
	Settings                          json.RawMessage `json:"settings,omitempty"`
	CapacityProviders                 []string        `json:"capacityProviders"`
	DefaultCapacityProviderStrategy   json.RawMessage `json:"defaultCapacityProviderStrategy"`
}

// ContainerInstance is an instance as DescribeContainerInstances shows it.
type ContainerInstance struct {
	ContainerInstanceArn string          `json:"containerInstanceArn"`
	EC2InstanceID        string          `json:"ec2InstanceId,omitempty"`
	Version              int64           `json:"version"`
	VersionInfo          VersionInfo     `json:"versionInfo"`
	RemainingResources   []Resource      `json:"remainingResources"`
	RegisteredResources  []Resource      `json:"registeredResources"`
	Status               string          `json:"status"`
	StatusReason         string          `json:"statusReason,omitempty"`
	AgentConnected       bool            `json:"agentConnected"`
	RunningTasksCount    int             `json:"runningTasksCount"`
	PendingTasksCount    int             `json:"pendingTasksCount"`
	Attributes           []Attribute     `json:"attributes"`
	RegisteredAt         Time            `json:"registeredAt,omitzero"`
	Attachments          []Attachment    `json:"attachments"`
	Tags                 []Tag           `json:"tags"`
	HealthStatus         *InstanceHealth `json:"healthStatus,omitempty"`
}

type (
	// VersionInfo is what the agent told about itself when it connected.
	VersionInfo struct {
		AgentVersion  string `json:"agentVersion,omitempty"`
		AgentHash     string `json:"agentHash,omitempty"`
		DockerVersion string `json:"dockerVersion,omitempty"`
	}
	// Attribute is a name, maybe with a value, on a container instance.
	Attribute struct {
		Name       string `json:"name"`
		Value      string `json:"value,omitempty"`
		TargetType string `json:"targetType,omitempty"`
		TargetID   string `json:"targetId,omitempty"`
	}
	// Resource is an amount of CPU or MEMORY, or the taken PORTS and PORTS_UDP.
	Resource struct {
		Name           string   `json:"name"`
		Type           string   `json:"type"`
		DoubleValue    float64  `json:"doubleValue"`
		LongValue      int64    `json:"longValue"`
		IntegerValue   int      `json:"integerValue"`
		StringSetValue []string `json:"stringSetValue,omitzero"`
	}
	// PlatformDevice is a GPU of an instance.
	PlatformDevice struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	}
	// InstanceHealth is what the agent's own checks told over the telemetry session.
	InstanceHealth struct {
		OverallStatus string              `json:"overallStatus"`
		Details       []HealthCheckResult `json:"details"`
	}
	// HealthCheckResult is the result of one check.
	HealthCheckResult struct {
		Type             string `json:"type"`
		Status           string `json:"status"`
		StatusReason     string `json:"statusReason,omitempty"`
		LastUpdated      Time   `json:"lastUpdated,omitzero"`
		LastStatusChange Time   `json:"lastStatusChange,omitzero"`
	}
)

package ecs

// TaskReport is the body of SubmitTaskStateChange.
type TaskReport struct {
	Cluster            string               `json:"cluster"`
	Task               string               `json:"task"`
	Status             string               `json:"status"`
	Reason             string               `json:"reason"`
	Containers         []ContainerReport    `json:"containers"`
	Attachments        []AttachmentReport   `json:"attachments"`
	ManagedAgents      []ManagedAgentReport `json:"managedAgents"`
	PullStartedAt      Time                 `json:"pullStartedAt"`
	PullStoppedAt      Time                 `json:"pullStoppedAt"`
	ExecutionStoppedAt Time                 `json:"executionStoppedAt"`
}

// ContainerReport is one container's change inside a TaskReport.
type ContainerReport struct {
	ContainerName   string           `json:"containerName"`
	ImageDigest     string           `json:"imageDigest"`
	RuntimeID       string           `json:"runtimeId"`
	ExitCode        *int             `json:"exitCode"`
	NetworkBindings []NetworkBinding `json:"networkBindings"`
	Reason          string           `json:"reason"`
	Status          string           `json:"status"`
}

// AttachmentReport is the change of an attachment.
type AttachmentReport struct {
	AttachmentArn string `json:"attachmentArn"`
	Status        string `json:"status"`
}

// ManagedAgentReport is the change of an agent inside a container.
type ManagedAgentReport struct {
	ContainerName    string `json:"containerName"`
	ManagedAgentName string `json:"managedAgentName"`
	Reason           string `json:"reason"`
	Status           string `json:"status"`
}

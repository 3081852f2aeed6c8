package ecs

import "encoding/json"

// Scheduling strategies of services.
const (
	Replica = "REPLICA"
	Daemon  = "DAEMON"
)

// Service is a service as DescribeServices shows it.
type Service struct {
	ServiceArn              string                   `json:"serviceArn"`
	ServiceName             string                   `json:"serviceName"`
	ClusterArn              string                   `json:"clusterArn"`
	LoadBalancers           []json.RawMessage        `json:"loadBalancers"`
	ServiceRegistries       []json.RawMessage        `json:"serviceRegistries"`
	Status                  string                   `json:"status"`
	DesiredCount            int                      `json:"desiredCount"`
	RunningCount            int                      `json:"runningCount"`
	PendingCount            int                      `json:"pendingCount"`
	LaunchType              string                   `json:"launchType,omitempty"`
	TaskDefinition          string                   `json:"taskDefinition"`
	NetworkConfiguration    *NetworkConfiguration    `json:"networkConfiguration,omitempty"`
	DeploymentConfiguration *DeploymentConfiguration `json:"deploymentConfiguration,omitempty"`
	Deployments             []Deployment             `json:"deployments"`
	Events                  []ServiceEvent           `json:"events"`
	CreatedAt               Time                     `json:"createdAt,omitzero"`
	PlacementConstraints    []PlacementConstraint    `json:"placementConstraints"`
	PlacementStrategy       []PlacementStrategy      `json:"placementStrategy"`
	SchedulingStrategy      string                   `json:"schedulingStrategy"`
	DeploymentController    *DeploymentController    `json:"deploymentController,omitempty"`
	Tags                    []Tag                    `json:"tags"`
	CreatedBy               string                   `json:"createdBy,omitempty"`
	EnableECSManagedTags    bool                     `json:"enableECSManagedTags"`
	PropagateTags           string                   `json:"propagateTags,omitempty"`
	EnableExecuteCommand    bool                     `json:"enableExecuteCommand"`
}

type (
	// DeploymentConfiguration bounds the number of tasks during a deployment, in percent of the desired count.
	DeploymentConfiguration struct {
		MaximumPercent           *int            `json:"maximumPercent,omitempty"`
		MinimumHealthyPercent    *int            `json:"minimumHealthyPercent,omitempty"`
		DeploymentCircuitBreaker json.RawMessage `json:"deploymentCircuitBreaker,omitempty"`
		Strategy                 string          `json:"strategy,omitempty"`
	}
	// DeploymentController tells who deploys; only ECS is possible here.
	DeploymentController struct {
		Type string `json:"type"`
	}
	// Deployment is one task definition a service runs or is moving away from.
	Deployment struct {
		ID                 string `json:"id"`
		Status             string `json:"status"` // PRIMARY, ACTIVE
		TaskDefinition     string `json:"taskDefinition"`
		DesiredCount       int    `json:"desiredCount"`
		PendingCount       int    `json:"pendingCount"`
		RunningCount       int    `json:"runningCount"`
		FailedTasks        int    `json:"failedTasks"`
		CreatedAt          Time   `json:"createdAt,omitzero"`
		UpdatedAt          Time   `json:"updatedAt,omitzero"`
		LaunchType         string `json:"launchType,omitempty"`
		RolloutState       string `json:"rolloutState,omitempty"` // IN_PROGRESS, COMPLETED
		RolloutStateReason string `json:"rolloutStateReason,omitempty"`
	}
	// ServiceEvent is a line of a service's history.
	ServiceEvent struct {
		ID        string `json:"id"`
		CreatedAt Time   `json:"createdAt"`
		Message   string `json:"message"`
	}
)

package ecsapi

import (
	"context"
	"fmt"
	"time"
)

// Statuses on the wire.
const (
	statusPending  = "PENDING"
	statusRunning  = "RUNNING"
	statusStopped  = "STOPPED"
	statusAttached = "ATTACHED"
	statusNone     = "NONE"
)

// TaskStateChange reports how far a task has come. Status is the name of the task's status: RUNNING and STOPPED are sent
// as they are, every other one as PENDING. Zero times are left out.
type TaskStateChange struct {
	Cluster            string
	TaskARN            string
	Status             string
	Reason             string
	Containers         []ContainerStateChange
	ManagedAgents      []ManagedAgentStateChange
	PullStartedAt      time.Time
	PullStoppedAt      time.Time
	ExecutionStoppedAt time.Time
}

// ContainerStateChange reports how far a container has come. Status is RUNNING when the container has reached its steady
// state, STOPPED when it has ended, anything else is sent as PENDING.
type ContainerStateChange struct {
	Name   string
	Status string
	Reason string
	// RuntimeID is the id Docker gave the container.
	RuntimeID   string
	ImageDigest string
	// ExitCode is nil while it is not known.
	ExitCode *int
	Ports    Ports
}

// ManagedAgentStateChange reports a process the agent runs inside a container. Status is CREATED, RUNNING or STOPPED; NONE
// is not sent.
type ManagedAgentStateChange struct {
	Container string
	Name      string
	Status    string
	Reason    string
}

type taskBody struct {
	Cluster            string             `json:"cluster"`
	Task               string             `json:"task"`
	Status             string             `json:"status,omitempty"`
	Reason             *string            `json:"reason,omitempty"`
	Containers         []containerBody    `json:"containers,omitempty"`
	ManagedAgents      []managedAgentBody `json:"managedAgents,omitempty"`
	Attachments        []attachmentBody   `json:"attachments,omitempty"`
	PullStartedAt      *epoch             `json:"pullStartedAt,omitempty"`
	PullStoppedAt      *epoch             `json:"pullStoppedAt,omitempty"`
	ExecutionStoppedAt *epoch             `json:"executionStoppedAt,omitempty"`
}

type containerBody struct {
	ContainerName   string           `json:"containerName"`
	RuntimeID       string           `json:"runtimeId,omitempty"`
	ImageDigest     string           `json:"imageDigest,omitempty"`
	Status          string           `json:"status"`
	ExitCode        *int             `json:"exitCode,omitempty"`
	Reason          string           `json:"reason,omitempty"`
	NetworkBindings []networkBinding `json:"networkBindings,omitzero"`
}

type managedAgentBody struct {
	ContainerName    string `json:"containerName"`
	ManagedAgentName string `json:"managedAgentName"`
	Status           string `json:"status"`
	Reason           string `json:"reason"`
}

type attachmentBody struct {
	AttachmentARN string `json:"attachmentArn"`
	Status        string `json:"status"`
}

// SubmitTaskStateChange sends a state change. A few quick attempts are made inside the call; an error that is not
// permanent is for the caller to retry. [ErrUnbuildable] means that the request was not sent and never can be.
func (c *Client) SubmitTaskStateChange(ctx context.Context, change TaskStateChange) error {
	body, err := c.taskBody(change)
	if err != nil {
		return err
	}
	return c.call(ctx, "SubmitTaskStateChange", c.short, body, nil)
}

func (c *Client) taskBody(change TaskStateChange) (taskBody, error) {
	reason := cut(change.Reason, maxReason)
	body := taskBody{
		Cluster:            change.Cluster,
		Task:               change.TaskARN,
		Status:             wireStatus(change.Status),
		Reason:             &reason,
		PullStartedAt:      epochOf(change.PullStartedAt),
		PullStoppedAt:      epochOf(change.PullStoppedAt),
		ExecutionStoppedAt: epochOf(change.ExecutionStoppedAt),
	}
	for _, ct := range change.Containers {
		if ct.Name == "" {
			return taskBody{}, fmt.Errorf("SubmitTaskStateChange of %s: container without a name: %w", change.TaskARN, ErrUnbuildable)
		}
		body.Containers = append(body.Containers, containerBody{
			ContainerName:   ct.Name,
			RuntimeID:       cut(ct.RuntimeID, maxID),
			ImageDigest:     cut(ct.ImageDigest, maxID),
			Status:          wireStatus(ct.Status),
			ExitCode:        ct.ExitCode,
			Reason:          cut(ct.Reason, maxReason),
			NetworkBindings: c.networkBindings(change.TaskARN, ct.Name, ct.Ports),
		})
	}
	for _, m := range change.ManagedAgents {
		if m.Status == statusNone || m.Status == "" {
			continue
		}
		body.ManagedAgents = append(body.ManagedAgents, managedAgentBody{m.Container, m.Name, m.Status, cut(m.Reason, maxReason)})
	}
	return body, nil
}

func wireStatus(s string) string {
	if s == statusRunning || s == statusStopped {
		return s
	}
	return statusPending
}

// SubmitTaskAttachment reports that the network interface of a task is attached. It goes with the task, and carries neither
// its status nor its containers.
func (c *Client) SubmitTaskAttachment(ctx context.Context, cluster, taskARN, attachmentARN string) error {
	return c.call(ctx, "SubmitTaskStateChange", c.short, taskBody{
		Cluster:     cluster,
		Task:        taskARN,
		Attachments: []attachmentBody{{attachmentARN, statusAttached}},
	}, nil)
}

// SubmitAttachment reports that an attachment that belongs to no task's queue (instance network interface, EBS volume) is
// attached.
func (c *Client) SubmitAttachment(ctx context.Context, cluster, attachmentARN string) error {
	return c.call(ctx, "SubmitAttachmentStateChanges", c.short, struct {
		Cluster     string           `json:"cluster"`
		Attachments []attachmentBody `json:"attachments"`
	}{cluster, []attachmentBody{{attachmentARN, statusAttached}}}, nil)
}

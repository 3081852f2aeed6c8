package task

import (
	"strings"
	"time"
)

// Types of network interfaces that ECS attaches to the instance (attachmentType of the records in agent.db).
const (
	AttachmentTaskENI     = "task-eni"     // for a task that is to come
	AttachmentInstanceENI = "instance-eni" // the trunk for the branch interfaces of tasks
)

// AttachmentStatus is how far an attachment is. Kept as a number in agent.db.
type AttachmentStatus int

// Statuses of attachments.
const (
	AttachmentNone AttachmentStatus = iota
	AttachmentAttached
	AttachmentDetached // known, never reported
)

// Attachment is a network interface that ECS attaches to the instance and waits to hear of. The JSON form is that of agent.db
// (bucket "eniattachments").
type Attachment struct {
	TaskARN              string           `json:"taskArn"` // empty for the interface of the instance
	ARN                  string           `json:"attachmentArn"`
	Status               AttachmentStatus `json:"status"`
	ExpiresAt            time.Time        `json:"expiresAt"` // when ECS gives up
	Sent                 bool             `json:"attachSent,omitempty"`
	TaskClusterARN       string           `json:"taskClusterArn,omitempty"`
	ClusterARN           string           `json:"clusterArn,omitempty"`
	ContainerInstanceARN string           `json:"containerInstanceArn,omitempty"`
	Type                 string           `json:"attachmentType"`
	MAC                  string           `json:"macAddress"`
}

// ID is the last part of the attachment's ARN, the key of its record.
func (a *Attachment) ID() string { return a.ARN[strings.LastIndexByte(a.ARN, '/')+1:] }

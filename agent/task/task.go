// Package task is the model of an ECS task: what was asked for, how far it is, and the words for both.
//
// Values are shared freely between goroutines: a *Task or *Container that has been handed out is never changed again.
// Whoever advances a task works on Clone and Edit and hands out the result. The JSON forms are those of agent.db
// (records of the buckets "tasks" and "containers"), readable and writable by every agent that keeps that file.
package task

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Task is one ECS task on this container instance.
type Task struct {
	ARN         string `json:"Arn"`
	Family      string `json:"Family"`
	Revision    string `json:"Version"`
	ServiceName string `json:"ServiceName"`
	Group       string `json:"Group"`
	LaunchType  string `json:"LaunchType,omitempty"`

	Containers   []*Container  `json:"Containers"`
	Volumes      []Volume      `json:"volumes"`
	Resources    Resources     `json:"resources"`
	Associations []Association `json:"associations"`

	CPU         float64 `json:"Cpu,omitempty"`    // vCPU
	Memory      int64   `json:"Memory,omitempty"` // MiB
	NetworkMode string  `json:"NetworkMode,omitempty"`
	PIDMode     string  `json:"PidMode,omitempty"`
	IPCMode     string  `json:"IpcMode,omitempty"`

	ENIs    ENIs     `json:"ENI"`
	AppMesh *AppMesh `json:"AppMesh"`
	// Of tasks in network mode awsvpc, once their network is there: the address on the agent's own bridge, the path of the
	// network namespace and the name of the interface to the outside in it.
	LocalIPAddress          string `json:"LocalIPAddress,omitempty"`
	NetworkNamespace        string `json:"NetworkNamespace,omitempty"`
	DefaultNetworkInterface string `json:"DefaultIfname,omitempty"`

	Desired   Status    `json:"DesiredStatus"`
	Known     Status    `json:"KnownStatus"`
	KnownTime time.Time `json:"KnownTime"` // when Known last changed
	Sent      Status    `json:"SentStatus"`
	// TerminalReason is why the agent itself ended the task; reported with STOPPED. An addition of ours to agent.db.
	TerminalReason string `json:"terminalReason,omitempty"`
	// AcceptedAt orders the waiting queue across restarts. An addition of ours to agent.db.
	AcceptedAt time.Time `json:"acceptedAt,omitzero"`

	PullStartedAt      time.Time `json:"PullStartedAt"`
	PullStoppedAt      time.Time `json:"PullStoppedAt"`
	ExecutionStoppedAt time.Time `json:"ExecutionStoppedAt"`

	CredentialsID          string `json:"credentialsID"`
	ExecutionCredentialsID string `json:"executionCredentialsID"`

	LimitsEnabled        bool   `json:"MemoryCPULimitsEnabled,omitempty"`
	Internal             bool   `json:"IsInternal,omitempty"`
	EnableFaultInjection bool   `json:"enableFaultInjection,omitempty"`
	NvidiaRuntime        string `json:"NvidiaRuntime,omitempty"`

	// Parts of records that belong to features of their own, kept as they are.
	PlatformFields         json.RawMessage `json:"PlatformFields,omitempty"`
	ServiceConnect         json.RawMessage `json:"ServiceConnectConfig,omitempty"`
	ServiceConnectDraining bool            `json:"ServiceConnectConnectionDraining,omitempty"`

	// Engine is what only the running engine needs to know.
	Engine Progress `json:"-"`
}

// Progress is the part of a task's state that a restart starts over.
type Progress struct {
	// ReceivedAt is when the task came from ECS; zero for a task of a former run. What is read for it from then on is new
	// enough.
	ReceivedAt time.Time
	// Admitted is set once host resources were granted (or are not needed).
	Admitted bool
	// Waiting says why the task is not admitted yet; for people.
	Waiting string
	// NeverFits is set with Waiting when this host can never give what the task needs.
	NeverFits bool
	// CleanNow is set when the room on the disk that the task's containers take is needed.
	CleanNow bool
	// Cleaning is set while the cleanup step runs; Cleaned when it is done. RetryCleanAt is when what could not be removed is
	// removed again, and CleanFailures how often that failed.
	Cleaning, Cleaned bool
	RetryCleanAt      time.Time
	CleanFailures     int
	// ExecutionRole is set while the credentials of the task's execution role are held.
	ExecutionRole bool
	// Releasing is set while the release step runs; Released when it is done.
	Releasing, Released bool
	// Disconnecting is set while the network of the stopped task is let go of; Disconnected when it is. RetryDisconnectAt is
	// when that is tried again.
	Disconnecting, Disconnected bool
	RetryDisconnectAt           time.Time
	// CleanupJitter is added to the wait before cleanup.
	CleanupJitter time.Duration
	// CameBackStopped is set after a stopped container that came back was stopped once more.
	CameBackStopped bool
}

// Clone returns a copy whose own fields, list of containers and resources may be changed. The containers are still
// shared: change one only through Edit.
func (t *Task) Clone() *Task {
	copied := *t
	copied.Containers = append([]*Container(nil), t.Containers...)
	copied.Resources = append(Resources(nil), t.Resources...)
	return &copied
}

// Edit replaces the container at index i by a copy that may be changed, and returns it. Only for the owner of a Clone.
func (t *Task) Edit(i int) *Container {
	copied := *t.Containers[i]
	t.Containers[i] = &copied
	return &copied
}

// Index finds a container by its name in the task definition; -1 when there is none.
func (t *Task) Index(name string) int {
	for i, c := range t.Containers {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// Container finds a container by its name in the task definition.
func (t *Task) Container(name string) (*Container, bool) {
	if i := t.Index(name); i >= 0 {
		return t.Containers[i], true
	}
	return nil, false
}

// ID is the last part of the task's ARN.
func (t *Task) ID() string {
	id, err := IDFromARN(t.ARN)
	if err != nil {
		return t.ARN
	}
	return id
}

// IDFromARN gives the task id: the last "/" part of the ARN's resource. It works for short and long ARNs.
func IDFromARN(arn string) (string, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return "", fmt.Errorf("task arn format invalid: %s", arn)
	}
	slash := strings.LastIndexByte(parts[5], '/')
	if slash < 0 || slash == len(parts[5])-1 {
		return "", fmt.Errorf("task arn format invalid: %s", arn)
	}
	return parts[5][slash+1:], nil
}

// CgroupParent is the cgroup of the task, below which its containers are: a slice where systemd makes cgroups, else a path.
func (t *Task) CgroupParent(systemd bool) (string, error) {
	id, err := IDFromARN(t.ARN)
	if err != nil {
		return "", err
	}
	if systemd {
		return "ecstasks-" + id + ".slice", nil
	}
	return "/ecs/" + id, nil
}

// Association ties something named (a GPU, an accelerator) to containers of the task.
type Association struct {
	Containers []string           `json:"containers"`
	Content    AssociationContent `json:"content"`
	Name       string             `json:"name"`
	Type       string             `json:"type"`
}

// AssociationContent is the opaque value of an association.
type AssociationContent struct {
	Encoding string `json:"encoding"`
	Value    string `json:"value"`
}

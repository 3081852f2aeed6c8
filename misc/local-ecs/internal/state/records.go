package state

import (
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

// A record is the public object plus what only the service knows. Records in the store are never written to: change a
// Clone and Put it. A Clone shares maps and the slices not named in its comment; replace those, don't edit them.

// Cluster is a cluster, key: its name.
type Cluster struct {
	ecs.Cluster
}

// Clone copies c.
func (c *Cluster) Clone() *Cluster { d := *c; return &d }

// TaskDefinition is one revision, key: family:revision with the revision in 8 digits (see DefinitionKey).
type TaskDefinition struct {
	ecs.TaskDefinition
	Tags []ecs.Tag `json:"tags,omitempty"`
}

// Clone copies d.
func (d *TaskDefinition) Clone() *TaskDefinition { e := *d; return &e }

// Instance is a container instance, key: its id.
type Instance struct {
	ecs.ContainerInstance
	ID          string `json:"localId"`
	ClusterName string `json:"localCluster"`
	ClientToken string `json:"localClientToken,omitempty"`
	// Sequence is the last number given to a payload or manifest of this instance; both count in one row, so that a
	// manifest is never older than a payload sent before it.
	Sequence       int64    `json:"localSequence"`
	GPUs           []string `json:"localGpus,omitempty"`
	DeregisteredAt ecs.Time `json:"localDeregisteredAt,omitzero"`
	Trunk          *ENI     `json:"localTrunk,omitempty"`
}

// Announceable tells whether the agent has to be told to look for the trunk of the instance.
func (i *Instance) Announceable() bool {
	return i.Trunk != nil && !i.Trunk.Attached && i.Status != ecs.Inactive
}

// Clone copies i.
func (i *Instance) Clone() *Instance { j := *i; return &j }

// Attribute returns the value of an attribute of the instance and whether it has it.
func (i *Instance) Attribute(name string) (string, bool) {
	for _, a := range i.Attributes {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// Task is a task, key: its id.
type Task struct {
	ecs.Task
	ID           string `json:"localId"`
	ClusterName  string `json:"localCluster"`
	InstanceID   string `json:"localInstance"`
	ServiceName  string `json:"localService,omitempty"`
	DeploymentID string `json:"localDeployment,omitempty"`
	ClientToken  string `json:"localClientToken,omitempty"`
	// Acked is the desired status the agent has acknowledged last: "", RUNNING or STOPPED. While it differs from
	// DesiredStatus there is something to deliver.
	Acked string `json:"localAcked,omitempty"`
	// Role credentials: the ids stay for the task's life, the expiries are of the newest set the agent acknowledged.
	CredentialsID        string              `json:"localCredentialsId,omitempty"`
	ExecutionID          string              `json:"localExecutionCredentialsId,omitempty"`
	CredentialsExpire    ecs.Time            `json:"localCredentialsExpire,omitzero"`
	ExecutionCredsExpire ecs.Time            `json:"localExecutionCredentialsExpire,omitzero"`
	Demand               ecs.Demand          `json:"localDemand"`
	GPUs                 map[string][]string `json:"localGpus,omitempty"` // container name → GPU ids
	ProtectedUntil       ecs.Time            `json:"localProtectedUntil,omitzero"`
	ENI                  *ENI                `json:"localEni,omitempty"` // of network mode awsvpc
}

// ENI is the network interface of a task, which is attached to the instance before the task goes to the agent, or the trunk
// of an instance.
type ENI struct {
	ID            string   `json:"id"` // eni-…
	AttachmentArn string   `json:"attachmentArn"`
	AttachmentID  string   `json:"attachmentId"`
	Plug          string   `json:"plug"` // its id in the lab
	Slot          string   `json:"slot"` // the address in the lab that it takes, also when it has IPv6 alone
	MAC           string   `json:"mac"`
	IPv4          string   `json:"ipv4,omitempty"`
	IPv4Gateway   string   `json:"ipv4Gateway,omitempty"` // with the length of the subnet
	IPv6          string   `json:"ipv6,omitempty"`
	IPv6Gateway   string   `json:"ipv6Gateway,omitempty"`
	DNS           []string `json:"dns"`
	Search        []string `json:"search"`
	Name          string   `json:"name"`
	Attached      bool     `json:"attached"` // the agent has seen it, or of a branch: it is there
	Until         ecs.Time `json:"until"`    // when it has to be there
	Branch        *Branch  `json:"branch,omitempty"`
}

// Branch says that an interface is a VLAN on the trunk of its instance.
type Branch struct {
	VLAN      int    `json:"vlan"`
	TrunkMAC  string `json:"trunkMac"`
	TrunkPlug string `json:"trunkPlug"` // its id in the lab
}

// Provisioning tells whether the interface of the task is still to come.
func (t *Task) Provisioning() bool {
	return t.ENI != nil && !t.ENI.Attached && t.Live() && t.DesiredStatus == ecs.Running
}

// Attachable tells whether the agent has to be told to look for the interface of the task. Of a branch there is nothing to
// be seen.
func (t *Task) Attachable() bool { return t.Provisioning() && t.ENI.Branch == nil }

// Clone copies t and its Containers.
func (t *Task) Clone() *Task {
	u := *t
	u.Containers = slices.Clone(t.Containers)
	return &u
}

// Container returns the container of that name, nil when there is none. It may be written to only in a Clone.
func (t *Task) Container(name string) *ecs.Container {
	for i := range t.Containers {
		if t.Containers[i].Name == name {
			return &t.Containers[i]
		}
	}
	return nil
}

// Live tells whether the task still takes resources: it is not reported STOPPED.
func (t *Task) Live() bool { return t.LastStatus != ecs.Stopped }

// Protected tells whether the service scheduler must leave the task alone at now.
func (t *Task) Protected(now time.Time) bool { return now.Before(t.ProtectedUntil.Time) }

// Service is a service, key: cluster/name.
type Service struct {
	ecs.Service
	ClusterName string   `json:"localCluster"`
	EndedAt     ecs.Time `json:"localEndedAt,omitzero"`
	// Steady tells that nothing was started or stopped since the service had what it wants.
	Steady bool `json:"localSteady,omitempty"`
}

// Clone copies s with its Deployments and Events.
func (s *Service) Clone() *Service {
	t := *s
	t.Deployments = slices.Clone(s.Deployments)
	t.Events = slices.Clone(s.Events)
	return &t
}

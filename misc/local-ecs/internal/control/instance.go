package control

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// Registration is what RegisterContainerInstance brings.
type Registration struct {
	Cluster          string
	InstanceArn      string // of an agent that was registered before
	Attributes       []ecs.Attribute
	Resources        []ecs.Resource
	Devices          []ecs.PlatformDevice
	Tags             []ecs.Tag
	IdentityDocument string
	ClientToken      string
	Version          ecs.VersionInfo
}

// identity is the part of the EC2 instance identity document that is shown.
type identity struct {
	InstanceID   string `json:"instanceId"`
	InstanceType string `json:"instanceType"`
	ImageID      string `json:"imageId"`
}

// Register adds an instance, or renews one. The same client token gives the same instance, so that a repeated call
// does not register twice.
func (c *Control) Register(tx *state.Tx, r *Registration) (*state.Instance, error) {
	var id identity
	if r.IdentityDocument != "" {
		if err := json.Unmarshal([]byte(r.IdentityDocument), &id); err != nil {
			return nil, ecs.InvalidParameter("instanceIdentityDocument is not JSON: %v.", err)
		}
	}
	i, err := c.instanceFor(tx, r)
	if err != nil {
		return nil, err
	}
	i.Status = ecs.Active
	if known := tx.Instances.Get(i.ID); known != nil && known.Status == ecs.Draining {
		i.Status = ecs.Draining
	}
	i.DeregisteredAt = ecs.Time{}
	i.ClientToken = r.ClientToken
	i.Attributes = c.attributes(i.Attributes, r.Attributes, id)
	c.offerTrunk(i)
	i.RegisteredResources = slices.Clone(r.Resources)
	i.EC2InstanceID = id.InstanceID
	i.GPUs = nil
	for _, d := range r.Devices {
		if d.Type == "GPU" {
			i.GPUs = append(i.GPUs, d.ID)
		}
	}
	if len(i.GPUs) > 0 {
		i.RegisteredResources = append(i.RegisteredResources, ecs.Resource{Name: "GPU", Type: "STRINGSET", StringSetValue: i.GPUs})
	}
	i.Tags = mergeTags(i.Tags, r.Tags)
	if r.Version != (ecs.VersionInfo{}) {
		i.VersionInfo = r.Version
	}
	i.Version++
	tx.Instances.Put(i.ID, i)
	return i, nil
}

func (c *Control) instanceFor(tx *state.Tx, r *Registration) (*state.Instance, error) {
	if r.InstanceArn != "" {
		cluster, id, ok := ecs.LastPart("container-instance", r.InstanceArn)
		if !ok || id == "" {
			return nil, ecs.InvalidParameter("containerInstanceArn is not the ARN of a container instance: '%s'.", r.InstanceArn)
		}
		if cluster != "" && cluster != r.Cluster {
			return nil, ecs.InvalidParameter("containerInstanceArn '%s' is not of cluster '%s'.", r.InstanceArn, r.Cluster)
		}
		if known := tx.Instances.Get(id); known != nil {
			return known.Clone(), nil
		}
		// An agent that outlived the data directory keeps its ARN. Its numbers went on too, so start high.
		i := c.newInstance(r.Cluster, id)
		i.ContainerInstanceArn = r.InstanceArn
		i.Sequence = c.Now().Unix()
		return i, nil
	}
	if r.ClientToken != "" {
		same := tx.Instances.Where(func(i *state.Instance) bool { return i.ClientToken == r.ClientToken && i.ClusterName == r.Cluster })
		if len(same) > 0 {
			return same[0].Clone(), nil
		}
	}
	return c.newInstance(r.Cluster, newID()), nil
}

func (c *Control) newInstance(cluster, id string) *state.Instance {
	return &state.Instance{ID: id, ClusterName: cluster, ContainerInstance: ecs.ContainerInstance{
		ContainerInstanceArn: c.Names.Instance(cluster, id),
		RegisteredAt:         c.now(),
		Attachments:          []ecs.Attachment{},
		Tags:                 []ecs.Tag{},
	}}
}

// ownAttribute tells attributes the agent determines from those operators give, which outlive a new registration.
func ownAttribute(name string) bool {
	return strings.HasPrefix(name, "ecs.") || strings.HasPrefix(name, "com.amazonaws.ecs.")
}

// attributes returns what was sent, in its order, then kept custom attributes, then what the service adds.
func (c *Control) attributes(have, sent []ecs.Attribute, id identity) []ecs.Attribute {
	out := make([]ecs.Attribute, 0, len(sent)+len(have))
	add := func(a ecs.Attribute) {
		if !slices.ContainsFunc(out, func(o ecs.Attribute) bool { return o.Name == a.Name }) {
			out = append(out, ecs.Attribute{Name: a.Name, Value: a.Value})
		}
	}
	for _, a := range sent {
		add(a)
	}
	for _, a := range have {
		if !ownAttribute(a.Name) {
			add(a)
		}
	}
	add(ecs.Attribute{Name: "ecs.availability-zone", Value: c.Zone})
	if id.ImageID != "" {
		add(ecs.Attribute{Name: "ecs.ami-id", Value: id.ImageID})
	}
	if id.InstanceType != "" {
		add(ecs.Attribute{Name: "ecs.instance-type", Value: id.InstanceType})
	}
	return out
}

// Deregister takes an instance out of its cluster. Its tasks run on without the service, for which they are stopped.
func (c *Control) Deregister(tx *state.Tx, i *state.Instance, force bool) (*state.Instance, error) {
	live := tx.TasksOn(i.ID)
	if len(live) > 0 && !force {
		return nil, ecs.InvalidParameter("Found running tasks on the instance.")
	}
	for _, t := range live {
		t = c.Stop(tx, t, ecs.UserInitiated, ReasonDeregistered).Clone()
		t.LastStatus = ecs.Stopped
		c.finish(t, "")
		tx.Tasks.Put(t.ID, t)
	}
	i = i.Clone()
	i.Status = ecs.Inactive
	i.DeregisteredAt = c.now()
	i.Version++
	tx.Instances.Put(i.ID, i)
	return i, nil
}

package control

import (
	"slices"
	"strconv"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/lab"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/place"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/taskdef"
)

// Launch describes tasks to make.
type Launch struct {
	Cluster     *state.Cluster
	Definition  *state.TaskDefinition
	Overrides   *ecs.TaskOverride
	Count       int
	Group       string
	StartedBy   string
	ClientToken string
	LaunchType  string // "", EC2, EXTERNAL
	Service     *state.Service
	Deployment  string
	Constraints []ecs.PlacementConstraint
	Strategy    []ecs.PlacementStrategy
	Tags        []ecs.Tag
	Exec        bool                      // ECS Exec wanted
	Network     *ecs.NetworkConfiguration // of network mode awsvpc

	// Instances are the ids of StartTask, one task each; nil lets placement choose.
	Instances []string
}

// Launch makes the tasks that find a place and returns the reasons for the others.
func (c *Control) Launch(tx *state.Tx, l *Launch) ([]*state.Task, []ecs.Failure, error) {
	effective := taskdef.Effective(&l.Definition.TaskDefinition, l.Overrides)
	request := &place.Request{
		Demand:     taskdef.Demand(effective),
		Attributes: taskdef.Attributes(effective),
		Group:      l.Group,
		LaunchType: l.LaunchType,
		Strategy:   l.Strategy,
	}
	if l.Exec {
		request.Attributes = append(request.Attributes, ecs.Attribute{Name: "ecs.capability.execute-command"})
	}
	if l.Instances != nil {
		return c.startOn(tx, l, effective, request)
	}
	if err := request.Constrain(slices.Concat(l.Definition.PlacementConstraints, l.Constraints)); err != nil {
		return nil, nil, err
	}
	net, err := c.network(tx, l, effective)
	if err != nil {
		return nil, nil, err
	}
	nodes := c.nodes(tx, l.Cluster.ClusterName)
	if len(nodes) == 0 {
		return nil, nil, ecs.InvalidParameter("No Container Instances were found in your cluster.")
	}
	var tasks []*state.Task
	for range l.Count {
		node, failures := place.Choose(nodes, request)
		if node == nil {
			// The next one would find the same.
			return tasks, failures, nil
		}
		eni, ok := net.next(node.Instance)
		if !ok {
			return tasks, []ecs.Failure{{Arn: node.Instance.ContainerInstanceArn, Reason: place.ReasonENI, Detail: lab.ErrFull.Error()}}, nil
		}
		tasks = append(tasks, c.create(tx, l, effective, node, eni))
	}
	return tasks, nil, nil
}

func (c *Control) startOn(tx *state.Tx, l *Launch, effective *ecs.TaskDefinition, request *place.Request) (tasks []*state.Task, failures []ecs.Failure, err error) {
	net, err := c.network(tx, l, effective)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range l.Instances {
		i := tx.Instances.Get(id)
		reason, detail := "", ""
		arn := c.Names.Instance(l.Cluster.ClusterName, id)
		var node *place.Node
		switch {
		case i == nil || i.ClusterName != l.Cluster.ClusterName:
			reason = place.ReasonMissing
		case i.Status == ecs.Inactive:
			reason = place.ReasonInactive
		default:
			node = c.Node(tx, i)
			reason, detail = node.Fit(request)
		}
		var eni *state.ENI
		if reason == "" {
			var ok bool
			if eni, ok = net.next(i); !ok {
				reason, detail = place.ReasonENI, lab.ErrFull.Error()
			}
		}
		if reason != "" {
			failures = append(failures, ecs.Failure{Arn: arn, Reason: reason, Detail: detail})
			continue
		}
		tasks = append(tasks, c.create(tx, l, effective, node, eni))
	}
	return tasks, failures, nil
}

// create makes one task on a node and takes its share of it.
func (c *Control) create(tx *state.Tx, l *Launch, d *ecs.TaskDefinition, node *place.Node, eni *state.ENI) *state.Task {
	t := c.newTask(l, d, node)
	gpus := slices.Clone(node.FreeGPUs)
	for i := range d.ContainerDefinitions {
		def := &d.ContainerDefinitions[i]
		container := newContainer(def, t.TaskArn, c.Names.Container(t.ClusterName, t.ID, NewUUID()))
		if n := taskdef.GPUs(def); n > 0 {
			container.GPUIDs, gpus = gpus[:n:n], gpus[n:]
			if t.GPUs == nil {
				t.GPUs = map[string][]string{}
			}
			t.GPUs[def.Name] = container.GPUIDs
		}
		t.Containers = append(t.Containers, container)
	}
	if eni != nil {
		c.attach(t, eni)
	}
	node.Take(t)
	tx.Tasks.Put(t.ID, t)
	return t
}

// newTask is a task on a node, without its containers.
func (c *Control) newTask(l *Launch, d *ecs.TaskDefinition, node *place.Node) *state.Task {
	cluster, id, now, demand := l.Cluster.ClusterName, newID(), c.now(), taskdef.Demand(d)
	t := &state.Task{
		ID:          id,
		ClusterName: cluster,
		InstanceID:  node.Instance.ID,
		ClientToken: l.ClientToken,
		Demand:      demand,
		Task: ecs.Task{
			Attachments:          []ecs.Attachment{},
			AvailabilityZone:     c.Zone,
			ClusterArn:           l.Cluster.ClusterArn,
			Connectivity:         "CONNECTED",
			ConnectivityAt:       now,
			ContainerInstanceArn: node.Instance.ContainerInstanceArn,
			CPU:                  strconv.Itoa(demand.CPU),
			Memory:               strconv.Itoa(demand.Memory),
			CreatedAt:            now,
			DesiredStatus:        ecs.Running,
			LastStatus:           ecs.Pending,
			HealthStatus:         "UNKNOWN",
			EnableExecuteCommand: l.Exec,
			Group:                l.Group,
			LaunchType:           l.LaunchType,
			Overrides:            overridesOf(l.Overrides, d),
			StartedBy:            l.StartedBy,
			Tags:                 mergeTags([]ecs.Tag{}, l.Tags),
			TaskArn:              c.Names.Task(cluster, id),
			TaskDefinitionArn:    l.Definition.TaskDefinitionArn,
			Version:              1,
		},
	}
	if arch, ok := node.Instance.Attribute("ecs.cpu-architecture"); ok {
		t.Attributes = []ecs.Attribute{{Name: "ecs.cpu-architecture", Value: arch}}
	}
	if t.LaunchType == "" {
		t.LaunchType = "EC2"
		if _, external := node.Instance.Attribute("ecs.capability.external"); external {
			t.LaunchType = "EXTERNAL"
		}
	}
	if l.Service != nil {
		t.ServiceName, t.DeploymentID = l.Service.ServiceName, l.Deployment
	}
	if d.TaskRoleArn != "" {
		t.CredentialsID = NewUUID()
	}
	if d.ExecutionRoleArn != "" {
		t.ExecutionID = NewUUID()
	}
	return t
}

func newContainer(d *ecs.ContainerDefinition, taskArn, arn string) ecs.Container {
	c := ecs.Container{
		ContainerArn:      arn,
		TaskArn:           taskArn,
		Name:              d.Name,
		Image:             d.Image,
		LastStatus:        ecs.Pending,
		NetworkBindings:   []ecs.NetworkBinding{},
		NetworkInterfaces: []ecs.NetworkInterface{},
		HealthStatus:      "UNKNOWN",
		CPU:               strconv.Itoa(d.CPU),
	}
	if d.Memory != nil {
		c.Memory = strconv.Itoa(*d.Memory)
	}
	if d.MemoryReservation != nil {
		c.MemoryReservation = strconv.Itoa(*d.MemoryReservation)
	}
	return c
}

// overridesOf is the override as DescribeTasks shows it: one entry for each container, in any case.
func overridesOf(o *ecs.TaskOverride, d *ecs.TaskDefinition) *ecs.TaskOverride {
	out := ecs.TaskOverride{}
	if o != nil {
		out = *o
	}
	given := out.ContainerOverrides
	out.ContainerOverrides = nil
	for i := range d.ContainerDefinitions {
		name := d.ContainerDefinitions[i].Name
		entry := ecs.ContainerOverride{Name: name}
		for _, g := range given {
			if g.Name == name {
				entry = g
			}
		}
		out.ContainerOverrides = append(out.ContainerOverrides, entry)
	}
	out.InferenceAcceleratorOverrides = []byte("[]")
	return &out
}

package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/place"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/taskdef"
)

// maxCount is the most tasks one RunTask or StartTask makes.
const maxCount = 10

type runTaskInput struct {
	Cluster                  string                    `json:"cluster"`
	TaskDefinition           string                    `json:"taskDefinition"`
	Count                    *int                      `json:"count"`
	Group                    string                    `json:"group"`
	StartedBy                string                    `json:"startedBy"`
	ClientToken              string                    `json:"clientToken"`
	LaunchType               string                    `json:"launchType"`
	CapacityProviderStrategy []json.RawMessage         `json:"capacityProviderStrategy"`
	NetworkConfiguration     *ecs.NetworkConfiguration `json:"networkConfiguration"`
	Overrides                *ecs.TaskOverride         `json:"overrides"`
	PlacementConstraints     []ecs.PlacementConstraint `json:"placementConstraints"`
	PlacementStrategy        []ecs.PlacementStrategy   `json:"placementStrategy"`
	PropagateTags            string                    `json:"propagateTags"`
	Tags                     []ecs.Tag                 `json:"tags"`
	EnableExecuteCommand     bool                      `json:"enableExecuteCommand"`
	VolumeConfigurations     []json.RawMessage         `json:"volumeConfigurations"`
	ContainerInstances       []string                  `json:"containerInstances"` // StartTask
}

func runTask(a *API, _ *http.Request, in *runTaskInput) (any, error) {
	in.ContainerInstances = nil
	return a.launch(in)
}

func startTask(a *API, _ *http.Request, in *runTaskInput) (any, error) {
	if len(in.ContainerInstances) == 0 || len(in.ContainerInstances) > maxCount {
		return nil, ecs.InvalidParameter("Invalid 'containerInstances': 1 to %d are allowed.", maxCount)
	}
	in.Count, in.ClientToken, in.LaunchType = nil, "", ""
	in.PlacementConstraints, in.PlacementStrategy = nil, nil
	return a.launch(in)
}

func (a *API) launch(in *runTaskInput) (any, error) {
	if err := checkLaunch(in); err != nil {
		return nil, err
	}
	var tasks []*state.Task
	var failures []ecs.Failure
	err := a.Store.Update(func(tx *state.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		d, err := runnable(tx, in.TaskDefinition)
		if err != nil {
			return err
		}
		if err := checkAgainst(&d.TaskDefinition, in); err != nil {
			return err
		}
		if in.ClientToken != "" {
			tasks = tx.Tasks.Where(func(t *state.Task) bool { return t.ClientToken == in.ClientToken && t.ClusterName == c.ClusterName })
			if len(tasks) > 0 {
				if tasks[0].TaskDefinitionArn != d.TaskDefinitionArn {
					return ecs.Errorf("ConflictException", "The 'clientToken' was used with other parameters before.")
				}
				return nil
			}
		}
		tasks, failures, err = a.Control.Launch(tx, launchOf(in, c, d))
		return err
	})
	if err != nil {
		return nil, err
	}
	views := []ecs.Task{}
	for _, t := range tasks {
		a.Log.Info("task created", "task", short(t.ID), "definition", in.TaskDefinition, "instance", short(t.InstanceID))
		views = append(views, a.taskView(t, true))
	}
	for _, f := range failures {
		a.Log.Info("no place for the task", "instance", f.Arn, "reason", f.Reason, "detail", f.Detail)
	}
	return map[string]any{"tasks": views, "failures": nonNil(failures)}, nil
}

// launchOf is what is asked for, with the defaults of the API.
func launchOf(in *runTaskInput, c *state.Cluster, d *state.TaskDefinition) *control.Launch {
	l := &control.Launch{
		Cluster: c, Definition: d, Overrides: in.Overrides, Count: 1, Group: in.Group, StartedBy: in.StartedBy,
		ClientToken: in.ClientToken, LaunchType: in.LaunchType, Constraints: in.PlacementConstraints,
		Strategy: in.PlacementStrategy, Tags: in.Tags, Exec: in.EnableExecuteCommand, Network: in.NetworkConfiguration,
	}
	if l.Group == "" {
		l.Group = "family:" + d.Family
	}
	if in.Count != nil {
		l.Count = *in.Count
	}
	if in.PropagateTags == "TASK_DEFINITION" {
		l.Tags = append(slices.Clone(d.Tags), in.Tags...)
	}
	for _, ref := range in.ContainerInstances {
		_, id, _ := ecs.LastPart("container-instance", ref)
		l.Instances = append(l.Instances, id)
	}
	return l
}

func checkLaunch(in *runTaskInput) error {
	if in.Count != nil && (*in.Count < 1 || *in.Count > maxCount) {
		return ecs.InvalidParameter("Invalid 'count': %d is not between 1 and %d.", *in.Count, maxCount)
	}
	if len(in.StartedBy) > 128 {
		return ecs.InvalidParameter("Invalid 'startedBy': more than 128 characters.")
	}
	if strings.HasPrefix(in.Group, "service:") {
		return ecs.InvalidParameter("Invalid 'group': '%s'. The prefix service: is reserved.", in.Group)
	}
	if len(in.VolumeConfigurations) > 0 {
		return ecs.Unsupported("local-ecs cannot attach EBS volumes: 'volumeConfigurations'.")
	}
	if err := oneOf("propagateTags", in.PropagateTags, "TASK_DEFINITION", "SERVICE", "NONE"); err != nil {
		return err
	}
	if in.PropagateTags == "SERVICE" {
		return ecs.InvalidParameter("Invalid 'propagateTags': SERVICE is for services only.")
	}
	for _, err := range []error{checkTags(in.Tags), checkLaunchType(in.LaunchType, in.CapacityProviderStrategy), place.CheckStrategy(in.PlacementStrategy)} {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkLaunchType(launchType string, providers []json.RawMessage) error {
	switch {
	case len(providers) > 0:
		return ecs.Unsupported("local-ecs has no capacity providers: leave 'capacityProviderStrategy' out.")
	case launchType == "FARGATE" || launchType == "MANAGED_INSTANCES":
		return ecs.Unsupported("local-ecs has no 'launchType' %s; use EC2 or leave it out.", launchType)
	}
	return oneOf("launchType", launchType, "EC2", "EXTERNAL")
}

// checkAgainst checks what of a launch depends on the definition.
func checkAgainst(d *ecs.TaskDefinition, in *runTaskInput) error {
	if err := checkNetwork(d, in.NetworkConfiguration); err != nil {
		return err
	}
	return taskdef.CheckOverride(d, in.Overrides)
}

// maxSubnets and maxSecurityGroups are the service's limits.
const (
	maxSubnets        = 16
	maxSecurityGroups = 5
)

func checkNetwork(d *ecs.TaskDefinition, n *ecs.NetworkConfiguration) error {
	given := n != nil && n.AWSVPC != nil
	switch {
	case d.NetworkMode == "awsvpc" && !given:
		return ecs.InvalidParameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	case d.NetworkMode != "awsvpc" && given:
		return ecs.InvalidParameter("Network Configuration is not valid for the given networkMode of this task definition.")
	case !given:
		return nil
	case len(n.AWSVPC.Subnets) == 0:
		return ecs.InvalidParameter("subnets can not be empty.")
	case len(n.AWSVPC.Subnets) > maxSubnets:
		return ecs.InvalidParameter("Invalid 'subnets': at most %d are allowed.", maxSubnets)
	case len(n.AWSVPC.SecurityGroups) > maxSecurityGroups:
		return ecs.InvalidParameter("Invalid 'securityGroups': at most %d are allowed.", maxSecurityGroups)
	case n.AWSVPC.AssignPublicIP == "ENABLED":
		return ecs.InvalidParameter("Assign public IP is not supported for this launch type.")
	}
	return oneOf("assignPublicIp", n.AWSVPC.AssignPublicIP, "ENABLED", "DISABLED")
}

// taskView is a task as it is shown: connectivity is that of its agent now.
func (a *API) taskView(t *state.Task, tags bool) ecs.Task {
	out := t.Task
	if t.Live() && !a.Control.Connected(t.InstanceID) {
		out.Connectivity = "DISCONNECTED"
	}
	if !tags {
		out.Tags = []ecs.Tag{}
	}
	return out
}

// findTask finds a task by id or ARN in a cluster.
func findTask(tx *state.Tx, cluster, ref string) *state.Task {
	c, id, ok := ecs.LastPart("task", ref)
	t := tx.Tasks.Get(id)
	if !ok || t == nil || t.ClusterName != cluster || c != "" && c != cluster {
		return nil
	}
	return t
}

type stopTaskInput struct {
	Cluster string `json:"cluster"`
	Task    string `json:"task"`
	Reason  string `json:"reason"`
}

func stopTask(a *API, _ *http.Request, in *stopTaskInput) (any, error) {
	if in.Task == "" {
		return nil, ecs.InvalidParameter("taskId can not be blank. 'task' is missing.")
	}
	if len(in.Reason) > 1024 {
		return nil, ecs.InvalidParameter("Invalid 'reason': more than 1024 characters.")
	}
	var out *state.Task
	err := a.Store.Update(func(tx *state.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		t := findTask(tx, c.ClusterName, in.Task)
		if t == nil {
			return ecs.InvalidParameter("The referenced task was not found.")
		}
		reason := in.Reason
		if reason == "" {
			reason = control.ReasonUser
		}
		out = a.Control.Stop(tx, t, ecs.UserInitiated, reason)
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.Log.Info("task to be stopped", "task", short(out.ID), "reason", out.StoppedReason)
	return map[string]any{"task": a.taskView(out, true)}, nil
}

type describeTasksInput struct {
	Cluster string   `json:"cluster"`
	Tasks   []string `json:"tasks"`
	Include []string `json:"include"`
}

func describeTasks(a *API, _ *http.Request, in *describeTasksInput) (any, error) {
	if len(in.Tasks) == 0 {
		return nil, ecs.InvalidParameter("Tasks cannot be empty. 'tasks' is missing.")
	}
	if len(in.Tasks) > 100 {
		return nil, ecs.InvalidParameter("Invalid 'tasks': at most 100 are allowed.")
	}
	var err error
	tasks, failures := []ecs.Task{}, []ecs.Failure{}
	a.Store.View(func(tx *state.Tx) {
		var c *state.Cluster
		if c, err = cluster(tx, in.Cluster); err != nil {
			return
		}
		for _, ref := range in.Tasks {
			if t := findTask(tx, c.ClusterName, ref); t != nil {
				tasks = append(tasks, a.taskView(t, include(in.Include, "TAGS")))
				continue
			}
			arn := ref
			if !strings.HasPrefix(ref, "arn:") {
				arn = a.Control.Names.Task(c.ClusterName, ref)
			}
			failures = append(failures, ecs.Failure{Arn: arn, Reason: "MISSING"})
		}
	})
	return map[string]any{"tasks": tasks, "failures": failures}, err
}

type listTasksInput struct {
	paging
	Cluster           string `json:"cluster"`
	ContainerInstance string `json:"containerInstance"`
	Family            string `json:"family"`
	ServiceName       string `json:"serviceName"`
	StartedBy         string `json:"startedBy"`
	DesiredStatus     string `json:"desiredStatus"`
	LaunchType        string `json:"launchType"`
}

func listTasks(a *API, _ *http.Request, in *listTasksInput) (any, error) {
	if in.DesiredStatus == "" {
		in.DesiredStatus = ecs.Running
	}
	if err := oneOf("desiredStatus", in.DesiredStatus, ecs.Running, ecs.Pending, ecs.Stopped); err != nil {
		return nil, err
	}
	if err := oneOf("launchType", in.LaunchType, "EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"); err != nil {
		return nil, err
	}
	var ids []string
	var err error
	var name string
	a.Store.View(func(tx *state.Tx) {
		var c *state.Cluster
		if c, err = cluster(tx, in.Cluster); err != nil {
			return
		}
		name = c.ClusterName
		_, instance, _ := ecs.LastPart("container-instance", in.ContainerInstance)
		_, service, _ := ecs.LastPart("service", in.ServiceName)
		if in.ServiceName != "" && tx.Services.Get(state.ServiceKey(name, service)) == nil {
			err = ecs.ServiceNotFound()
			return
		}
		if in.ContainerInstance != "" && tx.Instances.Get(instance) == nil {
			err = ecs.InvalidParameter("The referenced container instance was not found: 'containerInstance' %s.", in.ContainerInstance)
			return
		}
		for _, t := range tx.Tasks.All() {
			arn, _ := ecs.ParseARN(t.TaskDefinitionArn)
			family, _, _ := strings.Cut(arn.Name, ":")
			switch {
			case t.ClusterName != name, t.DesiredStatus != in.DesiredStatus,
				in.ContainerInstance != "" && t.InstanceID != instance,
				in.Family != "" && family != in.Family,
				in.ServiceName != "" && t.ServiceName != service,
				in.StartedBy != "" && t.StartedBy != in.StartedBy,
				in.LaunchType != "" && t.LaunchType != in.LaunchType:
			default:
				ids = append(ids, t.ID)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return in.list("taskArns", ids, func(id string) string { return a.Control.Names.Task(name, id) })
}

func short(id string) string { return id[:min(12, len(id))] }

package api

import (
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/query"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// instanceView is an instance with what is computed: what remains of it, its tasks, its agent's connection.
func (a *API) instanceView(tx *state.Tx, i *state.Instance, tags, health bool) ecs.ContainerInstance {
	node := a.Control.Node(tx, i)
	out := i.ContainerInstance
	out.RemainingResources = node.Remaining()
	out.RegisteredResources = nonNil(out.RegisteredResources)
	out.AgentConnected = node.Connected
	out.RunningTasksCount, out.PendingTasksCount = node.Running, node.Pending
	if !tags {
		out.Tags = []ecs.Tag{}
	}
	if !health {
		out.HealthStatus = nil
	} else if out.HealthStatus == nil {
		out.HealthStatus = &ecs.InstanceHealth{OverallStatus: "INSUFFICIENT_DATA", Details: []ecs.HealthCheckResult{}}
	}
	return out
}

func findInstance(tx *state.Tx, cluster, ref string) *state.Instance {
	_, id, ok := ecs.LastPart("container-instance", ref)
	i := tx.Instances.Get(id)
	if !ok || i == nil || i.ClusterName != cluster {
		return nil
	}
	return i
}

type listContainerInstancesInput struct {
	paging
	Cluster string `json:"cluster"`
	Filter  string `json:"filter"`
	Status  string `json:"status"`
}

func listContainerInstances(a *API, _ *http.Request, in *listContainerInstancesInput) (any, error) {
	if err := oneOf("status", in.Status, ecs.Active, ecs.Draining, "REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED"); err != nil {
		return nil, err
	}
	filter, err := query.Parse(in.Filter)
	if err != nil {
		return nil, ecs.InvalidParameter("Invalid 'filter': %v.", err)
	}
	var ids []string
	var name string
	a.Store.View(func(tx *state.Tx) {
		var c *state.Cluster
		if c, err = cluster(tx, in.Cluster); err != nil {
			return
		}
		name = c.ClusterName
		for _, i := range tx.Instances.All() {
			if i.ClusterName != name || i.Status == ecs.Inactive || in.Status != "" && i.Status != in.Status {
				continue
			}
			if filter.Match(a.Control.Node(tx, i).Subject()) {
				ids = append(ids, i.ID)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return in.list("containerInstanceArns", ids, func(id string) string { return a.Control.Names.Instance(name, id) })
}

type containerInstancesInput struct {
	Cluster            string   `json:"cluster"`
	ContainerInstances []string `json:"containerInstances"`
	Include            []string `json:"include"`
	Status             string   `json:"status"` // UpdateContainerInstancesState
}

func (in *containerInstancesInput) check() error {
	if len(in.ContainerInstances) == 0 {
		return ecs.InvalidParameter("Container instances cannot be empty. 'containerInstances' is missing.")
	}
	if len(in.ContainerInstances) > 100 {
		return ecs.InvalidParameter("Invalid 'containerInstances': at most 100 are allowed.")
	}
	return nil
}

func (a *API) missingInstance(cluster, ref string) ecs.Failure {
	if !strings.HasPrefix(ref, "arn:") {
		ref = a.Control.Names.Instance(cluster, ref)
	}
	return ecs.Failure{Arn: ref, Reason: "MISSING"}
}

func describeContainerInstances(a *API, _ *http.Request, in *containerInstancesInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var err error
	found, failures := []ecs.ContainerInstance{}, []ecs.Failure{}
	a.Store.View(func(tx *state.Tx) {
		var c *state.Cluster
		if c, err = cluster(tx, in.Cluster); err != nil {
			return
		}
		for _, ref := range in.ContainerInstances {
			if i := findInstance(tx, c.ClusterName, ref); i != nil {
				found = append(found, a.instanceView(tx, i, include(in.Include, "TAGS"), include(in.Include, "CONTAINER_INSTANCE_HEALTH")))
			} else {
				failures = append(failures, a.missingInstance(c.ClusterName, ref))
			}
		}
	})
	return map[string]any{"containerInstances": found, "failures": failures}, err
}

func updateContainerInstancesState(a *API, _ *http.Request, in *containerInstancesInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.Status != ecs.Active && in.Status != ecs.Draining {
		return nil, ecs.InvalidParameter("Invalid 'status': '%s'. Valid values: ACTIVE, DRAINING.", in.Status)
	}
	found, failures := []ecs.ContainerInstance{}, []ecs.Failure{}
	err := a.Store.Update(func(tx *state.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		for _, ref := range in.ContainerInstances {
			i := findInstance(tx, c.ClusterName, ref)
			switch {
			case i == nil:
				failures = append(failures, a.missingInstance(c.ClusterName, ref))
				continue
			case i.Status == ecs.Inactive:
				failures = append(failures, ecs.Failure{Arn: i.ContainerInstanceArn, Reason: "INACTIVE"})
				continue
			case i.Status != in.Status:
				i = i.Clone()
				i.Status = in.Status
				i.Version++
				tx.Instances.Put(i.ID, i)
				a.Log.Info("container instance state set", "instance", short(i.ID), "status", in.Status)
			}
			found = append(found, a.instanceView(tx, i, true, false))
		}
		return nil
	})
	return map[string]any{"containerInstances": found, "failures": failures}, err
}

type deregisterContainerInstanceInput struct {
	Cluster           string `json:"cluster"`
	ContainerInstance string `json:"containerInstance"`
	Force             bool   `json:"force"`
}

func deregisterContainerInstance(a *API, _ *http.Request, in *deregisterContainerInstanceInput) (any, error) {
	var out ecs.ContainerInstance
	var id string
	err := a.Store.Update(func(tx *state.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		i := findInstance(tx, c.ClusterName, in.ContainerInstance)
		if i == nil || i.Status == ecs.Inactive {
			return ecs.InvalidParameter("Referenced container instance %s not found.", in.ContainerInstance)
		}
		if i, err = a.Control.Deregister(tx, i, in.Force); err != nil {
			return err
		}
		id = i.ID
		out = a.instanceView(tx, i, true, false)
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.Log.Info("container instance deregistered", "instance", short(id))
	a.Deregistered(id)
	out.AgentConnected = false
	return map[string]any{"containerInstance": out}, nil
}

var attributeRule = regexp.MustCompile(`^[a-zA-Z0-9._/\\-]{1,128}$`)

type attributesInput struct {
	paging
	Cluster        string          `json:"cluster"`
	TargetType     string          `json:"targetType"`
	AttributeName  string          `json:"attributeName"`
	AttributeValue string          `json:"attributeValue"`
	Attributes     []ecs.Attribute `json:"attributes"`
}

func listAttributes(a *API, _ *http.Request, in *attributesInput) (any, error) {
	if in.TargetType != "container-instance" {
		return nil, ecs.InvalidParameter("Invalid 'targetType': '%s'. Valid values: container-instance.", in.TargetType)
	}
	var err error
	byKey := map[string]ecs.Attribute{}
	a.Store.View(func(tx *state.Tx) {
		var c *state.Cluster
		if c, err = cluster(tx, in.Cluster); err != nil {
			return
		}
		for _, i := range tx.Instances.All() {
			if i.ClusterName != c.ClusterName || i.Status == ecs.Inactive {
				continue
			}
			for _, at := range i.Attributes {
				if (in.AttributeName == "" || at.Name == in.AttributeName) && (in.AttributeValue == "" || at.Value == in.AttributeValue) {
					byKey[at.Name+"\x00"+i.ID] = ecs.Attribute{Name: at.Name, Value: at.Value, TargetID: i.ContainerInstanceArn}
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	keys := make([]string, 0, len(byKey))
	for k := range byKey {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	keys, next, err := in.page(keys)
	if err != nil {
		return nil, err
	}
	found := []ecs.Attribute{}
	for _, k := range keys {
		found = append(found, byKey[k])
	}
	out := map[string]any{"attributes": found}
	if next != "" {
		out["nextToken"] = next
	}
	return out, nil
}

func putAttributes(a *API, _ *http.Request, in *attributesInput) (any, error) {
	return a.changeAttributes(in, func(have []ecs.Attribute, at ecs.Attribute) []ecs.Attribute {
		i := slices.IndexFunc(have, func(h ecs.Attribute) bool { return h.Name == at.Name })
		if i < 0 {
			return append(have, at)
		}
		have[i] = at
		return have
	})
}

func deleteAttributes(a *API, _ *http.Request, in *attributesInput) (any, error) {
	return a.changeAttributes(in, func(have []ecs.Attribute, at ecs.Attribute) []ecs.Attribute {
		return slices.DeleteFunc(have, func(h ecs.Attribute) bool {
			return h.Name == at.Name && (at.Value == "" || at.Value == h.Value)
		})
	})
}

func (a *API) changeAttributes(in *attributesInput, change func([]ecs.Attribute, ecs.Attribute) []ecs.Attribute) (any, error) {
	if len(in.Attributes) == 0 || len(in.Attributes) > 10 {
		return nil, ecs.InvalidParameter("Invalid 'attributes': 1 to 10 are allowed.")
	}
	err := a.Store.Update(func(tx *state.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		for _, at := range in.Attributes {
			if !attributeRule.MatchString(at.Name) || strings.HasPrefix(at.Name, "ecs.") || strings.HasPrefix(at.Name, "com.amazonaws.") {
				return ecs.InvalidParameter("Invalid 'attributes' name: '%s'.", at.Name)
			}
			i := findInstance(tx, c.ClusterName, at.TargetID)
			if i == nil || i.Status == ecs.Inactive {
				return ecs.Errorf("TargetNotFoundException", "The specified target was not found: 'targetId' %s.", at.TargetID)
			}
			i = i.Clone()
			i.Attributes = change(slices.Clone(i.Attributes), ecs.Attribute{Name: at.Name, Value: at.Value})
			i.Version++
			tx.Instances.Put(i.ID, i)
		}
		return nil
	})
	return map[string]any{"attributes": in.Attributes}, err
}

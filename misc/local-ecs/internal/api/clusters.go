package api

import (
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

var clusterRule = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

const defaultCluster = "default"

// clusterName returns the bare name of a cluster given as name, ARN or not at all.
func clusterName(ref string) string {
	if ref == "" {
		return defaultCluster
	}
	_, name, ok := ecs.LastPart("cluster", ref)
	if !ok {
		return ""
	}
	return name
}

// cluster finds an active cluster.
func cluster(tx *state.Tx, ref string) (*state.Cluster, error) {
	c := tx.Clusters.Get(clusterName(ref))
	if c == nil || c.Status != ecs.Active {
		return nil, ecs.ClusterNotFound()
	}
	return c, nil
}

type createClusterInput struct {
	ClusterName   string          `json:"clusterName"`
	Tags          []ecs.Tag       `json:"tags"`
	Settings      json.RawMessage `json:"settings"`
	Configuration json.RawMessage `json:"configuration"`
}

func createCluster(a *API, _ *http.Request, in *createClusterInput) (any, error) {
	name := in.ClusterName
	if name == "" {
		name = defaultCluster
	}
	if !clusterRule.MatchString(name) {
		return nil, ecs.InvalidParameter("Invalid 'clusterName': '%s'. Up to 255 letters, digits, hyphens and underscores are allowed.", name)
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	var out ecs.Cluster
	err := a.Store.Update(func(tx *state.Tx) error {
		c := tx.Clusters.Get(name)
		if c == nil || c.Status != ecs.Active {
			c = &state.Cluster{Cluster: ecs.Cluster{
				ClusterArn:                      a.Control.Names.Cluster(name),
				ClusterName:                     name,
				Status:                          ecs.Active,
				Statistics:                      []ecs.KeyValue{},
				Tags:                            nonNil(in.Tags),
				Settings:                        in.Settings,
				Configuration:                   in.Configuration,
				CapacityProviders:               []string{},
				DefaultCapacityProviderStrategy: json.RawMessage("[]"),
			}}
			tx.Clusters.Put(name, c)
			a.Log.Info("cluster created", "cluster", name)
		}
		out = clusterView(tx, c)
		return nil
	})
	return map[string]any{"cluster": out}, err
}

// clusterView is a cluster with its counts.
func clusterView(tx *state.Tx, c *state.Cluster) ecs.Cluster {
	out := c.Cluster
	for _, i := range tx.Instances.All() {
		if i.ClusterName == c.ClusterName && i.Status != ecs.Inactive {
			out.RegisteredContainerInstancesCount++
		}
	}
	for _, t := range tx.Tasks.All() {
		switch {
		case t.ClusterName != c.ClusterName:
		case t.LastStatus == ecs.Running:
			out.RunningTasksCount++
		case t.LastStatus == ecs.Pending:
			out.PendingTasksCount++
		}
	}
	for _, s := range tx.Services.All() {
		if s.ClusterName == c.ClusterName && s.Status == ecs.Active {
			out.ActiveServicesCount++
		}
	}
	return out
}

type clusterInput struct {
	Cluster string `json:"cluster"`
}

func deleteCluster(a *API, _ *http.Request, in *clusterInput) (any, error) {
	if in.Cluster == "" {
		return nil, ecs.InvalidParameter("'cluster' should not be null or empty.")
	}
	var out ecs.Cluster
	err := a.Store.Update(func(tx *state.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		view := clusterView(tx, c)
		switch {
		case view.RegisteredContainerInstancesCount > 0:
			return ecs.Errorf("ClusterContainsContainerInstancesException", "The Cluster cannot be deleted while Container Instances are active or draining.")
		case view.ActiveServicesCount > 0:
			return ecs.Errorf("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
		case view.RunningTasksCount+view.PendingTasksCount > 0:
			return ecs.Errorf("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
		}
		c = c.Clone()
		c.Status = ecs.Inactive
		tx.Clusters.Put(c.ClusterName, c)
		out = clusterView(tx, c)
		return nil
	})
	return map[string]any{"cluster": out}, err
}

type describeClustersInput struct {
	Clusters []string `json:"clusters"`
	Include  []string `json:"include"`
}

func describeClusters(a *API, _ *http.Request, in *describeClustersInput) (any, error) {
	if len(in.Clusters) == 0 {
		in.Clusters = []string{defaultCluster}
	}
	if len(in.Clusters) > 100 {
		return nil, ecs.InvalidParameter("'clusters' must have at most 100 entries.")
	}
	found, failures := []ecs.Cluster{}, []ecs.Failure{}
	a.Store.View(func(tx *state.Tx) {
		for _, ref := range in.Clusters {
			name := clusterName(ref)
			c := tx.Clusters.Get(name)
			if c == nil {
				failures = append(failures, ecs.Failure{Arn: a.Control.Names.Cluster(name), Reason: "MISSING"})
				continue
			}
			view := clusterView(tx, c)
			if !include(in.Include, "TAGS") {
				view.Tags = []ecs.Tag{}
			}
			found = append(found, view)
		}
	})
	return map[string]any{"clusters": found, "failures": failures}, nil
}

func listClusters(a *API, _ *http.Request, in *paging) (any, error) {
	var names []string
	a.Store.View(func(tx *state.Tx) {
		for _, c := range tx.Clusters.All() {
			if c.Status == ecs.Active {
				names = append(names, c.ClusterName)
			}
		}
	})
	return in.list("clusterArns", names, a.Control.Names.Cluster)
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

package api

import (
	"net/http"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// serviceView is a service with the counts of its tasks.
func serviceView(tx *state.Tx, s *state.Service, tags bool) ecs.Service {
	out := s.Clone().Service
	count := map[string]*ecs.Deployment{}
	for i := range out.Deployments {
		d := &out.Deployments[i]
		if d.Status == "PRIMARY" {
			d.DesiredCount = out.DesiredCount
		}
		count[d.ID] = d
	}
	for _, t := range tx.TasksOf(s.ClusterName, s.ServiceName) {
		d := count[t.DeploymentID]
		if d == nil {
			d = new(ecs.Deployment)
		}
		switch t.LastStatus {
		case ecs.Running:
			out.RunningCount++
			d.RunningCount++
		case ecs.Pending:
			out.PendingCount++
			d.PendingCount++
		}
	}
	out.Deployments, out.Events = nonNil(out.Deployments), nonNil(out.Events)
	if !tags {
		out.Tags = []ecs.Tag{}
	}
	return out
}

type describeServicesInput struct {
	Cluster  string   `json:"cluster"`
	Services []string `json:"services"`
	Include  []string `json:"include"`
}

func describeServices(a *API, _ *http.Request, in *describeServicesInput) (any, error) {
	if len(in.Services) == 0 || len(in.Services) > 10 {
		return nil, ecs.InvalidParameter("Invalid 'services': 1 to 10 are allowed.")
	}
	var err error
	found, failures := []ecs.Service{}, []ecs.Failure{}
	a.Store.View(func(tx *state.Tx) {
		var c *state.Cluster
		if c, err = cluster(tx, in.Cluster); err != nil {
			return
		}
		for _, ref := range in.Services {
			if s, err := findService(tx, in.Cluster, ref); err == nil {
				found = append(found, serviceView(tx, s, include(in.Include, "TAGS")))
				continue
			}
			_, name, _ := ecs.LastPart("service", ref)
			failures = append(failures, ecs.Failure{Arn: a.Control.Names.Service(c.ClusterName, name), Reason: "MISSING"})
		}
	})
	return map[string]any{"services": found, "failures": failures}, err
}

type listServicesInput struct {
	paging
	Cluster            string `json:"cluster"`
	LaunchType         string `json:"launchType"`
	SchedulingStrategy string `json:"schedulingStrategy"`
}

func listServices(a *API, _ *http.Request, in *listServicesInput) (any, error) {
	var err error
	var name string
	var names []string
	a.Store.View(func(tx *state.Tx) {
		var c *state.Cluster
		if c, err = cluster(tx, in.Cluster); err != nil {
			return
		}
		name = c.ClusterName
		for _, s := range tx.Services.All() {
			if s.ClusterName == name && s.Status != ecs.Inactive && (in.LaunchType == "" || s.LaunchType == in.LaunchType) &&
				(in.SchedulingStrategy == "" || s.SchedulingStrategy == in.SchedulingStrategy) {
				names = append(names, s.ServiceName)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return in.list("serviceArns", names, func(n string) string { return a.Control.Names.Service(name, n) })
}

package api

import (
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/place"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

var serviceRule = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

type serviceInput struct {
	Cluster                     string                       `json:"cluster"`
	ServiceName                 string                       `json:"serviceName"` // CreateService
	Service                     string                       `json:"service"`     // UpdateService, DeleteService
	TaskDefinition              string                       `json:"taskDefinition"`
	DesiredCount                *int                         `json:"desiredCount"`
	LaunchType                  string                       `json:"launchType"`
	CapacityProviderStrategy    []json.RawMessage            `json:"capacityProviderStrategy"`
	SchedulingStrategy          string                       `json:"schedulingStrategy"`
	DeploymentConfiguration     *ecs.DeploymentConfiguration `json:"deploymentConfiguration"`
	DeploymentController        *ecs.DeploymentController    `json:"deploymentController"`
	PlacementConstraints        []ecs.PlacementConstraint    `json:"placementConstraints"`
	PlacementStrategy           []ecs.PlacementStrategy      `json:"placementStrategy"`
	NetworkConfiguration        *ecs.NetworkConfiguration    `json:"networkConfiguration"`
	LoadBalancers               []json.RawMessage            `json:"loadBalancers"`
	ServiceRegistries           []json.RawMessage            `json:"serviceRegistries"`
	ServiceConnectConfiguration json.RawMessage              `json:"serviceConnectConfiguration"`
	VolumeConfigurations        []json.RawMessage            `json:"volumeConfigurations"`
	Tags                        []ecs.Tag                    `json:"tags"`
	PropagateTags               string                       `json:"propagateTags"`
	EnableECSManagedTags        *bool                        `json:"enableECSManagedTags"`
	EnableExecuteCommand        *bool                        `json:"enableExecuteCommand"`
	ForceNewDeployment          bool                         `json:"forceNewDeployment"` // UpdateService
	Force                       bool                         `json:"force"`              // DeleteService
}

func (in *serviceInput) check() error {
	switch {
	case len(in.LoadBalancers) > 0:
		return ecs.Unsupported("local-ecs has no load balancers: leave 'loadBalancers' out.")
	case len(in.ServiceRegistries) > 0:
		return ecs.Unsupported("local-ecs has no service discovery: leave 'serviceRegistries' out.")
	case len(in.VolumeConfigurations) > 0:
		return ecs.Unsupported("local-ecs cannot attach EBS volumes: 'volumeConfigurations'.")
	case in.DeploymentController != nil && in.DeploymentController.Type != "ECS":
		return ecs.Unsupported("local-ecs has no 'deploymentController' of type %s; use ECS.", in.DeploymentController.Type)
	case in.DesiredCount != nil && *in.DesiredCount < 0:
		return ecs.InvalidParameter("Invalid 'desiredCount': %d is negative.", *in.DesiredCount)
	}
	var connect struct {
		Enabled bool `json:"enabled"`
	}
	if json.Unmarshal(in.ServiceConnectConfiguration, &connect) == nil && connect.Enabled {
		return ecs.Unsupported("local-ecs has no Service Connect: leave 'serviceConnectConfiguration' out.")
	}
	if d := in.DeploymentConfiguration; d != nil {
		if p := d.MinimumHealthyPercent; p != nil && (*p < 0 || *p > 100) {
			return ecs.InvalidParameter("Invalid 'deploymentConfiguration.minimumHealthyPercent': %d is not between 0 and 100.", *p)
		}
		if p := d.MaximumPercent; p != nil && *p < 100 {
			return ecs.InvalidParameter("Invalid 'deploymentConfiguration.maximumPercent': %d is less than 100.", *p)
		}
		if low, high := d.MinimumHealthyPercent, d.MaximumPercent; low != nil && high != nil && *low == 100 && *high == 100 {
			return ecs.InvalidParameter("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
		}
	}
	for _, err := range []error{
		oneOf("propagateTags", in.PropagateTags, "TASK_DEFINITION", "SERVICE", "NONE"),
		oneOf("schedulingStrategy", in.SchedulingStrategy, ecs.Replica, ecs.Daemon),
		checkTags(in.Tags),
		checkLaunchType(in.LaunchType, in.CapacityProviderStrategy),
		place.CheckStrategy(in.PlacementStrategy),
		new(place.Request).Constrain(in.PlacementConstraints),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func createService(a *API, _ *http.Request, in *serviceInput) (any, error) {
	if !serviceRule.MatchString(in.ServiceName) {
		return nil, ecs.InvalidParameter("Invalid 'serviceName': '%s'. Up to 255 letters, digits, hyphens and underscores are allowed.", in.ServiceName)
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	strategy := in.SchedulingStrategy
	if strategy == "" {
		strategy = ecs.Replica
	}
	if strategy == ecs.Replica && in.DesiredCount == nil {
		return nil, ecs.InvalidParameter("'desiredCount' is required for the REPLICA scheduling strategy.")
	}
	if strategy == ecs.Daemon && in.DesiredCount != nil {
		return nil, ecs.InvalidParameter("'desiredCount' must not be given for the DAEMON scheduling strategy.")
	}
	var out ecs.Service
	err := a.Store.Update(func(tx *state.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		key := state.ServiceKey(c.ClusterName, in.ServiceName)
		switch old := tx.Services.Get(key); {
		case old == nil || old.Status == ecs.Inactive:
		case old.Status == ecs.Draining:
			return ecs.InvalidParameter("Unable to Start a service that is still Draining.")
		default:
			return ecs.InvalidParameter("Creation of service was not idempotent.")
		}
		d, err := runnable(tx, in.TaskDefinition)
		if err != nil {
			return err
		}
		if err := checkNetwork(&d.TaskDefinition, in.NetworkConfiguration); err != nil {
			return err
		}
		s := a.newService(c, d, in, strategy)
		tx.Services.Put(key, s)
		out = serviceView(tx, s, true)
		return nil
	})
	if err == nil {
		a.Log.Info("service created", "service", in.ServiceName, "desired", out.DesiredCount)
	}
	return map[string]any{"service": out}, err
}

func (a *API) newService(c *state.Cluster, d *state.TaskDefinition, in *serviceInput, strategy string) *state.Service {
	s := &state.Service{ClusterName: c.ClusterName, Service: ecs.Service{
		ServiceArn:              a.Control.Names.Service(c.ClusterName, in.ServiceName),
		ServiceName:             in.ServiceName,
		ClusterArn:              c.ClusterArn,
		LoadBalancers:           []json.RawMessage{},
		ServiceRegistries:       []json.RawMessage{},
		Status:                  ecs.Active,
		LaunchType:              in.LaunchType,
		TaskDefinition:          d.TaskDefinitionArn,
		NetworkConfiguration:    in.NetworkConfiguration,
		DeploymentConfiguration: deploymentConfiguration(in.DeploymentConfiguration, strategy),
		Events:                  []ecs.ServiceEvent{},
		CreatedAt:               ecs.At(a.Control.Now()),
		PlacementConstraints:    nonNil(in.PlacementConstraints),
		PlacementStrategy:       nonNil(in.PlacementStrategy),
		SchedulingStrategy:      strategy,
		DeploymentController:    &ecs.DeploymentController{Type: "ECS"},
		Tags:                    nonNil(in.Tags),
		CreatedBy:               "arn:" + a.Control.Names.Partition + ":iam::" + a.Control.Names.Account + ":root",
		PropagateTags:           in.PropagateTags,
	}}
	if s.PropagateTags == "" {
		s.PropagateTags = "NONE"
	}
	setIf(&s.DesiredCount, in.DesiredCount)
	setIf(&s.EnableECSManagedTags, in.EnableECSManagedTags)
	setIf(&s.EnableExecuteCommand, in.EnableExecuteCommand)
	a.deploy(s)
	return s
}

func setIf[T any](dst *T, src *T) {
	if src != nil {
		*dst = *src
	}
}

// findService finds a service by name or ARN: ServiceNotFoundException.
func findService(tx *state.Tx, clusterRef, ref string) (*state.Service, error) {
	c, err := cluster(tx, clusterRef)
	if err != nil {
		return nil, err
	}
	_, name, ok := ecs.LastPart("service", ref)
	s := tx.Services.Get(state.ServiceKey(c.ClusterName, name))
	if !ok || s == nil {
		return nil, ecs.ServiceNotFound()
	}
	return s, nil
}

func updateService(a *API, _ *http.Request, in *serviceInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var out ecs.Service
	err := a.Store.Update(func(tx *state.Tx) error {
		s, err := findService(tx, in.Cluster, in.Service)
		if err != nil {
			return err
		}
		if s.Status != ecs.Active {
			return ecs.Errorf("ServiceNotActiveException", "Service was not ACTIVE.")
		}
		if in.DesiredCount != nil && s.SchedulingStrategy == ecs.Daemon {
			return ecs.InvalidParameter("'desiredCount' must not be given for the DAEMON scheduling strategy.")
		}
		s = s.Clone()
		again := in.ForceNewDeployment
		if in.TaskDefinition != "" {
			d, err := runnable(tx, in.TaskDefinition)
			if err != nil {
				return err
			}
			again = again || d.TaskDefinitionArn != s.TaskDefinition
			s.TaskDefinition = d.TaskDefinitionArn
		}
		if in.NetworkConfiguration != nil {
			s.NetworkConfiguration, again = in.NetworkConfiguration, true
		}
		if err := checkNetwork(&control.Definition(tx, s.TaskDefinition).TaskDefinition, s.NetworkConfiguration); err != nil {
			return err
		}
		setIf(&s.DesiredCount, in.DesiredCount)
		setIf(&s.EnableECSManagedTags, in.EnableECSManagedTags)
		setIf(&s.EnableExecuteCommand, in.EnableExecuteCommand)
		if in.DeploymentConfiguration != nil {
			s.DeploymentConfiguration = deploymentConfiguration(in.DeploymentConfiguration, s.SchedulingStrategy)
		}
		if in.PlacementConstraints != nil {
			s.PlacementConstraints = in.PlacementConstraints
		}
		if in.PlacementStrategy != nil {
			s.PlacementStrategy = in.PlacementStrategy
		}
		if in.PropagateTags != "" {
			s.PropagateTags = in.PropagateTags
		}
		if again {
			a.deploy(s)
		}
		tx.Services.Put(state.ServiceKey(s.ClusterName, s.ServiceName), s)
		out = serviceView(tx, s, true)
		return nil
	})
	return map[string]any{"service": out}, err
}

func deleteService(a *API, _ *http.Request, in *serviceInput) (any, error) {
	var out ecs.Service
	err := a.Store.Update(func(tx *state.Tx) error {
		s, err := findService(tx, in.Cluster, in.Service)
		if err != nil {
			return err
		}
		if s.Status == ecs.Inactive {
			return ecs.ServiceNotFound()
		}
		if s.DesiredCount > 0 && !in.Force && s.SchedulingStrategy == ecs.Replica {
			return ecs.InvalidParameter("The service cannot be stopped while it is scaled above 0. Set 'desiredCount' to 0 or use 'force'.")
		}
		s = s.Clone()
		s.Status, s.DesiredCount, s.Steady = ecs.Draining, 0, false
		tx.Services.Put(state.ServiceKey(s.ClusterName, s.ServiceName), s)
		out = serviceView(tx, s, true)
		return nil
	})
	if err == nil {
		a.Log.Info("service to be deleted", "service", out.ServiceName)
	}
	return map[string]any{"service": out}, err
}

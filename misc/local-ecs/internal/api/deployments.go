package api

import (
	"crypto/rand"
	"math/big"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// deploymentConfiguration fills in the defaults of the scheduling strategy.
func deploymentConfiguration(given *ecs.DeploymentConfiguration, strategy string) *ecs.DeploymentConfiguration {
	out := ecs.DeploymentConfiguration{MinimumHealthyPercent: new(100), MaximumPercent: new(200), Strategy: "ROLLING"}
	if strategy == ecs.Daemon {
		out.MinimumHealthyPercent, out.MaximumPercent = new(0), new(100)
	}
	if given != nil {
		if given.MinimumHealthyPercent != nil {
			out.MinimumHealthyPercent = given.MinimumHealthyPercent
		}
		if given.MaximumPercent != nil {
			out.MaximumPercent = given.MaximumPercent
		}
		out.DeploymentCircuitBreaker = given.DeploymentCircuitBreaker
	}
	return &out
}

// deploy makes a new primary deployment of the service's definition; the one before goes on until its tasks are gone.
func (a *API) deploy(s *state.Service) {
	for i := range s.Deployments {
		s.Deployments[i].Status = ecs.Active
	}
	now := ecs.At(a.Control.Now())
	n, err := rand.Int(rand.Reader, big.NewInt(9e18))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	d := ecs.Deployment{
		ID:                 "ecs-svc/" + n.String(),
		Status:             "PRIMARY",
		TaskDefinition:     s.TaskDefinition,
		CreatedAt:          now,
		UpdatedAt:          now,
		LaunchType:         s.LaunchType,
		RolloutState:       "IN_PROGRESS",
		RolloutStateReason: "ECS deployment ecs-svc/" + n.String() + " in progress.",
	}
	s.Deployments = append([]ecs.Deployment{d}, s.Deployments...)
	s.Steady = false
}

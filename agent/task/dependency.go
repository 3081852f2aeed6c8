package task

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Condition is what a container waits for in another one (ECS ContainerDependency).
type Condition string

// Conditions of dependsOn. CREATE is not in the ECS API: volumesFrom adds it.
const (
	ConditionCreate   Condition = "CREATE"
	ConditionStart    Condition = "START"
	ConditionComplete Condition = "COMPLETE"
	ConditionSuccess  Condition = "SUCCESS"
	ConditionHealthy  Condition = "HEALTHY"
)

// Dependency is one entry of dependsOn.
type Dependency struct {
	Container string    `json:"containerName"`
	Condition Condition `json:"condition"`
}

// TransitionSet says, per step (named by the status it leads to), what must have happened elsewhere in the task first.
type TransitionSet map[ContainerStatus]Requirements

// Requirements of one step.
type Requirements struct {
	Containers []ContainerRequirement `json:"ContainerDependencies"`
	Resources  []ResourceRequirement  `json:"ResourceDependencies"`
}

// ContainerRequirement is satisfied when the named container's known status is at least Status.
type ContainerRequirement struct {
	Container string          `json:"ContainerName"`
	Status    ContainerStatus `json:"SatisfiedStatus"`
}

// ResourceRequirement is satisfied when the named resource's known status is at least Status. Saved as a number.
type ResourceRequirement struct {
	Name   string `json:"Name"`
	Status int    `json:"RequiredStatus"`
}

// Require adds a requirement on a resource for the step that leads to status. It copies what it changes.
func (s TransitionSet) Require(step ContainerStatus, r ResourceRequirement) TransitionSet {
	out := s.copied()
	req := out[step]
	req.Resources = append(slices.Clone(req.Resources), r)
	out[step] = req
	return out
}

// RequireContainer is Require for another container of the task.
func (s TransitionSet) RequireContainer(step ContainerStatus, r ContainerRequirement) TransitionSet {
	out := s.copied()
	req := out[step]
	req.Containers = append(slices.Clone(req.Containers), r)
	out[step] = req
	return out
}

func (s TransitionSet) copied() TransitionSet {
	out := make(TransitionSet, len(s)+1)
	maps.Copy(out, s)
	return out
}

// UnmarshalJSON reads the present form (steps as words or legacy integers), and the oldest one: a single object whose
// entries carry the step themselves ("DependentStatus").
func (s *TransitionSet) UnmarshalJSON(data []byte) error {
	var probe map[string]json.RawMessage
	if err := json.Unmarshal(data, &probe); err != nil {
		return fmt.Errorf("transition dependencies: %w", err)
	}
	_, oldContainers := probe["ContainerDependencies"]
	_, oldResources := probe["ResourceDependencies"]
	if !oldContainers && !oldResources {
		var plain map[ContainerStatus]Requirements
		if err := json.Unmarshal(data, &plain); err != nil {
			return fmt.Errorf("transition dependencies: %w", err)
		}
		*s = plain
		return nil
	}
	var old struct {
		ContainerDependencies []struct {
			ContainerRequirement
			DependentStatus ContainerStatus
		}
		ResourceDependencies []struct {
			ResourceRequirement
			DependentStatus ContainerStatus
		}
	}
	if err := json.Unmarshal(data, &old); err != nil {
		return fmt.Errorf("transition dependencies: %w", err)
	}
	set := TransitionSet{}
	for _, d := range old.ContainerDependencies {
		req := set[d.DependentStatus]
		req.Containers = append(req.Containers, d.ContainerRequirement)
		set[d.DependentStatus] = req
	}
	for _, d := range old.ResourceDependencies {
		req := set[d.DependentStatus]
		req.Resources = append(req.Resources, d.ResourceRequirement)
		set[d.DependentStatus] = req
	}
	*s = set
	return nil
}

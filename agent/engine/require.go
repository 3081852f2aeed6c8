package engine

import (
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// requireResources makes a container wait for the resources of its task, each at the step that cannot do without it.
func requireResources(t *task.Task, c *task.Container) {
	for i := range t.Resources {
		for _, step := range stepsWaitingFor(t, c, &t.Resources[i]) {
			c.Transitions = c.Transitions.Require(step, task.ResourceRequirement{Name: t.Resources[i].Name, Status: int(task.ResourceCreated)})
		}
	}
}

// stepsWaitingFor are the steps of a container of the task definition that need r to be there.
func stepsWaitingFor(t *task.Task, c *task.Container, r *task.Resource) []task.ContainerStatus {
	var step task.ContainerStatus
	needed := false
	switch r.Kind {
	case task.ResourceCgroup:
		step, needed = task.ContainerPulled, true
	case task.ResourceDockerVolume:
		step, needed = task.ContainerPulled, slices.ContainsFunc(c.MountPoints, func(m task.MountPoint) bool { return m.SourceVolume == r.Name })
	case task.ResourceRegistryAuth:
		if c.RegistryAuth != nil && c.RegistryAuth.Type == task.RegistryASM {
			return []task.ContainerStatus{task.ContainerManifestPulled, task.ContainerPulled}
		}
	case task.ResourceSSMSecrets:
		step, needed = task.ContainerCreated, needsSecrets(t, c, task.ProviderSSM)
	case task.ResourceASMSecrets:
		step, needed = task.ContainerCreated, needsSecrets(t, c, task.ProviderASM)
	case task.ResourceEnvFiles:
		step, needed = task.ContainerCreated, r.Name == task.EnvFilesName(c.Name)
	case task.ResourceFirelens:
		step, needed = task.ContainerCreated, c.Firelens != nil
	}
	if !needed {
		return nil
	}
	return []task.ContainerStatus{step}
}

// needsSecrets reports whether a container is created with secrets of a provider: its own, or, being the log router, those
// in the log options of the containers that send it their logs.
func needsSecrets(t *task.Task, c *task.Container, provider string) bool {
	of := func(s task.Secret) bool { return s.Provider == provider }
	if slices.ContainsFunc(c.Secrets, of) {
		return true
	}
	return c.Firelens != nil && slices.ContainsFunc(t.Containers, func(other *task.Container) bool {
		return other.SendsToLogRouter() && slices.ContainsFunc(other.Secrets, func(s task.Secret) bool { return of(s) && s.ForLogDriver() })
	})
}

// orderByLogRouter starts the log router before the containers that send it their logs, unless the task definition has an
// opinion: dependencies of the router itself, or of such a container on it.
func orderByLogRouter(t *task.Task) {
	at := slices.IndexFunc(t.Containers, func(c *task.Container) bool { return c.Firelens != nil })
	if at < 0 {
		return
	}
	router := t.Containers[at]
	if len(router.DependsOn) > 0 {
		logger.Warn("The log router depends on other containers; they may start before it and lose logs", logger.F("taskARN", t.ARN), logger.F("containerName", router.Name))
		return
	}
	for i, c := range t.Containers {
		if i != at && c.SendsToLogRouter() && !dependsOn(c, router.Name) {
			addDependency(t.Edit(i), router.Name, task.ConditionStart)
		}
	}
}

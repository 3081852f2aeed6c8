package acs

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// container converts one container, without its overrides.
func container(w *wireContainer) (*task.Container, error) {
	c := &task.Container{
		Name:             w.Name,
		Image:            w.Image,
		ARN:              w.ARN,
		Essential:        w.Essential,
		Command:          orNil(w.Command),
		EntryPoint:       orNil(w.EntryPoint),
		Environment:      w.Environment,
		Links:            w.Links,
		DockerConfig:     task.DockerConfig(w.DockerConfig),
		HealthCheckType:  w.HealthCheckType,
		LogsAuthStrategy: w.LogsAuthStrategy,
		CredentialSpecs:  w.CredentialSpecs,
	}
	for _, n := range []struct {
		to    *uint
		name  string
		value int64
	}{
		{&c.CPU, "cpu", w.CPU}, {&c.Memory, "memory", w.Memory},
		{&c.StartTimeout, "startTimeout", w.StartTimeout}, {&c.StopTimeout, "stopTimeout", w.StopTimeout},
	} {
		if n.value < 0 {
			return nil, fmt.Errorf("container %q: %s is negative: %d", w.Name, n.name, n.value)
		}
		*n.to = uint(n.value)
	}
	for _, f := range w.EnvironmentFiles {
		c.EnvironmentFiles = append(c.EnvironmentFiles, task.EnvironmentFile(f))
	}
	for _, m := range w.MountPoints {
		c.MountPoints = append(c.MountPoints, task.MountPoint(m))
	}
	for _, v := range w.VolumesFrom {
		c.VolumesFrom = append(c.VolumesFrom, task.VolumeFrom(v))
	}
	for _, s := range w.Secrets {
		c.Secrets = append(c.Secrets, task.Secret{
			Name: s.Name, ValueFrom: s.ValueFrom, Region: s.Region, ContainerPath: s.ContainerPath,
			Type: s.Type, Provider: s.Provider, Target: s.Target,
		})
	}
	for _, d := range w.DependsOn {
		c.DependsOn = append(c.DependsOn, task.Dependency{Container: d.ContainerName, Condition: task.Condition(d.Condition)})
	}
	for _, a := range w.ManagedAgents {
		c.ManagedAgents = append(c.ManagedAgents, task.ManagedAgent{Name: a.Name, Properties: a.Properties})
	}
	if f := w.Firelens; f != nil {
		c.Firelens = &task.FirelensConfig{Type: f.Type, Options: f.Options}
	}
	if r := w.RestartPolicy; r != nil {
		c.RestartPolicy = &task.RestartPolicy{Enabled: r.Enabled, IgnoredExitCodes: r.IgnoredExitCodes, AttemptPeriod: r.AttemptPeriod}
	}
	c.RegistryAuth = registryAuth(w)
	var err error
	c.Ports, err = portMappings(w)
	return c, err
}

// orNil makes an empty list absent.
func orNil(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

func portMappings(w *wireContainer) ([]task.PortMapping, error) {
	var out []task.PortMapping
	for _, p := range w.PortMappings {
		protocol, err := task.ParseProtocol(p.Protocol)
		if err != nil {
			return nil, err
		}
		for _, port := range []int64{p.ContainerPort, p.HostPort} {
			if port < 0 || port > math.MaxUint16 {
				return nil, fmt.Errorf("container %q: port %d is not in the range 0 to 65535", w.Name, port)
			}
		}
		out = append(out, task.PortMapping{
			ContainerPort: uint16(p.ContainerPort), HostPort: uint16(p.HostPort),
			ContainerPortRange: p.ContainerPortRange, Protocol: protocol,
		})
	}
	return out, nil
}

func registryAuth(w *wireContainer) *task.RegistryAuth {
	r := w.RegistryAuthentication
	if r == nil {
		return nil
	}
	out := &task.RegistryAuth{Type: r.Type}
	if r.ECR != nil {
		out.ECR = &task.ECRAuthData{
			RegistryID: r.ECR.RegistryID, Region: r.ECR.Region,
			EndpointOverride: r.ECR.EndpointOverride, UseExecutionRole: r.ECR.UseExecutionRole,
		}
	}
	if r.ASM != nil {
		out.ASM = &task.ASMAuthData{CredentialsParameter: r.ASM.CredentialsParameter, Region: r.ASM.Region}
	}
	return out
}

// override applies the overrides of a container, an object in a string. The only thing that may be overridden at this point
// is the command, also by an empty one: ECS applies everything else before it sends the task.
func override(c *task.Container, overrides *string) error {
	if overrides == nil {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(*overrides), &members); err != nil {
		return fmt.Errorf("container %q: overrides are not a JSON object: %w", c.Name, err)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !strings.EqualFold(name, "command") {
			return fmt.Errorf("container %q: error unmarshalling overrides: Unrecognized key: %s", c.Name, name)
		}
		value := members[name]
		var command *[]string
		if err := json.Unmarshal(value, &command); err != nil {
			return fmt.Errorf("container %q: overrides: command: %w", c.Name, err)
		}
		if command != nil {
			c.Overrides.Command, c.Command = command, *command
		}
	}
	return nil
}

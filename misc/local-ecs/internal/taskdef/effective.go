package taskdef

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

var ecrRule = regexp.MustCompile(`^([0-9]{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.(?:aws|amazonwebservices\.com\.cn))/`)

// ECR is the registry of an ECR image name.
type ECR struct{ Account, Region string }

// ParseECR tells whether an image is in ECR, and where.
func ParseECR(image string) (ECR, bool) {
	m := ecrRule.FindStringSubmatch(image)
	if m == nil {
		return ECR{}, false
	}
	return ECR{m[1], m[2]}, true
}

// CheckOverride refuses an override that does not fit the definition: InvalidParameterException.
func CheckOverride(d *ecs.TaskDefinition, o *ecs.TaskOverride) error {
	if o == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, c := range o.ContainerOverrides {
		known := slices.ContainsFunc(d.ContainerDefinitions, func(def ecs.ContainerDefinition) bool { return def.Name == c.Name })
		switch {
		case c.Name == "":
			return ecs.InvalidParameter("Container name must be set in 'overrides.containerOverrides'.")
		case !known:
			return ecs.InvalidParameter("Override for container named %s is not a container in the TaskDefinition.", c.Name)
		case seen[c.Name]:
			return ecs.InvalidParameter("Container %s has more than one entry in 'overrides.containerOverrides'.", c.Name)
		case c.CPU != nil && *c.CPU < 0:
			return ecs.InvalidParameter("Invalid 'cpu' override for container %s: %d is negative.", c.Name, *c.CPU)
		case c.Memory != nil && *c.Memory < minMemory:
			return ecs.InvalidParameter("Invalid 'memory' override for container %s: %d MiB is less than %d MiB.", c.Name, *c.Memory, minMemory)
		case c.MemoryReservation != nil && *c.MemoryReservation < minMemory:
			return ecs.InvalidParameter("Invalid 'memoryReservation' override for container %s: %d MiB is less than %d MiB.", c.Name, *c.MemoryReservation, minMemory)
		}
		seen[c.Name] = true
	}
	for _, err := range []error{second(ParseCPU(o.CPU)), second(ParseMemory(o.Memory))} {
		if err != nil {
			return ecs.InvalidParameter("%s", err.(*ecs.Error).Message)
		}
	}
	return nil
}

func second[T any](_ T, err error) error { return err }

// Effective returns the definition with everything of the override applied but commands: those travel to the agent as
// container overrides of their own.
func Effective(d *ecs.TaskDefinition, o *ecs.TaskOverride) *ecs.TaskDefinition {
	if o == nil {
		return d
	}
	e := *d
	e.TaskRoleArn = first(o.TaskRoleArn, e.TaskRoleArn)
	e.ExecutionRoleArn = first(o.ExecutionRoleArn, e.ExecutionRoleArn)
	if n, _ := ParseCPU(o.CPU); n > 0 {
		e.CPU = strconv.Itoa(n)
	}
	if n, _ := ParseMemory(o.Memory); n > 0 {
		e.Memory = strconv.Itoa(n)
	}
	e.ContainerDefinitions = slices.Clone(d.ContainerDefinitions)
	for _, co := range o.ContainerOverrides {
		for i := range e.ContainerDefinitions {
			if c := &e.ContainerDefinitions[i]; c.Name == co.Name {
				overrideContainer(c, &co)
			}
		}
	}
	return &e
}

func overrideContainer(c *ecs.ContainerDefinition, o *ecs.ContainerOverride) {
	c.Environment = slices.Clone(c.Environment)
	for _, kv := range o.Environment {
		i := slices.IndexFunc(c.Environment, func(have ecs.KeyValue) bool { return have.Name == kv.Name })
		if i < 0 {
			c.Environment = append(c.Environment, kv)
		} else {
			c.Environment[i] = kv
		}
	}
	if o.EnvironmentFiles != nil {
		c.EnvironmentFiles = o.EnvironmentFiles
	}
	if o.CPU != nil {
		c.CPU = *o.CPU
	}
	if o.Memory != nil {
		c.Memory = o.Memory
	}
	if o.MemoryReservation != nil {
		c.MemoryReservation = o.MemoryReservation
	}
	if o.ResourceRequirements != nil {
		c.ResourceRequirements = o.ResourceRequirements
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Demand returns what a task of an effective definition takes from its instance. Task-level sizes win over the sum of
// the containers; dynamic host ports count once they are known.
func Demand(d *ecs.TaskDefinition) ecs.Demand {
	var out ecs.Demand
	for i := range d.ContainerDefinitions {
		c := &d.ContainerDefinitions[i]
		out.CPU += c.CPU
		out.Memory += reservation(c)
		out.GPUs += GPUs(c)
		for _, p := range c.PortMappings {
			if p.HostPort == nil || *p.HostPort == 0 || d.NetworkMode == "awsvpc" || d.NetworkMode == "none" {
				continue
			}
			if p.Protocol == "udp" {
				out.UDPPorts = append(out.UDPPorts, *p.HostPort)
			} else {
				out.TCPPorts = append(out.TCPPorts, *p.HostPort)
			}
		}
	}
	if n, _ := ParseCPU(d.CPU); n > 0 {
		out.CPU = n
	}
	if n, _ := ParseMemory(d.Memory); n > 0 {
		out.Memory = n
	}
	return out
}

// GPUs returns the number of GPUs a container asks for.
func GPUs(c *ecs.ContainerDefinition) int {
	n := 0
	for _, r := range c.ResourceRequirements {
		if v, err := strconv.Atoi(r.Value); err == nil && r.Type == "GPU" {
			n += v
		}
	}
	return n
}

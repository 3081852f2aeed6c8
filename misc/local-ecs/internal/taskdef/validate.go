// Package taskdef holds the rules of task definitions: what is valid, which defaults the service fills in, what an
// override changes, which attributes an instance must have and how much it must have free.
package taskdef

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/query"
)

var nameRule = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

const maxContainers = 10

// Validate reports the first thing the service would refuse in a definition to register: a ClientException that names
// the field and the container.
func Validate(d *ecs.TaskDefinition) error {
	v := &validator{def: d, hostPorts: map[string]bool{}}
	for _, check := range []func() error{v.task, v.volumes, v.containers, v.dependencies} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

type validator struct {
	def       *ecs.TaskDefinition
	hostPorts map[string]bool // "80/tcp": seen so far
}

func oneOf(field, value string, allowed ...string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return ecs.Client("Invalid '%s' setting: '%s'. Valid values: %s.", field, value, strings.Join(allowed, ", "))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *validator) task() error {
	d := v.def
	switch {
	case d.Family == "":
		return ecs.Client("family should not be null or empty.")
	case !nameRule.MatchString(d.Family):
		return ecs.Client("Family contains invalid characters. 'family' may have up to 255 letters, digits, underscores and hyphens.")
	case len(d.ContainerDefinitions) == 0:
		return ecs.Client("Container list cannot be empty. 'containerDefinitions' needs at least one container.")
	case len(d.ContainerDefinitions) > maxContainers:
		return ecs.Client("Too many containers: 'containerDefinitions' has %d, the limit is %d.", len(d.ContainerDefinitions), maxContainers)
	}
	err := firstError(
		oneOf("networkMode", d.NetworkMode, "bridge", "host", "awsvpc", "none"),
		oneOf("pidMode", d.PidMode, "host", "task"),
		oneOf("ipcMode", d.IpcMode, "host", "task", "none"),
	)
	if err != nil {
		return err
	}
	for _, c := range d.RequiresCompatibilities {
		if err := oneOf("requiresCompatibilities", c, "EC2", "EXTERNAL", "FARGATE", "MANAGED_INSTANCES"); err != nil {
			return err
		}
	}
	if slices.Contains(d.RequiresCompatibilities, "FARGATE") {
		if d.NetworkMode != "awsvpc" {
			return ecs.Client("Fargate only supports network mode 'awsvpc'. 'networkMode' is '%s'.", d.NetworkMode)
		}
		if d.CPU == "" || d.Memory == "" {
			return ecs.Client("Fargate requires that 'cpu' and 'memory' be defined at the task level.")
		}
	}
	if _, err := ParseCPU(d.CPU); err != nil {
		return err
	}
	if _, err := ParseMemory(d.Memory); err != nil {
		return err
	}
	for _, c := range d.PlacementConstraints {
		if c.Type != "memberOf" {
			return ecs.Client("Invalid 'placementConstraints' type '%s'. A task definition supports memberOf only.", c.Type)
		}
		if _, err := query.Parse(c.Expression); err != nil || c.Expression == "" {
			return ecs.Client("Invalid expression in 'placementConstraints': '%s'. %s", c.Expression, errText(err))
		}
	}
	if p := d.ProxyConfiguration; p != nil {
		if err := oneOf("proxyConfiguration.type", p.Type, "APPMESH"); err != nil {
			return err
		}
		if v.container(p.ContainerName) == nil {
			return ecs.Client("Invalid 'proxyConfiguration.containerName': there is no container '%s'.", p.ContainerName)
		}
	}
	return nil
}

func errText(err error) string {
	if err == nil {
		return "It must not be empty."
	}
	return strings.ToUpper(err.Error()[:1]) + err.Error()[1:] + "."
}

func (v *validator) container(name string) *ecs.ContainerDefinition {
	for i := range v.def.ContainerDefinitions {
		if v.def.ContainerDefinitions[i].Name == name {
			return &v.def.ContainerDefinitions[i]
		}
	}
	return nil
}

func (v *validator) volumes() error {
	seen := map[string]bool{}
	for _, vol := range v.def.Volumes {
		switch {
		case vol.Name == "":
			return ecs.Client("Volume.name should not be null or empty in 'volumes'.")
		case !nameRule.MatchString(vol.Name):
			return ecs.Client("Volume.name contains invalid characters: '%s'.", vol.Name)
		case seen[vol.Name]:
			return ecs.Client("Duplicate volume name '%s' in 'volumes'.", vol.Name)
		}
		seen[vol.Name] = true
		kinds := 0
		for _, set := range []bool{vol.Host != nil, vol.DockerVolumeConfiguration != nil, vol.EFSVolumeConfiguration != nil,
			vol.S3FilesVolumeConfiguration != nil, vol.FSxWindowsFileServerVolumeConfiguraton != nil} {
			if set {
				kinds++
			}
		}
		if kinds > 1 {
			return ecs.Client("Volume '%s' has more than one configuration; only one of host, dockerVolumeConfiguration, efsVolumeConfiguration … may be given.", vol.Name)
		}
		if dv := vol.DockerVolumeConfiguration; dv != nil {
			if err := oneOf("dockerVolumeConfiguration.scope", dv.Scope, "task", "shared"); err != nil {
				return err
			}
			if dv.Autoprovision != nil && dv.Scope != "shared" {
				return ecs.Client("Volume '%s': 'autoprovision' is only valid with scope 'shared'.", vol.Name)
			}
		}
		if e := vol.EFSVolumeConfiguration; e != nil {
			if e.FileSystemID == "" {
				return ecs.Client("Volume '%s': 'efsVolumeConfiguration.fileSystemId' should not be null or empty.", vol.Name)
			}
			if err := oneOf("transitEncryption", e.TransitEncryption, "ENABLED", "DISABLED"); err != nil {
				return err
			}
			if a := e.AuthorizationConfig; a != nil && e.TransitEncryption != "ENABLED" && (a.IAM == "ENABLED" || a.AccessPointID != "") {
				return ecs.Client("Volume '%s': 'transitEncryption' must be ENABLED when 'authorizationConfig' is used.", vol.Name)
			}
		}
	}
	return nil
}

func (v *validator) containers() error {
	seen := map[string]bool{}
	essential := false
	taskMemory, _ := ParseMemory(v.def.Memory)
	total := 0
	for i := range v.def.ContainerDefinitions {
		c := &v.def.ContainerDefinitions[i]
		switch {
		case c.Name == "":
			return ecs.Client("Container.name should not be null or empty.")
		case !nameRule.MatchString(c.Name):
			return ecs.Client("Container.name contains invalid characters: '%s'.", c.Name)
		case seen[c.Name]:
			return ecs.Client("Container.name must be unique: '%s' is used more than once in 'containerDefinitions'.", c.Name)
		}
		seen[c.Name] = true
		essential = essential || c.IsEssential()
		if err := v.containerFields(c); err != nil {
			return err
		}
		total += reservation(c)
	}
	if !essential {
		return ecs.Client("A task definition must have at least one essential container: 'essential' is false for all of them.")
	}
	if taskMemory > 0 && total > taskMemory {
		return ecs.Client("The total of container memory (%d MiB) must not be greater than the task's 'memory' (%d MiB).", total, taskMemory)
	}
	return nil
}

// reservation returns the MiB a container is placed by: memoryReservation when given, else memory.
func reservation(c *ecs.ContainerDefinition) int {
	if c.MemoryReservation != nil {
		return *c.MemoryReservation
	}
	if c.Memory != nil {
		return *c.Memory
	}
	return 0
}

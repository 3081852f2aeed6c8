package taskdef

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

// Complete fills in what the service adds to a valid definition when it is registered.
func Complete(d *ecs.TaskDefinition) {
	d.Status = ecs.Active
	d.Volumes = nonNil(d.Volumes)
	d.PlacementConstraints = nonNil(d.PlacementConstraints)
	if n, _ := ParseCPU(d.CPU); n > 0 {
		d.CPU = strconv.Itoa(n)
	}
	if n, _ := ParseMemory(d.Memory); n > 0 {
		d.Memory = strconv.Itoa(n)
	}
	for i := range d.ContainerDefinitions {
		c := &d.ContainerDefinitions[i]
		c.Essential = new(c.IsEssential())
		c.PortMappings = nonNil(c.PortMappings)
		c.Environment = nonNil(c.Environment)
		c.MountPoints = nonNil(c.MountPoints)
		c.VolumesFrom = nonNil(c.VolumesFrom)
		c.SystemControls = nonNil(c.SystemControls)
		for j := range c.PortMappings {
			completePort(&c.PortMappings[j], d.NetworkMode)
		}
		if h := c.HealthCheck; h != nil {
			h.Interval, h.Timeout, h.Retries = orElse(h.Interval, 30), orElse(h.Timeout, 5), orElse(h.Retries, 3)
		}
	}
	for i := range d.Volumes {
		if v := d.Volumes[i].DockerVolumeConfiguration; v != nil && v.Scope == "" {
			v.Scope = "task"
		}
	}
	d.Compatibilities = []string{"EXTERNAL", "EC2"}
	if d.NetworkMode == "awsvpc" {
		d.Compatibilities = []string{"EC2", "FARGATE"}
	}
	d.RequiresAttributes = Attributes(d)
}

func completePort(p *ecs.PortMapping, mode string) {
	if p.Protocol == "" {
		p.Protocol = "tcp"
	}
	if p.ContainerPortRange != "" {
		return
	}
	if mode == "host" || mode == "awsvpc" {
		p.HostPort = new(*p.ContainerPort)
	} else {
		p.HostPort = orElse(p.HostPort, 0)
	}
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func orElse(n *int, d int) *int {
	if n == nil {
		return new(d)
	}
	return n
}

const (
	classic = "com.amazonaws.ecs.capability."
	modern  = "ecs.capability."
)

// Attributes returns the instance attributes a definition needs, in order of their names.
func Attributes(d *ecs.TaskDefinition) []ecs.Attribute {
	need := map[string]bool{classic + "docker-remote-api.1." + strconv.Itoa(minimumAPI(d)): true}
	add := func(names ...string) {
		for _, n := range names {
			need[n] = true
		}
	}
	if d.TaskRoleArn != "" {
		add(classic + "task-iam-role")
		if d.NetworkMode == "host" {
			add(classic + "task-iam-role-network-host")
		}
	}
	if d.CPU != "" || d.Memory != "" {
		add(modern + "task-cpu-mem-limit")
	}
	if d.NetworkMode == "awsvpc" {
		add(modern + "task-eni")
	}
	if d.PidMode != "" || d.IpcMode != "" {
		add(modern + "pid-ipc-namespace-sharing")
	}
	if d.ProxyConfiguration != nil {
		add(modern + "aws-appmesh")
	}
	if d.EnableFaultInjection {
		add(modern + "fault-injection")
	}
	for i := range d.Volumes {
		v := &d.Volumes[i]
		if dv := v.DockerVolumeConfiguration; dv != nil {
			driver := dv.Driver
			if driver == "" {
				driver = "local"
			}
			add(modern + "docker-plugin." + strings.ReplaceAll(driver, ":", "."))
		}
		if e := v.EFSVolumeConfiguration; e != nil {
			add(modern + "efs")
			if e.TransitEncryption == "ENABLED" || e.AuthorizationConfig != nil {
				add(modern + "efsAuth")
			}
		}
		if v.S3FilesVolumeConfiguration != nil {
			add(modern + "storage.s3-files")
		}
		if v.FSxWindowsFileServerVolumeConfiguraton != nil {
			add(modern + "fsxWindowsFileServer")
		}
	}
	for i := range d.ContainerDefinitions {
		containerAttributes(d, &d.ContainerDefinitions[i], add)
	}
	out := make([]ecs.Attribute, 0, len(need))
	for _, n := range slices.Sorted(maps.Keys(need)) {
		out = append(out, ecs.Attribute{Name: n})
	}
	return out
}

func containerAttributes(d *ecs.TaskDefinition, c *ecs.ContainerDefinition, add func(...string)) {
	if c.Privileged {
		add(classic + "privileged-container")
	}
	if c.HealthCheck != nil {
		add(modern + "container-health-check")
	}
	if len(c.DependsOn) > 0 || c.StartTimeout != nil || c.StopTimeout != nil {
		add(modern + "container-ordering")
	}
	if c.RestartPolicy != nil {
		add(modern + "container-restart-policy")
	}
	if len(c.EnvironmentFiles) > 0 {
		add(modern + "env-files.s3")
	}
	if c.RepositoryCredentials != nil {
		add(modern + "private-registry-authentication.secretsmanager")
	}
	if _, ok := ParseECR(c.Image); ok {
		add(classic + "ecr-auth")
		if d.ExecutionRoleArn != "" {
			add(modern + "execution-role-ecr-pull")
		}
	}
	for _, p := range c.PortMappings {
		if p.ContainerPortRange != "" {
			add(modern + "network.container-port-range")
		}
	}
	for _, s := range c.Secrets {
		add(modern + "secrets." + SecretProvider(s.ValueFrom) + ".environment-variables")
	}
	for _, s := range c.CredentialSpecs {
		if strings.HasPrefix(s, "credentialspecdomainless:") {
			add(modern + "gmsa-domainless")
		} else {
			add(modern + "gmsa")
		}
	}
	if f := c.FirelensConfiguration; f != nil {
		add(modern + "firelens." + f.Type)
		if t := f.Options["config-file-type"]; t != "" {
			add(modern + "firelens.options.config." + t)
		}
	}
	if l := c.LogConfiguration; l != nil {
		add(classic + "logging-driver." + l.LogDriver)
		if l.LogDriver == "awslogs" && d.ExecutionRoleArn != "" {
			add(modern + "execution-role-awslogs")
		}
		if l.Options["log-driver-buffer-limit"] != "" {
			add(modern + "logging-driver.awsfirelens.log-driver-buffer-limit")
		}
		for _, s := range l.SecretOptions {
			add(modern + "secrets." + SecretProvider(s.ValueFrom) + ".bootstrap.log-driver")
		}
	}
}

// minimumAPI returns the minor version of the Docker API (1.x) the definition's features need.
func minimumAPI(d *ecs.TaskDefinition) int {
	v := 17
	if d.NetworkMode != "" {
		v = 18
	}
	for i := range d.ContainerDefinitions {
		v = max(v, ContainerAPI(d, &d.ContainerDefinitions[i]))
	}
	return v
}

// ContainerAPI returns the minor version of the Docker API (1.x) one container needs.
func ContainerAPI(d *ecs.TaskDefinition, c *ecs.ContainerDefinition) int {
	v := 17
	if d.NetworkMode != "" {
		v = 18
	}
	if c.LogConfiguration != nil {
		v = max(v, 19)
	}
	if l := c.LinuxParameters; l != nil && (len(l.Tmpfs) > 0 || l.SharedMemorySize != nil) {
		v = max(v, 22)
	}
	if c.HealthCheck != nil || len(c.SystemControls) > 0 {
		v = max(v, 24)
	}
	if l := c.LinuxParameters; l != nil && l.InitProcessEnabled != nil {
		v = max(v, 25)
	}
	return v
}

// SecretProvider returns where a secret's value comes from: asm (Secrets Manager) or ssm (Parameter Store).
func SecretProvider(valueFrom string) string {
	if p := strings.SplitN(valueFrom, ":", 4); len(p) == 4 && p[0] == "arn" && p[2] == "secretsmanager" {
		return "asm"
	}
	return "ssm"
}

// SecretRegion returns the region in a secret's ARN, or fallback.
func SecretRegion(valueFrom, fallback string) string {
	if p := strings.SplitN(valueFrom, ":", 5); len(p) == 5 && p[0] == "arn" && p[3] != "" {
		return p[3]
	}
	return fallback
}

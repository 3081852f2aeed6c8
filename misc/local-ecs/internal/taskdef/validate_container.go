package taskdef

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

// minMemory is the least memory Docker gives a container, in MiB.
const minMemory = 6

// maxRange is the largest number of ports in one containerPortRange.
const maxRange = 100

func bad(c *ecs.ContainerDefinition, field, format string, args ...any) error {
	return ecs.Client("Invalid '"+field+"' setting for container '"+c.Name+"'. "+format, args...)
}

func (v *validator) containerFields(c *ecs.ContainerDefinition) error {
	if c.Image == "" {
		return ecs.Client("Container.image should not be null or empty: container '%s'.", c.Name)
	}
	if strings.ContainsAny(c.Image, " \t\n") {
		return ecs.Client("Container.image contains invalid characters: '%s' of container '%s'.", c.Image, c.Name)
	}
	for _, check := range []func(*ecs.ContainerDefinition) error{
		v.sizes, v.ports, v.mounts, v.links, v.health, v.restart, v.logging, v.secrets, v.linux, v.misc,
	} {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

func (v *validator) sizes(c *ecs.ContainerDefinition) error {
	if c.CPU < 0 {
		return bad(c, "cpu", "%d is negative.", c.CPU)
	}
	if c.Memory == nil && c.MemoryReservation == nil && v.def.Memory == "" {
		return ecs.Client("Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' must be specified.", c.Name)
	}
	if c.Memory != nil && *c.Memory < minMemory {
		return bad(c, "memory", "%d MiB is less than the minimum of %d MiB.", *c.Memory, minMemory)
	}
	if c.MemoryReservation != nil && *c.MemoryReservation < minMemory {
		return bad(c, "memoryReservation", "%d MiB is less than the minimum of %d MiB.", *c.MemoryReservation, minMemory)
	}
	if c.Memory != nil && c.MemoryReservation != nil && *c.Memory < *c.MemoryReservation {
		return bad(c, "memory", "'memory' (%d) must be greater than 'memoryReservation' (%d).", *c.Memory, *c.MemoryReservation)
	}
	if limit, _ := ParseMemory(v.def.Memory); limit > 0 && c.Memory != nil && *c.Memory > limit {
		return bad(c, "memory", "The container's %d MiB must not be greater than the task's %d MiB.", *c.Memory, limit)
	}
	for field, n := range map[string]*int{"startTimeout": c.StartTimeout, "stopTimeout": c.StopTimeout} {
		if n != nil && *n < 0 {
			return bad(c, field, "%d is negative.", *n)
		}
	}
	for _, r := range c.ResourceRequirements {
		if r.Type != "GPU" {
			return bad(c, "resourceRequirements", "Type '%s' is not supported; use GPU.", r.Type)
		}
		if n, err := strconv.Atoi(r.Value); err != nil || n < 1 {
			return bad(c, "resourceRequirements", "'%s' is not a number of GPUs.", r.Value)
		}
	}
	return nil
}

func (v *validator) ports(c *ecs.ContainerDefinition) error {
	same := v.def.NetworkMode == "host" || v.def.NetworkMode == "awsvpc"
	for _, p := range c.PortMappings {
		if err := oneOf("portMappings.protocol", p.Protocol, "tcp", "udp"); err != nil {
			return err
		}
		if p.ContainerPortRange != "" {
			if p.ContainerPort != nil || p.HostPort != nil {
				return bad(c, "portMappings", "'containerPortRange' must not be given together with 'containerPort' or 'hostPort'.")
			}
			first, last, ok := parseRange(p.ContainerPortRange)
			if !ok {
				return bad(c, "containerPortRange", "'%s' is not a range of ports like 8000-8009.", p.ContainerPortRange)
			}
			if last-first+1 > maxRange {
				return bad(c, "containerPortRange", "'%s' has more than %d ports.", p.ContainerPortRange, maxRange)
			}
			continue
		}
		if p.ContainerPort == nil {
			return bad(c, "portMappings", "'containerPort' should not be null.")
		}
		if *p.ContainerPort < 1 || *p.ContainerPort > 65535 {
			return bad(c, "containerPort", "%d is not a port number between 1 and 65535.", *p.ContainerPort)
		}
		if p.HostPort == nil {
			continue
		}
		if *p.HostPort < 0 || *p.HostPort > 65535 {
			return bad(c, "hostPort", "%d is not a port number between 0 and 65535.", *p.HostPort)
		}
		if key := strconv.Itoa(*p.HostPort) + "/" + orTCP(p.Protocol); *p.HostPort != 0 {
			if v.hostPorts[key] {
				return bad(c, "hostPort", "Host port %s is used more than once in the task definition.", key)
			}
			v.hostPorts[key] = true
		}
		if same && *p.HostPort != 0 && *p.HostPort != *p.ContainerPort {
			return ecs.Client("When networkMode=%s, the host ports and container ports in port mappings must match.", v.def.NetworkMode)
		}
	}
	if v.def.NetworkMode == "none" && len(c.PortMappings) > 0 {
		return bad(c, "portMappings", "Port mappings are not supported when networkMode=none.")
	}
	return nil
}

func orTCP(protocol string) string {
	if protocol == "" {
		return "tcp"
	}
	return protocol
}

// parseRange reads "8000-8009".
func parseRange(s string) (first, last int, ok bool) {
	a, b, found := strings.Cut(s, "-")
	first, errA := strconv.Atoi(a)
	last, errB := strconv.Atoi(b)
	ok = found && errA == nil && errB == nil && first >= 1 && first <= last && last <= 65535
	return first, last, ok
}

func (v *validator) mounts(c *ecs.ContainerDefinition) error {
	for _, m := range c.MountPoints {
		if !slices.ContainsFunc(v.def.Volumes, func(vol ecs.Volume) bool { return vol.Name == m.SourceVolume }) {
			return ecs.Client("Unknown volume '%s' in 'mountPoints' of container '%s'.", m.SourceVolume, c.Name)
		}
		if m.ContainerPath == "" {
			return bad(c, "mountPoints", "'containerPath' should not be null or empty.")
		}
	}
	for _, f := range c.VolumesFrom {
		if f.SourceContainer == c.Name || v.container(f.SourceContainer) == nil {
			return bad(c, "volumesFrom", "There is no other container '%s' in the task definition.", f.SourceContainer)
		}
	}
	return nil
}

func (v *validator) links(c *ecs.ContainerDefinition) error {
	if len(c.Links) > 0 && v.def.NetworkMode != "" && v.def.NetworkMode != "bridge" {
		return ecs.Client("Links are not supported when networkMode=%s. Container '%s' has 'links'.", v.def.NetworkMode, c.Name)
	}
	for _, l := range c.Links {
		name, _, _ := strings.Cut(l, ":")
		if name == c.Name || v.container(name) == nil {
			return bad(c, "links", "There is no other container '%s' in the task definition.", name)
		}
	}
	return nil
}

func (v *validator) health(c *ecs.ContainerDefinition) error {
	h := c.HealthCheck
	if h == nil {
		return nil
	}
	if len(h.Command) == 0 {
		return bad(c, "healthCheck", "'command' should not be null or empty.")
	}
	switch k := h.Command[0]; {
	case k == "NONE":
	case k != "CMD" && k != "CMD-SHELL":
		return bad(c, "healthCheck.command", "It must start with CMD or CMD-SHELL.")
	case len(h.Command) < 2:
		return bad(c, "healthCheck.command", "There is nothing after %s.", k)
	}
	for _, r := range []struct {
		name     string
		value    *int
		low, top int
	}{{"interval", h.Interval, 5, 300}, {"timeout", h.Timeout, 2, 120}, {"retries", h.Retries, 1, 10}, {"startPeriod", h.StartPeriod, 0, 300}} {
		if r.value != nil && (*r.value < r.low || *r.value > r.top) {
			return bad(c, "healthCheck."+r.name, "%d is not between %d and %d.", *r.value, r.low, r.top)
		}
	}
	return nil
}

func (v *validator) restart(c *ecs.ContainerDefinition) error {
	r := c.RestartPolicy
	switch {
	case r == nil:
		return nil
	case r.Enabled == nil:
		return bad(c, "restartPolicy", "'enabled' should not be null.")
	case len(r.IgnoredExitCodes) > 50:
		return bad(c, "restartPolicy.ignoredExitCodes", "More than 50 exit codes.")
	case r.RestartAttemptPeriod != nil && (*r.RestartAttemptPeriod < 60 || *r.RestartAttemptPeriod > 1800):
		return bad(c, "restartPolicy.restartAttemptPeriod", "%d is not between 60 and 1800.", *r.RestartAttemptPeriod)
	}
	return nil
}

// logDrivers are those of the API, and none, which the agent knows too.
var logDrivers = []string{"json-file", "syslog", "journald", "gelf", "fluentd", "awslogs", "splunk", "awsfirelens", "none"}

func (v *validator) logging(c *ecs.ContainerDefinition) error {
	if f := c.FirelensConfiguration; f != nil {
		if f.Type != "fluentd" && f.Type != "fluentbit" {
			return bad(c, "firelensConfiguration.type", "'%s' is neither fluentd nor fluentbit.", f.Type)
		}
	}
	l := c.LogConfiguration
	if l == nil {
		return nil
	}
	if l.LogDriver == "" {
		return bad(c, "logConfiguration", "'logDriver' should not be null or empty.")
	}
	if !slices.Contains(logDrivers, l.LogDriver) {
		return bad(c, "logConfiguration.logDriver", "'%s' is not one of %s.", l.LogDriver, strings.Join(logDrivers, ", "))
	}
	if l.LogDriver == "awslogs" {
		for _, o := range []string{"awslogs-group", "awslogs-region"} {
			if l.Options[o] == "" {
				return bad(c, "logConfiguration.options", "Log driver awslogs requires options: %s.", o)
			}
		}
	}
	if l.LogDriver == "awsfirelens" && !slices.ContainsFunc(v.def.ContainerDefinitions, func(o ecs.ContainerDefinition) bool { return o.FirelensConfiguration != nil }) {
		return bad(c, "logConfiguration.logDriver", "awsfirelens needs a container with 'firelensConfiguration' in the task definition.")
	}
	return nil
}

func (v *validator) secrets(c *ecs.ContainerDefinition) error {
	all := slices.Clone(c.Secrets)
	if c.LogConfiguration != nil {
		all = append(all, c.LogConfiguration.SecretOptions...)
	}
	for _, s := range all {
		if s.Name == "" || s.ValueFrom == "" {
			return bad(c, "secrets", "'name' and 'valueFrom' should not be null or empty.")
		}
		if v.def.ExecutionRoleArn == "" {
			return ecs.Client("When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.")
		}
	}
	if v.def.ExecutionRoleArn == "" && (len(c.EnvironmentFiles) > 0 || c.RepositoryCredentials != nil) {
		return ecs.Client("When you are specifying 'environmentFiles' or 'repositoryCredentials', you must also specify a value for 'executionRoleArn'.")
	}
	return nil
}

func (v *validator) linux(c *ecs.ContainerDefinition) error {
	l := c.LinuxParameters
	if l == nil {
		return nil
	}
	for _, d := range l.Devices {
		if d.HostPath == "" {
			return bad(c, "linuxParameters.devices", "'hostPath' should not be null or empty.")
		}
		for _, p := range d.Permissions {
			if err := oneOf("linuxParameters.devices.permissions", p, "read", "write", "mknod"); err != nil {
				return err
			}
		}
	}
	for _, t := range l.Tmpfs {
		if t.ContainerPath == "" || t.Size <= 0 {
			return bad(c, "linuxParameters.tmpfs", "'containerPath' and a positive 'size' are required.")
		}
	}
	switch {
	case l.SharedMemorySize != nil && *l.SharedMemorySize <= 0:
		return bad(c, "linuxParameters.sharedMemorySize", "%d MiB is not positive.", *l.SharedMemorySize)
	case l.MaxSwap != nil && *l.MaxSwap < 0:
		return bad(c, "linuxParameters.maxSwap", "%d is negative.", *l.MaxSwap)
	case l.MaxSwap != nil && c.Memory == nil:
		return bad(c, "linuxParameters.maxSwap", "'memory' must be given with it.")
	case l.Swappiness != nil && (*l.Swappiness < 0 || *l.Swappiness > 100):
		return bad(c, "linuxParameters.swappiness", "%d is not between 0 and 100.", *l.Swappiness)
	}
	return nil
}

var ulimits = []string{"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"}

func (v *validator) misc(c *ecs.ContainerDefinition) error {
	for _, u := range c.Ulimits {
		if !slices.Contains(ulimits, u.Name) {
			return bad(c, "ulimits", "'%s' is not one of %s.", u.Name, strings.Join(ulimits, ", "))
		}
		if u.SoftLimit > u.HardLimit && u.HardLimit >= 0 {
			return bad(c, "ulimits", "The soft limit of '%s' is greater than its hard limit.", u.Name)
		}
	}
	for _, e := range c.Environment {
		if e.Name == "" {
			return bad(c, "environment", "'name' should not be null or empty.")
		}
	}
	for _, f := range c.EnvironmentFiles {
		if f.Type != "s3" {
			return bad(c, "environmentFiles", "Type '%s' is not supported; use s3.", f.Type)
		}
	}
	for _, h := range c.ExtraHosts {
		if h.Hostname == "" || h.IPAddress == "" {
			return bad(c, "extraHosts", "'hostname' and 'ipAddress' should not be null or empty.")
		}
	}
	if v.def.NetworkMode == "awsvpc" && (len(c.DNSServers) > 0 || len(c.DNSSearchDomains) > 0 || len(c.ExtraHosts) > 0 || c.Hostname != "") {
		return bad(c, "hostname, dnsServers, dnsSearchDomains or extraHosts", "They are not supported when networkMode=awsvpc.")
	}
	return nil
}

func (v *validator) dependencies() error {
	for i := range v.def.ContainerDefinitions {
		c := &v.def.ContainerDefinitions[i]
		for _, d := range c.DependsOn {
			target := v.container(d.ContainerName)
			switch {
			case target == nil:
				return bad(c, "dependsOn", "There is no container '%s' in the task definition.", d.ContainerName)
			case d.ContainerName == c.Name:
				return bad(c, "dependsOn", "A container cannot depend on itself.")
			case !slices.Contains([]string{"START", "COMPLETE", "SUCCESS", "HEALTHY"}, d.Condition):
				return bad(c, "dependsOn", "Condition '%s' is not one of START, COMPLETE, SUCCESS, HEALTHY.", d.Condition)
			case d.Condition == "HEALTHY" && target.HealthCheck == nil:
				return bad(c, "dependsOn", "Condition HEALTHY needs a 'healthCheck' in container '%s'.", target.Name)
			case (d.Condition == "COMPLETE" || d.Condition == "SUCCESS") && target.IsEssential():
				return bad(c, "dependsOn", "Condition %s cannot be set on the essential container '%s'.", d.Condition, target.Name)
			}
		}
	}
	if name := v.cycle(); name != "" {
		return ecs.Client("Circular dependency in 'dependsOn', 'links' or 'volumesFrom': container '%s' waits for itself.", name)
	}
	return nil
}

// cycle returns a container that, over others, waits for itself; "" when there is none.
func (v *validator) cycle() string {
	const visiting, done = 1, 2
	mark := map[string]int{}
	var visit func(name string) string
	visit = func(name string) string {
		switch mark[name] {
		case visiting:
			return name
		case done:
			return ""
		}
		mark[name] = visiting
		c := v.container(name)
		var next []string
		for _, d := range c.DependsOn {
			next = append(next, d.ContainerName)
		}
		for _, l := range c.Links {
			n, _, _ := strings.Cut(l, ":")
			next = append(next, n)
		}
		for _, f := range c.VolumesFrom {
			next = append(next, f.SourceContainer)
		}
		for _, n := range next {
			if found := visit(n); found != "" {
				return found
			}
		}
		mark[name] = done
		return ""
	}
	for _, c := range v.def.ContainerDefinitions {
		if found := visit(c.Name); found != "" {
			return found
		}
	}
	return ""
}

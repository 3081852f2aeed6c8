// Package payload turns a task into the form the agent gets it in: what the agent decides about as fields, everything
// Docker takes unchanged as raw JSON in dockerConfig. It is pure.
package payload

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/rolecreds"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/taskdef"
)

// Renderer knows what is the same for all tasks.
type Renderer struct {
	Names  ecs.Names
	Source *rolecreds.Source
	// Registry gives the address of the registry that stands in for Amazon ECR; nil or empty: none does.
	Registry func() string
}

// Task renders t, of definition d, with the desired status it has now. Credentials that go along are valid from now on.
func (r *Renderer) Task(t *state.Task, d *state.TaskDefinition, now time.Time) acsmsg.Task {
	e := taskdef.Effective(&d.TaskDefinition, t.Overrides)
	cpu, _ := taskdef.ParseCPU(e.CPU)
	memory, _ := taskdef.ParseMemory(e.Memory)
	out := acsmsg.Task{
		Arn:                      t.TaskArn,
		TaskClusterArn:           t.ClusterArn,
		DesiredStatus:            t.DesiredStatus,
		Family:                   e.Family,
		Version:                  strconv.Itoa(e.Revision),
		TaskDefinitionAccountID:  r.Names.Account,
		ServiceName:              t.ServiceName,
		Group:                    t.Group,
		LaunchType:               t.LaunchType,
		NetworkMode:              e.NetworkMode,
		PidMode:                  e.PidMode,
		IpcMode:                  e.IpcMode,
		CPU:                      float64(cpu) / 1024,
		Memory:                   memory,
		EnableFaultInjection:     e.EnableFaultInjection,
		Containers:               make([]acsmsg.Container, 0, len(e.ContainerDefinitions)),
		Volumes:                  make([]acsmsg.Volume, 0, len(e.Volumes)),
		RoleCredentials:          r.Credentials(t, d, acsmsg.RoleTask, now),
		ExecutionRoleCredentials: r.Credentials(t, d, acsmsg.RoleExecution, now),
	}
	if t.ENI != nil {
		out.ElasticNetworkInterfaces = []acsmsg.ENI{ENI(t.ENI)}
	}
	for i := range e.ContainerDefinitions {
		out.Containers = append(out.Containers, r.container(t, e, &e.ContainerDefinitions[i]))
	}
	for i := range e.Volumes {
		out.Volumes = append(out.Volumes, volume(&e.Volumes[i]))
	}
	for _, c := range e.ContainerDefinitions {
		for _, id := range t.GPUs[c.Name] {
			out.Associations = append(out.Associations, acsmsg.Association{Name: id, Type: "gpu",
				Content: acsmsg.AssociationContent{Encoding: "base64"}, Containers: []string{c.Name}})
		}
	}
	if p := e.ProxyConfiguration; p != nil {
		out.ProxyConfiguration = &acsmsg.Proxy{Type: "APPMESH", ContainerName: p.ContainerName, Properties: keyValues(p.Properties)}
	}
	return out
}

// Credentials makes the credentials of one role of the task, nil when it has no such role.
func (r *Renderer) Credentials(t *state.Task, d *state.TaskDefinition, roleType string, now time.Time) *acsmsg.RoleCredentials {
	e := taskdef.Effective(&d.TaskDefinition, t.Overrides)
	role, id := e.TaskRoleArn, t.CredentialsID
	if roleType == acsmsg.RoleExecution {
		role, id = e.ExecutionRoleArn, t.ExecutionID
	}
	if role == "" || id == "" {
		return nil
	}
	set := r.Source.Make(id, now)
	return &acsmsg.RoleCredentials{
		CredentialsID:   id,
		RoleArn:         role,
		AccessKeyID:     set.AccessKeyID,
		SecretAccessKey: set.SecretAccessKey,
		SessionToken:    set.SessionToken,
		Expiration:      set.Expiration.Format(time.RFC3339),
	}
}

func (r *Renderer) container(t *state.Task, d *ecs.TaskDefinition, c *ecs.ContainerDefinition) acsmsg.Container {
	out := acsmsg.Container{
		Name:                   c.Name,
		Image:                  r.image(c.Image),
		Essential:              c.IsEssential(),
		CPU:                    c.CPU,
		Memory:                 deref(c.Memory),
		Command:                c.Command,
		EntryPoint:             c.EntryPoint,
		Environment:            keyValues(c.Environment),
		Links:                  c.Links,
		PortMappings:           ports(d, c),
		MountPoints:            make([]acsmsg.MountPoint, 0, len(c.MountPoints)),
		VolumesFrom:            make([]acsmsg.VolumeFrom, 0, len(c.VolumesFrom)),
		Overrides:              overrides(t.Overrides, c.Name),
		DockerConfig:           dockerConfig(t, d, c),
		RegistryAuthentication: r.registryAuth(d, c),
		StartTimeout:           deref(c.StartTimeout),
		StopTimeout:            deref(c.StopTimeout),
		CredentialSpecs:        c.CredentialSpecs,
		Secrets:                r.secrets(c),
	}
	if known := t.Container(c.Name); known != nil {
		out.ContainerArn = known.ContainerArn
	}
	if _, set := out.Environment["AWS_EXECUTION_ENV"]; !set {
		out.Environment["AWS_EXECUTION_ENV"] = "AWS_ECS_EC2"
	}
	for _, f := range c.EnvironmentFiles {
		out.EnvironmentFiles = append(out.EnvironmentFiles, acsmsg.EnvironmentFile(f))
	}
	for _, m := range c.MountPoints {
		out.MountPoints = append(out.MountPoints, acsmsg.MountPoint(m))
	}
	for _, v := range c.VolumesFrom {
		out.VolumesFrom = append(out.VolumesFrom, acsmsg.VolumeFrom(v))
	}
	for _, dep := range c.DependsOn {
		out.DependsOn = append(out.DependsOn, acsmsg.Dependency(dep))
	}
	if c.HealthCheck != nil && c.HealthCheck.Command[0] != "NONE" {
		out.HealthCheckType = "docker"
	}
	if l := c.LogConfiguration; l != nil && l.LogDriver == "awslogs" && d.ExecutionRoleArn != "" {
		out.LogsAuthStrategy = "ExecutionRole"
	}
	if f := c.FirelensConfiguration; f != nil {
		out.Firelens = &acsmsg.Firelens{Type: f.Type, Options: f.Options}
	}
	if p := c.RestartPolicy; p != nil {
		out.RestartPolicy = &acsmsg.RestartPolicy{Enabled: *p.Enabled, IgnoredExitCodes: p.IgnoredExitCodes, RestartAttemptPeriod: deref(p.RestartAttemptPeriod)}
	}
	if t.EnableExecuteCommand {
		out.ManagedAgents = []acsmsg.ManagedAgent{{Name: "ExecuteCommandAgent", Properties: map[string]string{"sessionLimit": "2"}}}
	}
	return out
}

// ENI renders the network interface of a task.
func ENI(e *state.ENI) acsmsg.ENI {
	out := acsmsg.ENI{
		EC2ID: e.ID, MACAddress: e.MAC, AttachmentArn: e.AttachmentArn, PrivateDNSName: e.Name, IPv4Addresses: []acsmsg.IPv4Address{},
		SubnetGatewayIPv4Address: e.IPv4Gateway, SubnetGatewayIPv6Address: e.IPv6Gateway, DomainNameServers: e.DNS, DomainName: e.Search,
	}
	if b := e.Branch; b != nil {
		out.AssociationProtocol, out.VLAN = "vlan", &acsmsg.VLANProperties{VLANID: strconv.Itoa(b.VLAN), TrunkMAC: b.TrunkMAC}
	}
	if e.IPv4 != "" {
		out.IPv4Addresses = append(out.IPv4Addresses, acsmsg.IPv4Address{Primary: true, PrivateAddress: e.IPv4})
	}
	if e.IPv6 != "" {
		out.IPv6Addresses = append(out.IPv6Addresses, acsmsg.IPv6Address{Primary: true, Address: e.IPv6})
	}
	return out
}

func deref(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

func keyValues(list []ecs.KeyValue) map[string]string {
	m := make(map[string]string, len(list))
	for _, kv := range list {
		m[kv.Name] = kv.Value
	}
	return m
}

// ports leaves out the mappings of awsvpc tasks: their containers own the task's interface.
func ports(d *ecs.TaskDefinition, c *ecs.ContainerDefinition) []acsmsg.PortMapping {
	out := []acsmsg.PortMapping{}
	if d.NetworkMode == "awsvpc" {
		return out
	}
	for _, p := range c.PortMappings {
		out = append(out, acsmsg.PortMapping{ContainerPort: deref(p.ContainerPort), HostPort: deref(p.HostPort),
			ContainerPortRange: p.ContainerPortRange, Protocol: p.Protocol})
	}
	return out
}

// overrides is the one override the agent itself applies: the command.
func overrides(o *ecs.TaskOverride, name string) string {
	if o != nil {
		for _, c := range o.ContainerOverrides {
			if c.Name == name && c.Command != nil {
				b, _ := json.Marshal(map[string][]string{"command": c.Command}) // strings always encode
				return string(b)
			}
		}
	}
	return "{}"
}

func (r *Renderer) registryAuth(d *ecs.TaskDefinition, c *ecs.ContainerDefinition) *acsmsg.RegistryAuth {
	if rc := c.RepositoryCredentials; rc != nil {
		return &acsmsg.RegistryAuth{Type: "asm", ASMAuthData: &acsmsg.ASMAuth{
			CredentialsParameter: rc.CredentialsParameter, Region: taskdef.SecretRegion(rc.CredentialsParameter, r.Names.Region)}}
	}
	e, ok := taskdef.ParseECR(c.Image)
	if !ok && r.local(c.Image) {
		e, ok = taskdef.ECR{Account: r.Names.Account, Region: r.Names.Region}, true
	}
	if !ok {
		return nil
	}
	return &acsmsg.RegistryAuth{Type: "ecr", ECRAuthData: &acsmsg.ECRAuth{
		RegistryID: e.Account, Region: e.Region, UseExecutionRole: d.ExecutionRoleArn != ""}}
}

// local reports whether an image is in the registry that stands in for Amazon ECR.
func (r *Renderer) local(image string) bool {
	address := r.registry()
	return address != "" && strings.HasPrefix(image, address+"/")
}

// image puts the registry that stands in for Amazon ECR into the names of images there.
func (r *Renderer) image(name string) string {
	if _, is := taskdef.ParseECR(name); is && r.registry() != "" {
		_, rest, _ := strings.Cut(name, "/")
		return r.registry() + "/" + rest
	}
	return name
}

func (r *Renderer) registry() string {
	if r.Registry == nil {
		return ""
	}
	return r.Registry()
}

func (r *Renderer) secrets(c *ecs.ContainerDefinition) []acsmsg.Secret {
	var out []acsmsg.Secret
	add := func(s ecs.Secret, kind, target string) {
		out = append(out, acsmsg.Secret{Name: s.Name, ValueFrom: s.ValueFrom, Type: kind, Target: target,
			Provider: taskdef.SecretProvider(s.ValueFrom), Region: taskdef.SecretRegion(s.ValueFrom, r.Names.Region)})
	}
	for _, s := range c.Secrets {
		add(s, "ENVIRONMENT_VARIABLE", "CONTAINER")
	}
	if c.LogConfiguration != nil {
		for _, s := range c.LogConfiguration.SecretOptions {
			add(s, "BOOTSTRAP", "LOG_DRIVER")
		}
	}
	return out
}

func volume(v *ecs.Volume) acsmsg.Volume {
	out := acsmsg.Volume{Name: v.Name, Type: "host"}
	switch {
	case v.DockerVolumeConfiguration != nil:
		d := v.DockerVolumeConfiguration
		out.Type = "docker"
		out.Docker = &acsmsg.DockerVolume{Scope: d.Scope, Autoprovision: d.Autoprovision != nil && *d.Autoprovision,
			Driver: d.Driver, DriverOpts: d.DriverOpts, Labels: d.Labels}
		if out.Docker.Driver == "" {
			out.Docker.Driver = "local"
		}
	case v.EFSVolumeConfiguration != nil:
		e := v.EFSVolumeConfiguration
		out.Type = "efs"
		out.EFS = &acsmsg.EFSVolume{FileSystemID: e.FileSystemID, RootDirectory: e.RootDirectory,
			TransitEncryption: e.TransitEncryption, TransitEncryptionPort: deref(e.TransitEncryptionPort)}
		if a := e.AuthorizationConfig; a != nil {
			out.EFS.AuthorizationConfig = &acsmsg.EFSAuth{AccessPointID: a.AccessPointID, IAM: a.IAM}
		}
	case v.FSxWindowsFileServerVolumeConfiguraton != nil:
		out.Type, out.FSx = "fsxWindowsFileServer", v.FSxWindowsFileServerVolumeConfiguraton
	default:
		out.Host = &acsmsg.HostVolume{}
		if v.Host != nil {
			out.Host.SourcePath = v.Host.SourcePath
		}
	}
	return out
}

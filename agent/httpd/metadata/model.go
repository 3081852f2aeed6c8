package metadata

import (
	"encoding/json"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// The structs are the wire forms: the order of their fields is the order of the members.

// taskHead are the first members of a task in every version.
type taskHead struct {
	Cluster       string
	TaskARN       string
	Family        string
	Revision      string
	DesiredStatus string `json:",omitempty"`
	KnownStatus   string
}

// taskTail are members that stand together in every version.
type taskTail struct {
	Limits                *taskLimits       `json:",omitempty"`
	PullStartedAt         time.Time         `json:",omitzero"`
	PullStoppedAt         time.Time         `json:",omitzero"`
	ExecutionStoppedAt    time.Time         `json:",omitzero"`
	AvailabilityZone      string            `json:",omitempty"`
	TaskTags              map[string]string `json:",omitempty"`
	ContainerInstanceTags map[string]string `json:",omitempty"`
}

// taskV2 is a task in versions 2 and 3.
type taskV2 struct {
	taskHead
	Containers []containerV2 `json:",omitempty"`
	taskTail
}

type taskV4 struct {
	taskHead
	taskTail
	LaunchType            string        `json:",omitempty"`
	Errors                []tagError    `json:",omitempty"`
	Containers            []containerV4 `json:",omitempty"`
	VPCID                 string        `json:",omitempty"`
	ServiceName           string        `json:",omitempty"`
	FaultInjectionEnabled bool
	AvailabilityZoneID    string `json:",omitempty"`
}

type taskLimits struct {
	CPU    float64 `json:",omitempty"` // vCPU
	Memory int64   `json:",omitempty"` // MiB
}

type containerHead struct {
	DockerId      string
	Name          string
	DockerName    string
	Image         string
	ImageID       string
	Ports         []port            `json:",omitempty"`
	Labels        map[string]string `json:",omitempty"`
	DesiredStatus string
	KnownStatus   string
	ExitCode      *int `json:",omitempty"`
	Limits        containerLimits
	CreatedAt     time.Time `json:",omitzero"`
	StartedAt     time.Time `json:",omitzero"`
	FinishedAt    time.Time `json:",omitzero"`
	Type          string
}

type containerTail struct {
	Health  *health  `json:",omitempty"`
	Volumes []volume `json:",omitempty"`
}

// containerV2 is a container in versions 2 and 3.
type containerV2 struct {
	containerHead
	Networks []network `json:",omitempty"`
	containerTail
}

type containerV4 struct {
	containerHead
	containerTail
	LogDriver    string            `json:",omitempty"`
	LogOptions   map[string]string `json:",omitempty"`
	ContainerARN string            `json:",omitempty"`
	Networks     []networkV4       `json:",omitempty"`
	RestartCount *int              `json:",omitempty"`
}

type containerLimits struct {
	CPU    uint // shares
	Memory uint // MiB
}

type port struct {
	ContainerPort uint16 `json:",omitempty"`
	Protocol      string `json:",omitempty"`
	HostPort      uint16 `json:",omitempty"`
	HostIp        string `json:",omitempty"` // version 4
}

type volume struct {
	DockerName  string `json:",omitempty"`
	Source      string `json:",omitempty"`
	Destination string `json:",omitempty"`
}

type health struct {
	Status   string    `json:"status,omitempty"`
	Since    time.Time `json:"statusSince,omitzero"`
	ExitCode int       `json:"exitCode,omitempty"`
	Output   string    `json:"output,omitempty"`
}

type network struct {
	NetworkMode   string   `json:",omitempty"`
	IPv4Addresses []string `json:",omitempty"`
	IPv6Addresses []string `json:",omitempty"`
}

type networkV4 struct {
	network
	AttachmentIndex          *int     `json:",omitempty"`
	MACAddress               string   `json:",omitempty"`
	IPv4SubnetCIDRBlock      string   `json:",omitempty"`
	IPv6SubnetCIDRBlock      string   `json:",omitempty"`
	DomainNameServers        []string `json:",omitempty"`
	DomainNameSearchList     []string `json:",omitempty"`
	PrivateDNSName           string   `json:",omitempty"`
	SubnetGatewayIpv4Address string   `json:",omitempty"`
	SubnetGatewayIpv6Address string   `json:",omitempty"`
}

// leastShares is what the kernel makes of fewer CPU shares.
const leastShares = 2

func newTaskHead(t *task.Task, in Instance) taskHead {
	return taskHead{Cluster: in.Cluster, TaskARN: t.ARN, Family: t.Family, Revision: t.Revision, DesiredStatus: t.Desired.String(), KnownStatus: t.Known.String()}
}

func newTaskTail(t *task.Task, in Instance) taskTail {
	tail := taskTail{
		PullStartedAt: t.PullStartedAt.UTC(), PullStoppedAt: t.PullStoppedAt.UTC(), ExecutionStoppedAt: t.ExecutionStoppedAt.UTC(),
		AvailabilityZone: in.AvailabilityZone,
	}
	if t.CPU != 0 || t.Memory != 0 {
		tail.Limits = &taskLimits{t.CPU, t.Memory}
	}
	return tail
}

// newTaskV2 is a task for version 2, or for version 3 with the networks of Docker. Containers that Docker does not have yet
// are left out.
func newTaskV2(t *task.Task, in Instance, docker bool) taskV2 {
	v := taskV2{taskHead: newTaskHead(t, in), taskTail: newTaskTail(t, in)}
	eni := t.PrimaryENI()
	for _, c := range t.Containers {
		if c.RuntimeID != "" {
			v.Containers = append(v.Containers, newContainerV2(c, eni, docker))
		}
	}
	return v
}

// newTaskV4 lists containers in the order of the task definition, and behind them those that are pulled only.
func newTaskV4(t *task.Task, in Instance) taskV4 {
	v := taskV4{
		taskHead: newTaskHead(t, in), taskTail: newTaskTail(t, in),
		LaunchType: t.LaunchType, VPCID: in.VPCID, ServiceName: t.ServiceName, FaultInjectionEnabled: t.EnableFaultInjection, AvailabilityZoneID: in.AvailabilityZoneID,
	}
	eni := t.PrimaryENI()
	for _, c := range inOrder(t) {
		if c.RuntimeID == "" {
			continue
		}
		container := newContainerV4(c, eni)
		if container.Networks == nil {
			logger.Warn("Container has no network data yet", logger.F("taskARN", t.ARN), logger.F("containerName", c.Name))
		}
		v.Containers = append(v.Containers, container)
	}
	for _, c := range t.Containers {
		if c.RuntimeID == "" && c.Known == task.ContainerPulled {
			pulled := newContainerV4(c, nil)
			pulled.DockerName, pulled.Networks, pulled.RestartCount = "", nil, nil
			v.Containers = append(v.Containers, pulled)
		}
	}
	return v
}

// inOrder gives the containers of a task. Service Connect in bridge mode reads the IP families from the first one and
// needs a pause container there.
func inOrder(t *task.Task) []*task.Container {
	if t.NetworkMode != "bridge" || len(t.ServiceConnect) == 0 || string(t.ServiceConnect) == "null" {
		return t.Containers
	}
	var pauses, others []*task.Container
	for _, c := range t.Containers {
		if c.Type == task.CNIPause {
			pauses = append(pauses, c)
		} else {
			others = append(others, c)
		}
	}
	return append(pauses, others...)
}

func newContainerHead(c *task.Container, eni *task.ENI) containerHead {
	head := containerHead{
		DockerId: c.RuntimeID, Name: c.Name, DockerName: c.RuntimeName, Image: c.Image, ImageID: c.ImageID, Labels: c.Labels,
		DesiredStatus: c.Desired.String(), KnownStatus: c.Known.String(), ExitCode: c.ExitCode,
		Limits:    containerLimits{CPU: max(c.CPU, leastShares), Memory: c.Memory},
		CreatedAt: c.CreatedAt.UTC(), StartedAt: c.StartedAt.UTC(), FinishedAt: c.FinishedAt.UTC(),
		Type: c.Type.String(),
	}
	if c.Type == task.ServiceConnectRelay {
		head.Type = task.Normal.String()
	}
	for _, b := range c.Bindings {
		host := b.HostPort
		if eni != nil {
			host = b.ContainerPort
		}
		head.Ports = append(head.Ports, port{b.ContainerPort, b.Protocol.String(), host, b.BindIP})
	}
	return head
}

func newContainerTail(c *task.Container) containerTail {
	var tail containerTail
	if c.DockerHealthChecked() {
		h := health{Since: c.Health.Since, ExitCode: c.Health.ExitCode, Output: c.Health.Output}
		if c.Health.Status != task.HealthUnknown {
			h.Status = c.Health.Status.String()
		}
		tail.Health = &h
	}
	if !c.Internal() {
		for _, m := range c.Mounts {
			tail.Volumes = append(tail.Volumes, volume{m.Name, m.Source, m.Destination})
		}
	}
	return tail
}

func newContainerV2(c *task.Container, eni *task.ENI, docker bool) containerV2 {
	v := containerV2{containerHead: newContainerHead(c, eni), containerTail: newContainerTail(c)}
	for i := range v.Ports {
		v.Ports[i].HostIp = ""
	}
	switch {
	case eni != nil:
		v.Networks = []network{{task.NetworkAWSVPC, eni.IPv4Addresses(), eni.IPv6Addresses()}}
	case docker:
		for _, n := range dockerNetworks(c) {
			n.IPv6Addresses = nil
			v.Networks = append(v.Networks, n.network)
		}
	}
	return v
}

func newContainerV4(c *task.Container, eni *task.ENI) containerV4 {
	v := containerV4{containerHead: newContainerHead(c, eni), containerTail: newContainerTail(c), ContainerARN: c.ARN}
	v.LogDriver, v.LogOptions = logConfig(c)
	if eni != nil {
		v.Networks = []networkV4{eniNetwork(eni)}
	} else {
		v.Networks = dockerNetworks(c)
	}
	if c.RestartPolicy != nil && c.RestartPolicy.Enabled {
		count := 0
		if c.Restarts != nil {
			count = c.Restarts.Count
		}
		v.RestartCount = &count
	}
	return v
}

// logConfig finds the log configuration in the container's host config.
func logConfig(c *task.Container) (driver string, options map[string]string) {
	if c.DockerConfig.HostConfig == nil {
		return "", nil
	}
	var host struct {
		LogConfig struct {
			Type   string
			Config map[string]string
		}
	}
	if err := json.Unmarshal([]byte(*c.DockerConfig.HostConfig), &host); err != nil {
		return "", nil // create fails on it, and says so
	}
	return host.LogConfig.Type, host.LogConfig.Config
}

func eniNetwork(eni *task.ENI) networkV4 {
	first := 0
	n := networkV4{
		network:                  network{task.NetworkAWSVPC, eni.IPv4Addresses(), eni.IPv6Addresses()},
		AttachmentIndex:          &first,
		MACAddress:               eni.MAC,
		IPv4SubnetCIDRBlock:      eni.IPv4Subnet(),
		IPv6SubnetCIDRBlock:      eni.IPv6Subnet(),
		DomainNameServers:        eni.NameServers,
		DomainNameSearchList:     eni.SearchDomains,
		PrivateDNSName:           eni.DNSName,
		SubnetGatewayIpv4Address: eni.GatewayIPv4,
	}
	if eni.IPv6Only() {
		n.SubnetGatewayIpv6Address = eni.GatewayIPv6
	}
	return n
}

// dockerNetworks are the networks Docker attached the container to, with exactly one IPv4 address each, which may be
// empty. It is nil while Docker has not been asked.
func dockerNetworks(c *task.Container) []networkV4 {
	if len(c.Networks) == 0 {
		if c.NetworkMode == "" {
			return nil
		}
		return []networkV4{{network: network{NetworkMode: c.NetworkMode, IPv4Addresses: []string{""}}}}
	}
	var list []networkV4
	for _, n := range c.Networks {
		v := networkV4{network: network{NetworkMode: n.Name, IPv4Addresses: []string{n.IPv4}}}
		if n.IPv6 != "" {
			v.IPv6Addresses = []string{n.IPv6}
		}
		list = append(list, v)
	}
	return list
}

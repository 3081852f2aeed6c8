package payload

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/taskdef"
)

const mib = 1 << 20

// config is the part of Docker's container configuration the service renders.
type config struct {
	User            string            `json:"User,omitempty"`
	WorkingDir      string            `json:"WorkingDir,omitempty"`
	Hostname        string            `json:"Hostname,omitempty"`
	NetworkDisabled bool              `json:"NetworkDisabled,omitempty"`
	Labels          map[string]string `json:"Labels,omitempty"`
	Tty             bool              `json:"Tty,omitempty"`
	OpenStdin       bool              `json:"OpenStdin,omitempty"`
	HealthCheck     *healthCheck      `json:"HealthCheck,omitempty"`
}

// healthCheck has its times in nanoseconds.
type healthCheck struct {
	Test        []string      `json:"Test"`
	Interval    time.Duration `json:"Interval,omitempty"`
	Timeout     time.Duration `json:"Timeout,omitempty"`
	StartPeriod time.Duration `json:"StartPeriod,omitempty"`
	Retries     int           `json:"Retries,omitempty"`
}

// hostConfig is the part of Docker's host configuration the service renders. CapAdd and CapDrop are always there.
type hostConfig struct {
	NetworkMode       string            `json:"NetworkMode,omitempty"`
	LogConfig         *logConfig        `json:"LogConfig,omitempty"`
	CapAdd            []string          `json:"CapAdd"`
	CapDrop           []string          `json:"CapDrop"`
	Privileged        bool              `json:"Privileged,omitempty"`
	ReadonlyRootfs    bool              `json:"ReadonlyRootfs,omitempty"`
	SecurityOpt       []string          `json:"SecurityOpt,omitempty"`
	Ulimits           []ulimit          `json:"Ulimits,omitempty"`
	DNS               []string          `json:"Dns,omitempty"`
	DNSSearch         []string          `json:"DnsSearch,omitempty"`
	ExtraHosts        []string          `json:"ExtraHosts,omitempty"`
	Devices           []device          `json:"Devices,omitempty"`
	Init              *bool             `json:"Init,omitempty"`
	ShmSize           int64             `json:"ShmSize,omitempty"`
	Tmpfs             map[string]string `json:"Tmpfs,omitempty"`
	Sysctls           map[string]string `json:"Sysctls,omitempty"`
	MemoryReservation int64             `json:"MemoryReservation,omitempty"`
	MemorySwap        int64             `json:"MemorySwap,omitempty"`
	MemorySwappiness  *int              `json:"MemorySwappiness,omitempty"`
}

type (
	logConfig struct {
		Type   string            `json:"Type"`
		Config map[string]string `json:"Config"`
	}
	ulimit struct {
		Name string `json:"Name"`
		Soft int64  `json:"Soft"`
		Hard int64  `json:"Hard"`
	}
	device struct {
		PathOnHost        string `json:"PathOnHost"`
		PathInContainer   string `json:"PathInContainer"`
		CgroupPermissions string `json:"CgroupPermissions"`
	}
)

func dockerConfig(t *state.Task, d *ecs.TaskDefinition, c *ecs.ContainerDefinition) acsmsg.DockerConfig {
	conf, _ := json.Marshal(configOf(c)) // plain values always encode
	host, _ := json.Marshal(hostConfigOf(t, d, c))
	return acsmsg.DockerConfig{Version: fmt.Sprintf("1.%d", taskdef.ContainerAPI(d, c)), Config: string(conf), HostConfig: string(host)}
}

func configOf(c *ecs.ContainerDefinition) config {
	out := config{User: c.User, WorkingDir: c.WorkingDirectory, Hostname: c.Hostname, NetworkDisabled: c.DisableNetworking,
		Labels: c.DockerLabels, Tty: c.PseudoTerminal, OpenStdin: c.Interactive}
	if h := c.HealthCheck; h != nil {
		seconds := func(n *int) time.Duration { return time.Duration(deref(n)) * time.Second }
		out.HealthCheck = &healthCheck{Test: h.Command, Interval: seconds(h.Interval), Timeout: seconds(h.Timeout),
			StartPeriod: seconds(h.StartPeriod), Retries: deref(h.Retries)}
	}
	return out
}

func hostConfigOf(t *state.Task, d *ecs.TaskDefinition, c *ecs.ContainerDefinition) hostConfig {
	out := hostConfig{
		NetworkMode:       d.NetworkMode,
		CapAdd:            []string{},
		CapDrop:           []string{},
		Privileged:        c.Privileged,
		ReadonlyRootfs:    c.ReadonlyRootFilesystem,
		SecurityOpt:       c.DockerSecurityOptions,
		DNS:               c.DNSServers,
		DNSSearch:         c.DNSSearchDomains,
		MemoryReservation: int64(deref(c.MemoryReservation)) * mib,
		LogConfig:         logs(t, c),
	}
	for _, u := range c.Ulimits {
		out.Ulimits = append(out.Ulimits, ulimit{u.Name, u.SoftLimit, u.HardLimit})
	}
	for _, h := range c.ExtraHosts {
		out.ExtraHosts = append(out.ExtraHosts, h.Hostname+":"+h.IPAddress)
	}
	if len(c.SystemControls) > 0 {
		out.Sysctls = map[string]string{}
		for _, s := range c.SystemControls {
			out.Sysctls[s.Namespace] = s.Value
		}
	}
	if l := c.LinuxParameters; l != nil {
		linux(&out, l, deref(c.Memory))
	}
	return out
}

func linux(out *hostConfig, l *ecs.LinuxParameters, memory int) {
	if l.Capabilities != nil {
		out.CapAdd = append(out.CapAdd, l.Capabilities.Add...)
		out.CapDrop = append(out.CapDrop, l.Capabilities.Drop...)
	}
	for _, d := range l.Devices {
		inside := d.ContainerPath
		if inside == "" {
			inside = d.HostPath
		}
		out.Devices = append(out.Devices, device{d.HostPath, inside, permissions(d.Permissions)})
	}
	out.Init = l.InitProcessEnabled
	out.ShmSize = int64(deref(l.SharedMemorySize)) * mib
	for _, t := range l.Tmpfs {
		if out.Tmpfs == nil {
			out.Tmpfs = map[string]string{}
		}
		out.Tmpfs[t.ContainerPath] = strings.Join(append([]string{fmt.Sprintf("size=%dm", t.Size)}, t.MountOptions...), ",")
	}
	if l.MaxSwap != nil {
		// Docker counts memory and swap together.
		out.MemorySwap = int64(memory+*l.MaxSwap) * mib
	}
	out.MemorySwappiness = l.Swappiness
}

// permissions turns read, write, mknod into Docker's letters; none given means all.
func permissions(words []string) string {
	if len(words) == 0 {
		return "rwm"
	}
	letters := map[string]string{"read": "r", "write": "w", "mknod": "m"}
	var b strings.Builder
	for _, w := range words {
		b.WriteString(letters[w])
	}
	return b.String()
}

// logs names the stream of awslogs, PREFIX/CONTAINER/TASK-ID: the agent and Docker know nothing of the prefix.
func logs(t *state.Task, c *ecs.ContainerDefinition) *logConfig {
	l := c.LogConfiguration
	if l == nil {
		return nil
	}
	options := maps.Clone(l.Options)
	if prefix, ok := options["awslogs-stream-prefix"]; ok && l.LogDriver == "awslogs" {
		delete(options, "awslogs-stream-prefix")
		options["awslogs-stream"] = path.Join(prefix, c.Name, t.ID)
	}
	if options == nil {
		options = map[string]string{}
	}
	return &logConfig{Type: l.LogDriver, Config: options}
}

package docker

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// maxHealthOutput is how much of a health check's output is kept, in bytes.
const maxHealthOutput = 1024

// stateOf reads the answer to an inspect; now is the time of the health result. When a port cannot be read nothing of
// the answer is used: UnparsablePort.
func stateOf(in container.InspectResponse, now time.Time) (*task.ContainerState, error) {
	if in.ContainerJSONBase == nil || in.State == nil {
		return nil, task.NewError(task.ErrCannotInspectContainer, fmt.Errorf("the daemon's answer has no container state"))
	}
	s := &task.ContainerState{
		RuntimeID:  in.ID,
		Name:       strings.TrimPrefix(in.Name, "/"),
		ImageID:    in.Image,
		PID:        in.State.Pid,
		CreatedAt:  dockerTime(in.Created),
		StartedAt:  dockerTime(in.State.StartedAt),
		FinishedAt: dockerTime(in.State.FinishedAt),
		Mounts:     mountsOf(in.Mounts),
		Health:     healthOf(in.State.Health, now),
	}
	s.Status = statusOf(in.State, s.StartedAt)
	if !in.State.Running && !s.FinishedAt.IsZero() {
		code := in.State.ExitCode
		s.ExitCode = &code
	}
	if s.Status == task.ContainerStopped {
		// A running container may carry the mark of a child that was killed; only an ended one has failed.
		s.Failure = failureOf(in.State)
	}
	if in.Config != nil {
		s.Labels = in.Config.Labels
	}
	if in.HostConfig != nil {
		s.NetworkMode = string(in.HostConfig.NetworkMode)
	}
	if in.NetworkSettings != nil {
		s.Networks = networksOf(in.NetworkSettings.Networks)
		var err error
		if s.Bindings, err = bindingsOf(in.NetworkSettings.Ports); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func statusOf(s *container.State, started time.Time) task.ContainerStatus {
	switch {
	case s.Running: // paused and restarting containers are running, too
		return task.ContainerRunning
	case s.Dead:
		return task.ContainerStopped
	case started.IsZero() && s.Error == "":
		return task.ContainerCreated
	default:
		return task.ContainerStopped
	}
}

func failureOf(s *container.State) *task.Error {
	switch {
	case s.OOMKilled:
		return &task.Error{Name: task.ErrOutOfMemory, Message: "Container killed due to memory usage"}
	case s.Error != "":
		return &task.Error{Name: task.ErrDockerState, Message: s.Error}
	}
	return nil
}

// dockerTime reads a time of the API; Docker's zero time and what cannot be read are the zero time.
func dockerTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

func healthOf(h *container.Health, now time.Time) *task.Health {
	if h == nil {
		return nil
	}
	health := &task.Health{Status: healthStatus(h.Status), Since: now}
	if len(h.Log) == 0 {
		return health
	}
	if last := h.Log[len(h.Log)-1]; last != nil {
		health.Output = strings.ToValidUTF8(last.Output[:min(len(last.Output), maxHealthOutput)], "") // no half character
		if health.Status == task.HealthUnhealthy {
			health.ExitCode = last.ExitCode
		}
	}
	return health
}

func healthStatus(word string) task.HealthStatus {
	switch word {
	case container.Healthy:
		return task.HealthHealthy
	case container.Unhealthy:
		return task.HealthUnhealthy
	}
	return task.HealthUnknown // starting, or no check
}

// bindingsOf lists published ports, ordered by container port. Ports of protocols that ECS does not know (an image may
// expose an SCTP port) are left out.
func bindingsOf(ports nat.PortMap) ([]task.PortMapping, error) {
	var list []task.PortMapping
	for port, hosts := range ports {
		number, protocolName, _ := strings.Cut(string(port), "/")
		protocol, err := task.ParseProtocol(protocolName)
		if err != nil {
			continue
		}
		for _, host := range hosts {
			containerPort, err := parsePort(number)
			if err != nil {
				return nil, err
			}
			hostPort, err := parsePort(host.HostPort)
			if err != nil {
				return nil, err
			}
			list = append(list, task.PortMapping{
				ContainerPort: containerPort, HostPort: hostPort, BindIP: host.HostIP, Protocol: protocol,
			})
		}
	}
	slices.SortStableFunc(list, func(a, b task.PortMapping) int {
		return cmp.Or(cmp.Compare(a.ContainerPort, b.ContainerPort), cmp.Compare(a.Protocol, b.Protocol))
	})
	return list, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, &task.Error{Name: task.ErrUnparsablePort, Message: err.Error(), Cause: err}
	}
	return uint16(n), nil
}

func mountsOf(points []container.MountPoint) []task.Mount {
	mounts := make([]task.Mount, len(points))
	for i, p := range points {
		mounts[i] = task.Mount{
			Name: p.Name, Source: p.Source, Destination: p.Destination, Driver: p.Driver, Mode: p.Mode, ReadOnly: !p.RW,
		}
	}
	return mounts
}

// networksOf lists the networks, ordered by name.
func networksOf(endpoints map[string]*network.EndpointSettings) []task.Network {
	networks := make([]task.Network, 0, len(endpoints))
	for name, e := range endpoints {
		if e == nil {
			e = &network.EndpointSettings{}
		}
		networks = append(networks, task.Network{
			Name: name, IPv4: e.IPAddress, IPv6: e.GlobalIPv6Address, MAC: e.MacAddress, IPv4Prefix: e.IPPrefixLen, Gateway: e.Gateway,
		})
	}
	slices.SortFunc(networks, func(a, b task.Network) int { return cmp.Compare(a.Name, b.Name) })
	return networks
}

// partialStateOf reads an entry of the list of containers. The list cannot tell a container that failed to start from
// one that was never started: both are CREATED.
func partialStateOf(in *container.Summary) task.ContainerState {
	s := task.ContainerState{
		RuntimeID:   in.ID,
		Status:      listedStatus(in.State, in.Status),
		Labels:      in.Labels,
		ImageID:     in.ImageID,
		Mounts:      mountsOf(in.Mounts),
		NetworkMode: in.HostConfig.NetworkMode,
		Health:      listedHealth(in.Status),
		Partial:     true,
	}
	if in.Created > 0 {
		s.CreatedAt = time.Unix(in.Created, 0).UTC() // to the second
	}
	for _, name := range in.Names {
		// Links show up as further names, "/other/alias".
		if name = strings.TrimPrefix(name, "/"); !strings.Contains(name, "/") {
			s.Name = name
		}
	}
	if in.NetworkSettings != nil {
		s.Networks = networksOf(in.NetworkSettings.Networks)
	}
	return s
}

// listedHealth reads the end of the text for people, "Up 3 minutes (healthy)"; nil when it says nothing of health.
func listedHealth(text string) *task.Health {
	_, word, _ := strings.Cut(text, " (")
	switch word {
	case "healthy)", "unhealthy)":
		return &task.Health{Status: healthStatus(strings.TrimSuffix(word, ")"))}
	case "health: starting)":
		return &task.Health{Status: task.HealthUnknown}
	}
	return nil
}

// listedStatus reads the state word, or on API versions before 1.23 the text for people.
func listedStatus(state, text string) task.ContainerStatus {
	if state == "" {
		first, _, _ := strings.Cut(text, " ")
		state = map[string]string{"Up": "running", "Restarting": "restarting", "Created": "created", "": "created"}[first]
	}
	switch state {
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return task.ContainerRunning
	case container.StateCreated:
		return task.ContainerCreated
	default:
		return task.ContainerStopped
	}
}

package mapping

import (
	"fmt"
	"strconv"

	"github.com/docker/go-connections/nat"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// publishedPort is a container port and the host port that leads to it.
type publishedPort struct {
	container, host uint16
	protocol        task.Protocol
}

// portBindings publishes the container's ports, one by one: Docker does not choose any. Tasks with a network interface
// of their own have no ports on the host, and Docker refuses to publish any for them.
func portBindings(b *build) error {
	if b.task.NetworkMode == "awsvpc" {
		return nil
	}
	b.facts.Ports.Release(b.c.RuntimeName)
	holdFixedPorts(b)
	for _, m := range b.c.Ports {
		if err := publish(b, m); err != nil {
			return fmt.Errorf("error retrieving docker port map: %w", err)
		}
	}
	b.Config.ExposedPorts = nat.PortSet{}
	for _, p := range b.published {
		port := nat.Port(strconv.Itoa(int(p.container)) + "/" + p.protocol.String())
		b.Config.ExposedPorts[port] = struct{}{}
		b.HostConfig.PortBindings[port] = append(b.HostConfig.PortBindings[port], nat.PortBinding{HostPort: strconv.Itoa(int(p.host))})
	}
	return nil
}

// holdFixedPorts keeps the search for free host ports away from those that containers of this task name themselves.
func holdFixedPorts(b *build) {
	for _, c := range b.task.Containers {
		for _, m := range c.Ports {
			if m.HostPort != 0 {
				b.facts.Ports.Hold(b.c.RuntimeName, m.HostPort, m.Protocol)
			}
		}
	}
}

// publish adds the ports of one entry of portMappings.
func publish(b *build, m task.PortMapping) error {
	switch {
	case m.ContainerPort != 0:
		host := m.HostPort
		if host == 0 {
			found, err := b.facts.Ports.Reserve(b.c.RuntimeName, 1, m.Protocol)
			if err != nil {
				return err
			}
			host = found.First
		}
		b.published = append(b.published, publishedPort{m.ContainerPort, host, m.Protocol})
		if b.SinglePorts == nil {
			b.SinglePorts = task.PortSet{}
		}
		b.SinglePorts[m.ContainerPort] = struct{}{}
	case m.ContainerPortRange != "":
		return publishRange(b, m)
	}
	return nil
}

// publishRange adds a range of container ports; the host ports behind them are contiguous too.
func publishRange(b *build, m task.PortMapping) error {
	ports, err := task.ParsePortRange(m.ContainerPortRange)
	if err != nil {
		return err
	}
	host, err := b.facts.Ports.Reserve(b.c.RuntimeName, ports.Len(), m.Protocol)
	if err != nil {
		return err
	}
	for i := range ports.Len() {
		b.published = append(b.published, publishedPort{ports.First + uint16(i), host.First + uint16(i), m.Protocol})
	}
	b.HasPortRange = true
	if b.HostRanges == nil {
		b.HostRanges = map[string]string{}
	}
	b.HostRanges[task.HostRangeKey(b.HostRanges, ports, m.Protocol)] = host.String()
	return nil
}

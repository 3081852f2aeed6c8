package ecsapi

import (
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Ports says which ports of a container are published.
type Ports struct {
	// Observed are the bindings of the running container.
	Observed []task.PortMapping
	// Single are the container ports asked for one by one; HostRanges maps ranges of container ports to ranges of host
	// ports. Bindings of other ports are not reported.
	Single     task.PortSet
	HostRanges map[string]string
	// HasRange says that the container asked for at least one range.
	HasRange bool
}

type networkBinding struct {
	BindIP             string  `json:"bindIP"`
	ContainerPort      *uint16 `json:"containerPort,omitempty"`
	HostPort           *uint16 `json:"hostPort,omitempty"`
	ContainerPortRange string  `json:"containerPortRange,omitempty"`
	HostPortRange      string  `json:"hostPortRange,omitempty"`
	Protocol           string  `json:"protocol"`
}

// networkBindings returns the bindings to report. Nil means that the member is left out, empty that [] is sent: the latter
// happens only when nothing is filtered. A list over the limit is cut, so that it cannot block the reports of its task.
func (c *Client) networkBindings(taskARN, container string, p Ports) []networkBinding {
	published := task.Container{TaskARN: taskARN, Name: container,
		Bindings: p.Observed, SinglePorts: p.Single, HostRanges: p.HostRanges, HasPortRange: p.HasRange}
	bindings, err := published.ReportedBindings(c.excludeIPv6, c.excludeIPv4)
	if err != nil {
		logger.Error("Too many network bindings; reporting the first ones only",
			logger.F("taskARN", taskARN), logger.F("containerName", container), logger.Err(err))
	}
	if len(bindings) == 0 && (c.excludeIPv6 || c.excludeIPv4) {
		return nil
	}
	list := make([]networkBinding, len(bindings))
	for i, b := range bindings {
		list[i] = networkBinding{BindIP: b.BindIP, ContainerPortRange: b.ContainerPortRange, HostPortRange: b.HostPortRange, Protocol: b.Protocol.String()}
		if b.ContainerPortRange == "" {
			list[i].ContainerPort, list[i].HostPort = &b.ContainerPort, &b.HostPort
		}
	}
	return list
}

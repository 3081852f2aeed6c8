package mapping

import (
	"github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// networkMode keeps the network of the raw host config, which the service has filled in, except for tasks with a network
// interface of their own: their containers share the network of the pause container, which begins without any, as do
// containers that only hold PID and IPC namespaces.
func networkMode(b *build) error {
	switch {
	case b.c.Type == task.CNIPause, b.c.Type == task.NamespacePause:
		b.HostConfig.NetworkMode = "none"
	case b.task.NetworkMode == task.NetworkAWSVPC && b.c.Type == task.Normal:
		holder := networkHolder(b.task)
		if holder == "" {
			logger.Critical("The task has no container that holds its network", logger.F("taskARN", b.task.ARN), logger.F("containerName", b.c.Name))
			return nil
		}
		b.HostConfig.NetworkMode = container.NetworkMode("container:" + holder)
	}
	return nil
}

// networkHolder is the Docker id of the pause container that holds the task's network.
func networkHolder(t *task.Task) string {
	for _, c := range t.Containers {
		if c.Type == task.CNIPause {
			return c.RuntimeID
		}
	}
	return ""
}

// ownNetwork gives the pause container the name and the DNS of the task's interface. Docker writes the files, and the
// containers that share the network share them, too.
func ownNetwork(b *build) error {
	eni := b.task.PrimaryENI()
	if b.c.Type != task.CNIPause || eni == nil {
		return nil
	}
	b.Config.Hostname = eni.DNSName
	addresses := eni.IPv4Addresses()
	if eni.IPv6Only() {
		addresses = eni.IPv6Addresses()
	}
	if eni.DNSName != "" {
		for _, address := range addresses {
			b.HostConfig.ExtraHosts = append(b.HostConfig.ExtraHosts, eni.DNSName+":"+address)
		}
	}
	b.HostConfig.DNS = listed(eni.NameServers)
	b.HostConfig.DNSSearch = listed(eni.SearchDomains)
	if len(eni.IPv6) > 0 {
		// Docker turns IPv6 off where there is no network.
		b.HostConfig.Sysctls = map[string]string{"net.ipv6.conf.all.disable_ipv6": "0"}
	}
	return nil
}

// listed is a list that is empty rather than missing.
func listed(list []string) []string { return append([]string{}, list...) }

package mapping

import (
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

const (
	// Docker takes 0 shares for its default of 1024, so the least is what the kernel takes. The most is the kernel's too.
	minCPUShares = 2
	maxCPUShares = 262144

	mib = 1 << 20
	// minMemory in bytes.
	minMemory = 4 * mib
)

// cpuAndMemory are the container's own limits.
func cpuAndMemory(b *build) error {
	b.HostConfig.CPUShares = min(max(int64(b.c.CPU), minCPUShares), maxCPUShares)
	b.HostConfig.Memory = memoryLimit(b)
	return nil
}

// memoryLimit in bytes; 0 is no limit.
func memoryLimit(b *build) int64 {
	limit := int64(b.c.Memory) * mib
	switch {
	case limit == 0 && b.facts.CgroupV2 && b.facts.PropagateTaskMemory:
		return b.task.Memory * mib
	case limit != 0 && limit < minMemory:
		logger.Warn("Container memory limit is raised to the minimum", logger.F("taskARN", b.task.ARN), logger.F("containerName", b.c.Name),
			logger.F("memory", limit), logger.F("minimum", minMemory))
		return minMemory
	}
	return limit
}

// cgroupParent puts the container below the cgroup of its task.
func cgroupParent(b *build) error {
	if !b.task.LimitsEnabled {
		return nil
	}
	root, err := b.task.CgroupParent(b.facts.CgroupSlices)
	if err != nil {
		return fmt.Errorf("task cgroup override: unable to obtain cgroup root for task: %s: %w", b.task.ARN, err)
	}
	b.HostConfig.CgroupParent = root
	return nil
}

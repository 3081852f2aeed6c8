package config

import "strings"

// dropLinuxFeatures turns off what does not exist on Windows.
func (l *loader) dropLinuxFeatures(cfg *Config) {
	for _, name := range []string{"ECS_TASK_PIDS_LIMIT", "ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2"} {
		if strings.TrimSpace(l.get(name)) != "" {
			l.warnf("%s is not supported on Windows", name)
		}
	}
	cfg.TaskPidsLimit = 0
	cfg.PropagateTaskMemoryLimitCgroupV2 = false
	cfg.ENITrunkingEnabled = false
	cfg.TaskCPUMemLimit = Toggle{Explicit: cfg.TaskCPUMemLimit.Explicit}
}

// dropWindowsFeatures turns off what exists on Windows only.
func (l *loader) dropWindowsFeatures(cfg *Config) {
	if cfg.CPUUnboundedWindowsWorkaround || cfg.MemoryUnboundedWindowsWorkaround {
		l.warnf("ECS_ENABLE_CPU_UNBOUNDED_WINDOWS_WORKAROUND and ECS_ENABLE_MEMORY_UNBOUNDED_WINDOWS_WORKAROUND have no effect on Linux")
	}
	cfg.CPUUnboundedWindowsWorkaround, cfg.MemoryUnboundedWindowsWorkaround = false, false
}

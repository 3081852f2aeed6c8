package config

import "time"

// platform holds the defaults and limits that differ between Linux and Windows.
type platform struct {
	windows bool

	dockerEndpoint      string
	dataDir             string
	dataDirOnHost       string
	auditLogFile        string
	runtimeStatsLogFile string
	cniPluginsPath      string
	csiSocketPath       string

	reservedPorts  []uint16
	loggingDrivers []string
	// portRange is the dynamic port range when the kernel does not tell its own.
	portRange string

	startTimeout, startTimeoutMin        time.Duration
	pullInactivityTimeout                time.Duration
	nodeStageTimeout, nodeUnstageTimeout time.Duration
}

func linux() platform {
	return platform{
		dockerEndpoint:      "unix:///var/run/docker.sock",
		dataDir:             "/data/",
		dataDirOnHost:       "/var/lib/ecs",
		auditLogFile:        "/log/audit.log",
		runtimeStatsLogFile: "/log/agent-runtime-stats.log",
		cniPluginsPath:      "/amazon-ecs-cni-plugins",
		csiSocketPath:       "/var/run/ecs/ebs-csi-driver/csi-driver.sock",

		reservedPorts:  []uint16{22, 2375, 2376, 51678, 51679},
		loggingDrivers: []string{"json-file", "none"},
		portRange:      "49153-65535",

		startTimeout:          3 * time.Minute,
		startTimeoutMin:       45 * time.Second,
		pullInactivityTimeout: time.Minute,
		nodeStageTimeout:      2 * time.Second,
		nodeUnstageTimeout:    30 * time.Second,
	}
}

// windows takes the values of ProgramData and ProgramFiles, which may be empty.
func windows(programData, programFiles string) platform {
	if programData == "" {
		programData = `C:\ProgramData`
	}
	if programFiles == "" {
		programFiles = `C:\Program Files`
	}
	ecs := programData + `\Amazon\ECS`
	return platform{
		windows: true,

		dockerEndpoint:      "npipe:////./pipe/docker_engine",
		dataDir:             ecs + `\data`,
		dataDirOnHost:       ecs + `\data`,
		auditLogFile:        ecs + `\log\audit.log`,
		runtimeStatsLogFile: ecs + `\log\agent-runtime-stats.log`,
		cniPluginsPath:      programFiles + `\Amazon\ECS\cni`,
		csiSocketPath:       ecs + `\ebs-csi-driver\csi-driver.sock`,

		reservedPorts:  []uint16{2375, 2376, 51678, 51679, 3389, 135, 445, 5985, 5986, 53, 139},
		loggingDrivers: []string{"json-file", "none", "awslogs"},
		portRange:      "49152-65535",

		startTimeout:          8 * time.Minute,
		startTimeoutMin:       2 * time.Minute,
		pullInactivityTimeout: 3 * time.Minute,
		nodeStageTimeout:      10 * time.Minute,
		nodeUnstageTimeout:    10 * time.Minute,
	}
}

package config

import "time"

// settings returns the table of everything that can be configured, grouped as the documentation shows it.
func settings(p platform) []group {
	return []group{
		{"Identity, region, endpoints", identitySettings()},
		{"State and updates", stateSettings(p)},
		{"Docker daemon and registries", dockerSettings(p)},
		{"Reserved resources", reservedSettings(p)},
		{"Task and container timing", timingSettings(p)},
		{"Images", imageSettings(p)},
		{"Networking", networkSettings(p)},
		{"IAM and credentials", credentialSettings(p)},
		{"Metadata, metrics, diagnostics", metricSettings(p)},
		{"Limits and devices", limitSettings()},
		{"Storage, secrets plug-ins, log routing", storageSettings(p)},
		{"Pause container", pauseSettings()},
	}
}

func identitySettings() []setting {
	return []setting{
		{env: "ECS_CLUSTER", key: "Cluster", kind: stringKind, trim: true, defText: "empty: the cluster `default`",
			doc: "Cluster to register into, by short name or full ARN. Without one the agent registers into `default`, creating it if need be."},
		{env: "AWS_DEFAULT_REGION", key: "AWSRegion", kind: stringKind, trim: true, defText: "from instance metadata",
			doc: "Region of the cluster. Required outside EC2. `AWS_REGION` is not consulted."},
		{env: "ECS_BACKEND_HOST", key: "APIEndpoint", kind: stringKind, trim: true, defText: "empty: the public endpoint of the region",
			doc: "Endpoint of the ECS API; `https://` is assumed when neither `http://` nor `https://` is given. With it no FIPS or dual-stack variant is chosen. Point it at local-ecs to run without AWS."},
		{env: "ECS_EXTERNAL", key: "External", kind: triKind,
			doc: "The host is not an EC2 instance (ECS Anywhere): instance metadata is never asked and the variable `AWS_DEFAULT_REGION` must be set. From the JSON file it takes effect after loading."},
		{key: "NoIID", kind: twoStateKind,
			doc: "Neither fetch nor send the instance identity document; the region then comes from `placement/region`."},
		{env: "ECS_INSTANCE_ATTRIBUTES", key: "InstanceAttributes", kind: mapKind, defText: "`{}`",
			fatalFormat: "Invalid format for ECS_INSTANCE_ATTRIBUTES. Expected a json hash: %v",
			doc:         "Custom attributes of the container instance, for example `{\"stack\":\"prod\"}`. Sent on the first registration only. Malformed: the agent does not start."},
		{env: "ECS_CONTAINER_INSTANCE_TAGS", key: "ContainerInstanceTags", kind: mapKind, defText: "`{}`",
			fatalFormat: "Invalid format for ECS_CONTAINER_INSTANCE_TAGS. Expected a json hash: %v",
			doc:         "Tags of the container instance; of duplicate keys the last wins. Malformed: the agent does not start."},
		{env: "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM", key: "ContainerInstancePropagateTagsFrom", kind: propagateTagsKind,
			doc: "`ec2_instance` adds the tags of the EC2 instance, which needs permission for `ec2:DescribeTags`. In the JSON file: 0 or 1."},
		{env: "ECS_WARM_POOLS_CHECK", key: "WarmPoolsSupport", kind: triKind,
			doc: "Wait with the registration until the instance has left its Auto Scaling warm pool."},
		{env: "ECS_ENABLE_SPOT_INSTANCE_DRAINING", key: "SpotInstanceDrainingEnabled", kind: triKind,
			doc: "Set the container instance to DRAINING when EC2 announces a Spot interruption."},
		{env: "ECS_INSTANCE_IP_COMPATIBILITY", field: "InstanceIPCompatibility", allowed: "`ipv4`, `ipv6`, any case", defText: "from the host's default routes",
			doc: "IP families the instance can use. An instance with IPv6 alone uses dual-stack AWS endpoints and reports IPv6 port bindings. Not available on Windows."},
		{env: "ECS_DETAILED_OS_FAMILY", field: "DetailedOSFamily", allowed: "text", defText: "`LINUX`",
			doc: "Operating system sent as attribute and in the User-Agent; ecs-init sets it, for example `amzn_2023`. Set but empty sends nothing."},
		{env: "ECS_AGENT_CONFIG_FILE_PATH", allowed: "path", defText: "`" + defaultConfigFile + "`",
			doc: "The JSON file, as a path inside the agent container. ecs-init sets `/etc/ecs/ecs.config.json`."},
	}
}

func stateSettings(p platform) []setting {
	return []setting{
		{env: "ECS_DATADIR", key: "DataDir", kind: stringKind, def: p.dataDir,
			doc: "Directory of the agent's state, as a path inside the agent container. With checkpointing it must exist. ecs-init sets `/data`."},
		{env: "ECS_HOST_DATA_DIR", key: "DataDirOnHost", kind: stringKind, def: p.dataDirOnHost,
			doc: "Host directory whose sub-directory `data` is mounted on `ECS_DATADIR`."},
		{env: "ECS_CHECKPOINT", key: "Checkpoint", kind: triKind, defText: "`true` when the variable `ECS_DATADIR` is set, else `false`",
			doc: "Keep state in the data directory, so that a restarted agent finds its tasks and its registration again. A `DataDir` of the JSON file does not turn it on."},
		{env: "ECS_UPDATES_ENABLED", key: "UpdatesEnabled", kind: triKind,
			doc: "Take part in agent updates requested through the ECS API."},
		{env: "ECS_UPDATE_DOWNLOAD_DIR", key: "UpdateDownloadDir", kind: stringKind,
			doc: "Directory for downloaded updates, as a path inside the agent container."},
	}
}

func dockerSettings(p platform) []setting {
	return []setting{
		{env: "DOCKER_HOST", key: "DockerEndpoint", kind: stringKind, def: p.dockerEndpoint, allowed: "`unix://…`, `tcp://…`",
			doc: "Address of the Docker daemon. `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH` and `DOCKER_API_VERSION` are not honoured."},
		{env: "ECS_ENGINE_AUTH_TYPE", key: "EngineAuthType", kind: stringKind, trim: true, allowed: "`docker`, `dockercfg`", defText: "empty: no credentials",
			doc: "Format of `ECS_ENGINE_AUTH_DATA`. Any other value means no registry credentials."},
		{env: "ECS_ENGINE_AUTH_DATA", key: "EngineAuthData", kind: secretKind,
			doc: "Credentials of private registries. Secret: never logged."},
		{env: "ECS_DOCKER_RUNTIME", field: "DockerRuntime", kind: stringKind, trim: true, defText: "empty: the daemon's default runtime",
			doc: "OCI runtime of the containers of tasks, by the name under which the daemon knows it (`docker info`), for example `runsc` or `sysbox-runc`. Pause containers, containers with GPUs or Inferentia devices and those whose `hostConfig` names a runtime keep theirs. A runtime the daemon does not have: the agent does not start."},
		{env: "ECS_AVAILABLE_LOGGING_DRIVERS", key: "AvailableLoggingDrivers", kind: listKind, def: p.loggingDrivers,
			allowed: "JSON list of `json-file`, `syslog`, `journald`, `gelf`, `fluentd`, `awslogs`, `splunk`, `logentries`, `sumologic`, `none`, `awsfirelens`",
			doc:     "Log drivers tasks may use on this instance. Malformed: the default; an unknown name: the agent does not start."},
		{env: "ECS_DISABLE_PRIVILEGED", key: "PrivilegedDisabled", kind: triKind,
			doc: "Do not offer privileged containers (the capability alone is dropped)."},
		{env: "ECS_SELINUX_CAPABLE", key: "SELinuxCapable", kind: triKind,
			doc: "Offer the SELinux capability."},
		{env: "ECS_APPARMOR_CAPABLE", key: "AppArmorCapable", kind: triKind,
			doc: "Offer the AppArmor capability."},
		{env: "ECS_DISABLE_DOCKER_HEALTH_CHECK", key: "DisableDockerHealthCheck", kind: triKind,
			doc: "Do not offer container health checks (the capability alone is dropped)."},
	}
}

func reservedSettings(p platform) []setting {
	return []setting{
		{env: "ECS_RESERVED_PORTS", key: "ReservedPorts", kind: portsKind, def: p.reservedPorts,
			doc: "TCP ports of the host that no task gets. A list replaces the default, so it should contain the agent's own ports 51678 and 51679."},
		{env: "ECS_RESERVED_PORTS_UDP", key: "ReservedPortsUDP", kind: portsKind, def: []uint16{},
			doc: "UDP ports of the host that no task gets."},
		{env: "ECS_RESERVED_MEMORY", key: "ReservedMemory", kind: uint16Kind,
			doc: "Memory in MiB kept from tasks: it is subtracted from what the instance registers."},
		{env: "ECS_DYNAMIC_HOST_PORT_RANGE", key: "DynamicHostPortRange", kind: portRangeKind, envOnly: true,
			defText: "the kernel's `ip_local_port_range`, else `" + p.portRange + "`",
			doc:     "Host ports for dynamic port mappings."},
	}
}

func timingSettings(p platform) []setting {
	return []setting{
		{env: "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", key: "TaskCleanupWaitDuration", kind: durationKind, def: 3 * time.Hour, min: int64(time.Second),
			doc: "Time a stopped task's containers stay before they are removed. A smaller value is replaced by the default."},
		{env: "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION_JITTER", key: "TaskCleanupWaitDurationJitter", kind: durationKind,
			doc: "Upper bound of a random time added to the wait above, so that many instances do not clean up at once."},
		{env: "ECS_CONTAINER_STOP_TIMEOUT", key: "DockerStopTimeout", kind: durationKind, def: 30 * time.Second,
			envMin: time.Second, min: int64(time.Second), fatalName: "docker container stop timeout",
			doc: "Time a container gets to end after its stop signal before it is killed, unless the task definition says otherwise. The variable is raised to the minimum; a smaller value in the JSON file keeps the agent from starting."},
		{env: "ECS_CONTAINER_START_TIMEOUT", key: "ContainerStartTimeout", kind: durationKind, def: p.startTimeout,
			envMin: p.startTimeoutMin, min: int64(p.startTimeoutMin), fatalName: "docker container start timeout",
			doc: "Time the start of a container may take. Too small values as above."},
		{env: "ECS_CONTAINER_CREATE_TIMEOUT", key: "ContainerCreateTimeout", kind: durationKind, def: 4 * time.Minute, envMin: time.Minute,
			doc: "Time the creation of a container may take. A smaller value of the variable is raised to the minimum."},
		{env: "ECS_CONTAINER_INSPECT_TIMEOUT", field: "ContainerInspectTimeout", kind: durationKind, def: 30 * time.Second, envMin: time.Second,
			doc: "Time a look at a container (`docker inspect`) may take. One that takes longer ends no task: it is repeated, and the exit code comes from Docker's event. A smaller value is raised to the minimum."},
		{env: "ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT", key: "DependentContainersPullUpfront", kind: triKind,
			doc: "Pull the images of containers that wait for others (`dependsOn`) before the others are ready."},
		{env: "ECS_MAX_CONCURRENT_STARTS", key: "MaxConcurrentStarts", kind: intKind, defText: "`0`: unlimited",
			doc: "Containers being started at once; further ones wait in the order in which they came up, so that a burst of tasks does not drown the host. One that hangs counts for half a minute. An addition of this agent."},
	}
}

func imageSettings(p platform) []setting {
	return []setting{
		{env: "ECS_IMAGE_PULL_BEHAVIOR", key: "ImagePullBehavior", kind: pullBehaviorKind,
			doc: "`default`: pull, and use the local image when the pull fails. `always`: pull, and fail when the pull fails. `once`: pull only when no task of this instance did before. `prefer-cached`: pull only when the image is not there; image cleanup is off. In the JSON file: 0 to 3."},
		{env: "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT", key: "ImagePullInactivityTimeout", kind: durationKind, def: p.pullInactivityTimeout, envMin: time.Minute, min: int64(time.Minute),
			doc: "Time a pull may go without progress. A smaller value of the variable is raised to the minimum."},
		{env: "ECS_IMAGE_PULL_TIMEOUT", key: "ImagePullTimeout", kind: durationKind, def: 2 * time.Hour,
			doc: "Time a pull may take in all."},
		{env: "ECS_MANIFEST_PULL_TIMEOUT", key: "ManifestPullTimeout", kind: durationKind, def: time.Minute, envMin: 30 * time.Second,
			doc: "Time the request for an image manifest may take. A smaller value of the variable is raised to the minimum."},
		{env: "ECS_DISABLE_IMAGE_CLEANUP", key: "ImageCleanupDisabled", kind: triKind,
			doc: "Never remove images."},
		{env: "ECS_IMAGE_CLEANUP_INTERVAL", key: "ImageCleanupInterval", kind: durationKind, def: 30 * time.Minute, min: int64(10 * time.Minute),
			doc: "Time between two rounds of image cleanup. A smaller value is replaced by the default."},
		{env: "ECS_IMAGE_MINIMUM_CLEANUP_AGE", key: "MinimumImageDeletionAge", kind: durationKind, def: time.Hour,
			doc: "Age an image must have to be removed, counted from its pull."},
		{env: "NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE", key: "NonECSMinimumImageDeletionAge", kind: durationKind, def: time.Hour,
			doc: "Age an image that no task brought must have to be removed."},
		{env: "ECS_NUM_IMAGES_DELETE_PER_CYCLE", key: "NumImagesToDeletePerCycle", kind: intKind, def: 5, min: 1,
			doc: "Images removed in one round at most. A smaller value is replaced by the default."},
		{env: "NONECS_NUM_CONTAINERS_DELETE_PER_CYCLE", key: "NumNonECSContainersToDeletePerCycle", kind: intKind, def: 5,
			doc: "Containers not started by the agent that are removed in one round at most."},
		{env: "ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP", key: "DeleteNonECSImagesEnabled", kind: triKind,
			doc: "Also remove images and dead containers that no task brought."},
		{env: "ECS_EXCLUDE_UNTRACKED_IMAGE", key: "ImageCleanupExclusionList", kind: csvKind, allowed: "`name:tag,…`",
			doc: "Images that are never removed. Blanks count as part of the names; a JSON list in the JSON file."},
		{env: "ECS_IMAGE_CLEANUP_FREE_SPACE_THRESHOLD", field: "ImageCleanupFreeSpace", kind: freeSpaceKind, defText: "empty: off",
			doc: "Room to keep free on the disk of Docker's data directory, as a share of its size or in bytes. When there is less before a pull or in a round of image cleanup, images that no task uses are removed, those unused the longest first and whatever their age, then containers of stopped tasks whose end ECS knows, until there is enough. Images under `ECS_EXCLUDE_UNTRACKED_IMAGE` and `ECS_PREPULL_IMAGES` stay. Works with `prefer-cached`, too; not with `ECS_DISABLE_IMAGE_CLEANUP`. An addition of this agent."},
		{env: "ECS_PREPULL_IMAGES", field: "PrepullImages", kind: listKind,
			doc: "Images pulled at start, with the credentials and the pull behaviour that tasks have. Image cleanup leaves them alone while they are listed. Pulls that fail are logged. An addition of this agent."},
		{env: "ECS_PREPULL_WAIT", field: "PrepullWait", kind: triKind,
			doc: "Register the instance only after the pulls of `ECS_PREPULL_IMAGES` have ended, well or not. An addition of this agent."},
		{env: "ECS_MAX_CONCURRENT_PULLS", key: "MaxConcurrentPulls", kind: intKind, defText: "`0`: unlimited",
			doc: "Images being pulled at once, whatever the number of containers that wait for each; further ones wait in the order in which they came up. A pull of which nothing comes for 15 seconds does not count any more. An addition of this agent."},
	}
}

func networkSettings(p platform) []setting {
	return []setting{
		{env: "ECS_ENABLE_TASK_ENI", key: "TaskENIEnabled", kind: triKind,
			doc: "Offer the network mode `awsvpc`: tasks with a network interface of their own."},
		{env: "ECS_ENABLE_HIGH_DENSITY_ENI", key: "ENITrunkingEnabled", kind: triKind, envOnly: true, defText: "`true`",
			doc: "Use trunk interfaces for more `awsvpc` tasks per instance. Counts only with `ECS_ENABLE_TASK_ENI`. Not available on Windows."},
		{env: "ECS_CNI_PLUGINS_PATH", key: "CNIPluginsPath", kind: stringKind, def: p.cniPluginsPath,
			doc: "Directory of the CNI plug-ins, as a path inside the agent container."},
		{env: "ECS_AWSVPC_BLOCK_IMDS", key: "AWSVPCBlockInstanceMetdata", kind: triKind,
			doc: "Keep `awsvpc` tasks from the instance metadata service. (The JSON key is spelt so.)"},
		{env: "ECS_AWSVPC_ADDITIONAL_LOCAL_ROUTES", key: "AWSVPCAdditionalLocalRoutes", kind: routesKind, defText: "`[]`",
			fatalFormat: "Invalid format for ECS_AWSVPC_ADDITIONAL_LOCAL_ROUTES. Expected a json list of CIDR blocks: %v",
			doc:         "Networks that `awsvpc` tasks reach through the host instead of their own interface. Malformed: the agent does not start."},
		{key: "OverrideAWSVPCLocalIPv4Address", kind: prefixKind,
			doc: "Local address of the bridge of `awsvpc` tasks, for example `169.254.172.42/22`. Limits the instance to one such task."},
		{env: "ECS_EXCLUDE_IPV6_PORTBINDING", key: "ShouldExcludeIPv6PortBinding", kind: triKind, defText: "`true`; `false` on an instance with IPv6 alone",
			doc: "Leave `::` bindings out of reported port bindings."},
		{key: "ENIPauseContainerCleanupDelaySeconds", kind: intKind,
			doc: "Seconds to wait before the pause container of an `awsvpc` task is removed."},
	}
}

func credentialSettings(p platform) []setting {
	return []setting{
		{env: "ECS_ENABLE_TASK_IAM_ROLE", key: "TaskIAMRoleEnabled", kind: triKind,
			doc: "Offer IAM roles for tasks with network modes `bridge` and `none`. The credentials endpoint is served in any case."},
		{env: "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST", key: "TaskIAMRoleEnabledForNetworkHost", kind: twoStateKind,
			doc: "Offer IAM roles for tasks with network mode `host`."},
		{env: "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE", key: "OverrideAWSLogsExecutionRole", kind: triKind,
			doc: "Offer the `awslogs` driver with credentials of the task execution role."},
		{env: "ECS_AUDIT_LOGFILE", key: "CredentialsAuditLogFile", kind: stringKind, def: p.auditLogFile,
			doc: "Log of every request for task credentials, as a path inside the agent container."},
		{env: "ECS_AUDIT_LOGFILE_DISABLED", key: "CredentialsAuditLogDisabled", kind: twoStateKind,
			doc: "Do not write the audit log."},
		{env: "ECS_ALTERNATE_CREDENTIAL_PROFILE", field: "AlternateCredentialProfile", kind: stringKind, def: "default",
			doc: "Profile inside the rotating credentials file of ECS Anywhere hosts."},
		{key: "IMDSIAMRolesEnabled", kind: twoStateKind,
			doc: "Reserved for task credentials delivered through instance metadata."},
	}
}

func metricSettings(p platform) []setting {
	return []setting{
		{env: "ECS_DISABLE_METRICS", key: "DisableMetrics", kind: triKind,
			doc: "Collect no container statistics: neither ECS nor task metadata gets any. Container health and the status of the instance are reported all the same."},
		{env: "ECS_POLL_METRICS", key: "PollMetrics", kind: triKind,
			doc: "Take a sample of each container in intervals instead of every second. Docker is asked one by one instead of streaming, where it is asked at all (`ECS_STATS_SOURCE`)."},
		{env: "ECS_POLLING_METRICS_WAIT_DURATION", key: "PollingMetricsWaitDuration", kind: durationKind, def: 10 * time.Second,
			allowed: "duration, 5s–20s", doc: "Interval of `ECS_POLL_METRICS`. With polling on, values outside are set to the nearer limit."},
		{env: "ECS_STATS_SOURCE", field: "StatsSource", kind: statsSourceKind,
			doc: "Where container statistics come from. `cgroup`: the agent reads the kernel's counters itself. Docker's numbers come from the same place, but each stream keeps it busy: with 100 containers dockerd, containerd and the shims together use more than a tenth of a core, while reading the counters costs the agent about a hundredth and them nothing (`make bench` measures it). `docker`: Docker's statistics API. `auto`: `cgroup` for each container whose cgroup and process the agent can see (`ECS_CGROUP_PATH`, `/host/proc` or `/proc`), else `docker`. Not available on Windows."},
		{env: "ECS_ENABLE_CONTAINER_METADATA", key: "ContainerMetadataEnabled", kind: triKind,
			doc: "Write a metadata file for each container and tell its path in `ECS_CONTAINER_METADATA_FILE`."},
		{env: envMetadataLimit, allowed: "`rate,burst`, both above 0", defText: "`40,60`",
			doc: "Requests per second and burst of the task metadata and credentials endpoints, per caller. JSON keys: the next two rows."},
		{key: "TaskMetadataSteadyStateRate", kind: intKind, def: defaultMetadataRate,
			doc: "The rate of `ECS_TASK_METADATA_RPS_LIMIT`. If one of the two is not above 0, both get their default."},
		{key: "TaskMetadataBurstRate", kind: intKind, def: defaultMetadataBurst,
			doc: "The burst of `ECS_TASK_METADATA_RPS_LIMIT`."},
		{env: "ECS_DISABLE_TASK_METADATA_AZ", key: "TaskMetadataAZDisabled", kind: twoStateKind,
			doc: "Leave availability zone and zone id out of task metadata."},
		{env: "ECS_ENABLE_RUNTIME_STATS", key: "EnableRuntimeStats", kind: triKind,
			doc: "Serve Go profiles (`/debug/pprof/`) on port 51678 and write runtime statistics every 2 minutes."},
		{key: "RuntimeStatsLogFile", kind: stringKind, def: p.runtimeStatsLogFile,
			doc: "File of the runtime statistics, as a path inside the agent container."},
		{env: "ECS_ENABLE_PROMETHEUS_METRICS", key: "PrometheusMetricsEnabled", kind: twoStateKind, envOnly: true,
			doc: "Serve metrics for Prometheus at `/metrics` on port 51678. Also reserves TCP port 51680. Not available on Windows."},
		{env: "ECS_AGENT_HEALTHCHECK_HOST", allowed: "host name or address, IPv6 in brackets", defText: "`localhost`",
			doc: "Host that `-healthcheck` asks. Not used by the running agent."},
	}
}

func limitSettings() []setting {
	return []setting{
		{env: "ECS_ENABLE_TASK_CPU_MEM_LIMIT", key: "TaskCPUMemLimit", kind: toggleKind, def: Toggle{Enabled: true},
			doc: "Enforce CPU and memory limits of tasks with a cgroup. Unset: on where the host allows it; `true`: on, or the agent does not start. It takes the host's `/sys/fs/cgroup` and, where Docker's cgroup driver is `systemd`, systemd's D-Bus socket in `/var/run`. Always off on Windows."},
		{env: "ECS_CGROUP_PATH", key: "CgroupPath", kind: stringKind, def: "/sys/fs/cgroup",
			doc: "Mount point of the cgroup file system, as a path inside the agent container."},
		{env: "ECS_CGROUP_CPU_PERIOD", key: "CgroupCPUPeriod", kind: cpuPeriodKind, def: maxCPUPeriod, envOnly: true,
			doc: "CPU period of task limits. A value outside is replaced by the default."},
		{env: "ECS_TASK_PIDS_LIMIT", key: "TaskPidsLimit", kind: pidsLimitKind, defText: "`0`: unlimited",
			doc: "Processes a task may have. A value outside is as good as none. Not available on Windows."},
		{env: "ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2", key: "PropagateTaskMemoryLimitCgroupV2", kind: triKind,
			doc: "Set the task's memory limit on its containers too (cgroup v2). Not available on Windows."},
		{env: "ECS_ENABLE_GPU_SUPPORT", key: "GPUSupportEnabled", kind: twoStateKind,
			doc: "Offer the instance's NVIDIA GPUs to tasks."},
		{env: "ECS_NVIDIA_RUNTIME", key: "NvidiaRuntime", kind: stringKind, trim: true, def: "nvidia",
			doc: "Docker runtime of GPU containers."},
		{env: "ECS_ENABLE_INF_SUPPORT", key: "InferentiaSupportEnabled", kind: twoStateKind,
			doc: "Offer AWS Inferentia devices to tasks."},
		{env: "ECS_ENABLE_CPU_UNBOUNDED_WINDOWS_WORKAROUND", field: "CPUUnboundedWindowsWorkaround", kind: triKind,
			doc: "Let a container with `cpu` 0 use all CPUs. Windows only."},
		{env: "ECS_ENABLE_MEMORY_UNBOUNDED_WINDOWS_WORKAROUND", field: "MemoryUnboundedWindowsWorkaround", kind: triKind,
			doc: "Ignore memory reservations. Windows only."},
	}
}

func storageSettings(p platform) []setting {
	return []setting{
		{env: "ECS_SHARED_VOLUME_MATCH_FULL_CONFIG", key: "SharedVolumeMatchFullConfig", kind: triKind,
			doc: "An existing shared volume must have the labels and driver options of the task definition, not the name alone."},
		{env: "ECS_VOLUME_PLUGIN_CAPABILITIES", key: "VolumePluginCapabilities", kind: listKind, def: []string{},
			doc: "Features of the volume plug-in; each item is offered as `ecs.capability.<item>`. ecs-init sets `[\"efsAuth\"]`."},
		{env: envEBS, key: "EBSTASupportEnabled", kind: twoStateKind, defText: "`true`",
			doc: "Offer EBS volumes of tasks. The JSON key counts only when the variable is false."},
		{key: "CSIDriverSocketPath", kind: stringKind, def: p.csiSocketPath,
			doc: "Socket of the EBS driver."},
		{key: "NodeStageTimeout", kind: durationKind, def: p.nodeStageTimeout,
			doc: "Time the mounting of an EBS volume may take."},
		{key: "NodeUnstageTimeout", kind: durationKind, def: p.nodeUnstageTimeout,
			doc: "Time the unmounting of an EBS volume may take."},
		{env: envGMSA, key: "GMSACapable", kind: twoStateKind, envOnly: true,
			doc: "Offer Active Directory accounts (gMSA) to containers, when the credentials-fetcher daemon is there. The JSON key is not used."},
		{key: "GMSADomainlessCapable", kind: twoStateKind, defText: "computed", envOnly: true,
			doc: "Not used: computed from the variables of gMSA."},
		{env: envFSx, key: "FSxWindowsFileServerCapable", kind: twoStateKind, envOnly: true,
			doc: "Offer FSx for Windows File Server volumes. Always off on Linux."},
		{env: "ECS_ENABLE_FIRELENS_ASYNC", key: "FirelensAsyncEnabled", kind: triKind, def: true,
			doc: "Let containers with FireLens logging start although the log router cannot take their logs yet."},
	}
}

func pauseSettings() []setting {
	return []setting{
		{key: "PauseContainerImageName", kind: stringKind, def: "amazon/amazon-ecs-pause",
			doc: "Image of pause containers."},
		{key: "PauseContainerTag", kind: stringKind, def: "0.1.0",
			doc: "Tag of that image."},
		{key: "PauseContainerTarballPath", kind: stringKind, def: "/images/amazon-ecs-pause.tar",
			doc: "File the image is loaded from at every start, as a path inside the agent container."},
		{env: "ECS_PAUSE_LABELS", field: "PauseLabels", kind: mapKind, defText: "none",
			doc: "Labels of pause containers. Malformed: none, with a warning."},
	}
}

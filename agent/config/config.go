// Package config loads the agent's configuration: environment variables, the JSON file, EC2 user data, instance metadata
// (region only) and built-in defaults, merged in that order of precedence, validated and clamped.
//
// The package does no I/O of its own. Everything it looks at comes in through [Sources], so a test needs nothing but values.
package config

import (
	"net/netip"
	"time"
)

// Config is the final, merged and validated configuration. It is read once per process and not changed afterwards;
// treat it as a value to read from. Field names are the JSON keys of the configuration file; fields without a JSON key
// say so. All durations are at or above their documented minimum.
type Config struct {
	// Identity, region, endpoints.

	// Cluster is the short name or full ARN to register into. Empty means `default`, created on demand.
	Cluster string
	// AWSRegion is never empty after a successful load.
	AWSRegion string
	// APIEndpoint is the ECS endpoint with its scheme, or empty for the SDK's endpoint of the region.
	APIEndpoint string
	// External is true on hosts outside EC2 (ECS Anywhere): instance metadata is black-holed and NoIID is true.
	External bool
	// NoIID says that the instance identity document is neither fetched nor sent.
	NoIID bool
	// InstanceAttributes are custom attributes, sent on the first registration only.
	InstanceAttributes map[string]string
	// ContainerInstanceTags are sent on the first registration.
	ContainerInstanceTags map[string]string
	// ContainerInstancePropagateTagsFrom says whether EC2 tags of the instance are copied at registration.
	ContainerInstancePropagateTagsFrom PropagateTagsFrom
	// WarmPoolsSupport makes start-up wait until the instance leaves its Auto Scaling warm pool.
	WarmPoolsSupport bool
	// SpotInstanceDrainingEnabled drains the instance on a spot interruption notice.
	SpotInstanceDrainingEnabled bool
	// InstanceIPCompatibility is the override or what the host's routes say. No JSON key.
	InstanceIPCompatibility IPCompatibility
	// FIPSEnabled is true when the kernel runs in FIPS mode. Detected; no variable, no JSON key.
	FIPSEnabled bool
	// DetailedOSFamily is sent as `ecs.os-family-detailed` and in the User-Agent; empty means neither. No JSON key.
	DetailedOSFamily string

	// State and updates.

	// DataDir is the data directory as the agent process sees it.
	DataDir string
	// DataDirOnHost is the host directory whose `data` sub-directory is mounted on DataDir.
	DataDirOnHost string
	// Checkpoint says whether state is kept in DataDir. See CheckDataDir.
	Checkpoint bool
	// UpdatesEnabled makes the agent take part in update requests of the service.
	UpdatesEnabled bool
	// UpdateDownloadDir is a container path.
	UpdateDownloadDir string

	// Docker daemon and registries.

	// DockerEndpoint is a `unix://`, `tcp://` or (Windows) `npipe://` address.
	DockerEndpoint string
	// EngineAuthType is `docker`, `dockercfg`, or anything else for "no registry credentials".
	EngineAuthType string
	// EngineAuthData is a secret and prints as `[redacted]`.
	EngineAuthData Secret
	// DockerRuntime is the OCI runtime of task containers; empty: the daemon's default. No JSON key.
	DockerRuntime string
	// AvailableLoggingDrivers are advertised as capabilities.
	AvailableLoggingDrivers  []string
	PrivilegedDisabled       bool
	SELinuxCapable           bool
	AppArmorCapable          bool
	DisableDockerHealthCheck bool

	// Reserved resources.

	ReservedPorts    []uint16
	ReservedPortsUDP []uint16
	// ReservedMemory in MiB is subtracted from the memory the instance registers.
	ReservedMemory uint16
	// DynamicHostPortRange is `first-last`, see PortRange.
	DynamicHostPortRange string

	// Task and container timing.

	TaskCleanupWaitDuration time.Duration
	// TaskCleanupWaitDurationJitter is the upper bound of a random addition to TaskCleanupWaitDuration; 0 adds nothing.
	TaskCleanupWaitDurationJitter time.Duration
	DockerStopTimeout             time.Duration
	ContainerStartTimeout         time.Duration
	ContainerCreateTimeout        time.Duration
	// ContainerInspectTimeout has no JSON key.
	ContainerInspectTimeout        time.Duration
	DependentContainersPullUpfront bool
	// MaxConcurrentStarts bounds the container starts under way at once; 0 is no bound. MaxConcurrentPulls likewise.
	MaxConcurrentStarts int
	MaxConcurrentPulls  int

	// Images.

	ImagePullBehavior                   ImagePullBehavior
	ImagePullInactivityTimeout          time.Duration
	ImagePullTimeout                    time.Duration
	ManifestPullTimeout                 time.Duration
	ImageCleanupDisabled                bool
	ImageCleanupInterval                time.Duration
	MinimumImageDeletionAge             time.Duration
	NonECSMinimumImageDeletionAge       time.Duration
	NumImagesToDeletePerCycle           int
	NumNonECSContainersToDeletePerCycle int
	DeleteNonECSImagesEnabled           bool
	// ImageCleanupExclusionList holds `name:tag` items as written, blanks included.
	ImageCleanupExclusionList []string

	// ImageCleanupFreeSpace is how much of the disk with Docker's data is to stay free. It has no JSON key, like the next two.
	ImageCleanupFreeSpace FreeSpace
	// PrepullImages are pulled at start and never removed; with PrepullWait before the registration.
	PrepullImages []string
	PrepullWait   bool

	// Networking.

	TaskENIEnabled bool
	// ENITrunkingEnabled is only ever true together with TaskENIEnabled.
	ENITrunkingEnabled bool
	CNIPluginsPath     string
	// AWSVPCBlockInstanceMetdata is spelt as the JSON key is.
	AWSVPCBlockInstanceMetdata     bool
	AWSVPCAdditionalLocalRoutes    []netip.Prefix
	OverrideAWSVPCLocalIPv4Address netip.Prefix
	// ShouldExcludeIPv6PortBinding drops `::` bindings from state changes.
	ShouldExcludeIPv6PortBinding bool
	// ENIPauseContainerCleanupDelaySeconds is waited before a pause container is removed.
	ENIPauseContainerCleanupDelaySeconds int

	// IAM and credentials.

	TaskIAMRoleEnabled               bool
	TaskIAMRoleEnabledForNetworkHost bool
	OverrideAWSLogsExecutionRole     bool
	CredentialsAuditLogFile          string
	CredentialsAuditLogDisabled      bool
	// AlternateCredentialProfile names the profile inside the rotating credentials file. No JSON key.
	AlternateCredentialProfile string
	IMDSIAMRolesEnabled        bool

	// Metadata, metrics, diagnostics.

	DisableMetrics             bool
	PollMetrics                bool
	PollingMetricsWaitDuration time.Duration
	// StatsSource has no JSON key.
	StatsSource                 StatsSource
	ContainerMetadataEnabled    bool
	TaskMetadataSteadyStateRate int
	TaskMetadataBurstRate       int
	TaskMetadataAZDisabled      bool
	EnableRuntimeStats          bool
	RuntimeStatsLogFile         string
	// PrometheusMetricsEnabled serves /metrics and reserves TCP port 51680 (already contained in ReservedPorts).
	PrometheusMetricsEnabled bool

	// Limits and devices.

	// TaskCPUMemLimit: enabled and not explicit means "on, may degrade"; explicit means "on or fail".
	TaskCPUMemLimit Toggle
	CgroupPath      string
	CgroupCPUPeriod time.Duration
	// TaskPidsLimit 0 means unlimited.
	TaskPidsLimit                    int
	PropagateTaskMemoryLimitCgroupV2 bool
	GPUSupportEnabled                bool
	NvidiaRuntime                    string
	InferentiaSupportEnabled         bool
	// CPUUnboundedWindowsWorkaround and MemoryUnboundedWindowsWorkaround are Windows only. No JSON keys.
	CPUUnboundedWindowsWorkaround    bool
	MemoryUnboundedWindowsWorkaround bool

	// Storage, secrets plug-ins, log routing.

	SharedVolumeMatchFullConfig bool
	VolumePluginCapabilities    []string
	EBSTASupportEnabled         bool
	CSIDriverSocketPath         string
	NodeStageTimeout            time.Duration
	NodeUnstageTimeout          time.Duration
	GMSACapable                 bool
	GMSADomainlessCapable       bool
	FSxWindowsFileServerCapable bool
	FirelensAsyncEnabled        bool

	// Pause container.

	PauseContainerImageName   string
	PauseContainerTag         string
	PauseContainerTarballPath string
	// PauseLabels are put on pause containers. No JSON key.
	PauseLabels map[string]string
}

// Toggle is a switch that remembers whether somebody asked for its value.
type Toggle struct {
	Enabled bool
	// Explicit is true when a source gave the value, false when it is the built-in default.
	Explicit bool
}

// IPCompatibility says which IP families the instance can reach the outside with. Both false is possible and counts as IPv4.
type IPCompatibility struct {
	IPv4 bool
	IPv6 bool
}

// IPv6Only reports whether the instance has IPv6 and no IPv4. It selects dual-stack endpoints and IPv6 port bindings.
func (c IPCompatibility) IPv6Only() bool { return c.IPv6 && !c.IPv4 }

// String returns `ipv4`, `ipv6`, `dual` or `none`.
func (c IPCompatibility) String() string {
	switch {
	case c.IPv4 && c.IPv6:
		return "dual"
	case c.IPv6:
		return "ipv6"
	case c.IPv4:
		return "ipv4"
	}
	return "none"
}

package registration

import (
	"errors"

	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
)

// Prefixes of capability names.
const (
	legacyPrefix = "com.amazonaws.ecs.capability."
	prefix       = "ecs.capability."
)

// row is a row of the service's contract for capability attributes. Rows are sent in table order.
type row struct {
	// number of the row in the contract.
	number int
	// implemented rows are advertised. The service places tasks by these names, so a row stays off until the agent really
	// does what it promises: turning it on belongs to the change that builds the feature.
	implemented bool
	// ec2Only rows are not for external instances.
	ec2Only bool
	// attributes of the row for the given facts; has tells about rows before this one.
	attributes func(f *Facts, has func(name string) bool) ([]ecsapi.Attribute, error)
}

// capabilityTable is the one place that says what this agent can do.
var capabilityTable = []row{
	{1, true, false, always(prefix + "private-registry-authentication.secretsmanager")},
	{2, true, false, always(prefix + "secrets.ssm.environment-variables")},
	{3, true, false, always(prefix + "secrets.ssm.bootstrap.log-driver")},
	{4, true, false, always(prefix + "ecr-endpoint")},
	{5, true, false, always(prefix + "secrets.asm.environment-variables")},
	{6, true, false, always(prefix + "secrets.asm.bootstrap.log-driver")},
	{7, true, false, always(prefix + "container-ordering")},
	{8, true, false, always(prefix + "full-sync")},
	{9, true, false, always(prefix + "env-files.s3")},
	{10, true, false, always(prefix + "network.container-port-range")},
	{11, true, false, always(prefix + "container-restart-policy")},
	{12, true, false, when(func(f *Facts) bool { return !f.Config.PrivilegedDisabled }, legacyPrefix+"privileged-container")},
	{13, true, false, remoteAPIs},
	{14, true, false, loggingDrivers},
	{15, true, false, when(func(f *Facts) bool { return f.Config.SELinuxCapable }, legacyPrefix+"selinux")},
	{16, true, false, when(func(f *Facts) bool { return f.Config.AppArmorCapable }, legacyPrefix+"apparmor")},
	{17, true, false, when(func(f *Facts) bool { return f.Config.TaskIAMRoleEnabled && f.docker("1.19") }, legacyPrefix+"task-iam-role")},
	{18, true, false, when(func(f *Facts) bool { return f.Config.TaskIAMRoleEnabledForNetworkHost && f.docker("1.19") }, legacyPrefix+"task-iam-role-network-host")},
	{19, true, false, taskLimits},
	{20, true, false, whenHas(prefix+"task-cpu-mem-limit", prefix+"increased-task-cpu-limit")},
	{21, true, true, when(taskENI, prefix+"task-eni")},
	{22, true, true, when(taskENI, prefix+"task-eni.ipv6")},
	{23, true, true, vpcENIVersion},
	{24, true, true, when(func(f *Facts) bool { return taskENI(f) && f.Config.AWSVPCBlockInstanceMetdata }, prefix+"task-eni-block-instance-metadata")},
	{25, true, true, when(trunking, prefix+"task-eni-trunking")},
	{26, true, false, branchENIVersion},
	{27, true, false, when(func(f *Facts) bool { return f.docker("1.19") }, legacyPrefix+"ecr-auth", prefix+"execution-role-ecr-pull")},
	{28, true, false, when(func(f *Facts) bool { return f.docker("1.24") && !f.Config.DisableDockerHealthCheck }, prefix+"container-health-check")},
	{29, true, false, when(func(f *Facts) bool { return f.Config.OverrideAWSLogsExecutionRole }, prefix+"execution-role-awslogs")},
	{30, true, false, always(prefix + "docker-plugin.local")},
	{31, true, false, legacyPlugins},
	{32, true, false, managedPlugins},
	{33, true, false, gpuDriver},
	{34, true, false, when(func(f *Facts) bool { return f.PauseImageLoaded }, prefix+"pid-ipc-namespace-sharing")},
	{35, true, true, always(prefix + "aws-appmesh")},
	{36, false, true, always(prefix + "task-eia")},
	{37, false, true, when(func(f *Facts) bool { return hasVectorFlags(f.CPUFlags) }, prefix+"task-eia.optimized-cpu")},
	{38, true, false, always(prefix+"firelens.fluentd", prefix+"firelens.fluentbit")},
	{39, true, false, always(legacyPrefix + "logging-driver.awsfirelens")},
	{40, true, false, always(prefix + "logging-driver.awsfirelens.log-driver-buffer-limit")},
	{41, true, false, always(prefix + "firelens.non-root-user")},
	{42, true, false, always(prefix + "efs")},
	{43, true, false, always(prefix + "storage.s3-files")},
	{44, true, false, always(prefix+"firelens.options.config.file", prefix+"firelens.options.config.s3")},
	{45, false, false, when(func(f *Facts) bool { return f.Config.GMSACapable }, prefix+"gmsa")},
	{46, false, false, when(func(f *Facts) bool { return f.Config.GMSADomainlessCapable }, prefix+"gmsa-domainless")},
	{47, true, false, volumePlugins},
	{48, false, false, when(func(f *Facts) bool { return f.ExecUsable }, prefix+"execute-command")},
	{49, false, true, when(func(f *Facts) bool { return f.ServiceConnectLoaded }, prefix+"service-connect-v1")},
	{50, false, true, when(func(f *Facts) bool { return f.Config.EBSTASupportEnabled && f.EBSDriverPresent }, prefix+"storage.ebs-task-volume-attach")},
	{51, false, true, when(func(f *Facts) bool { return f.Config.EBSTASupportEnabled }, prefix+"storage.ebsta-non-root-user")},
	{52, true, false, when(func(f *Facts) bool { return f.Config.External }, prefix+"external")},
	{53, true, true, when(func(f *Facts) bool { return f.FaultInjectionUsable }, prefix+"fault-injection")},
	{54, true, false, always(prefix + "ipv6-only")},
	{55, false, false, when(func(f *Facts) bool { return f.Config.IMDSIAMRolesEnabled }, prefix+"imds-iam-roles")},
	{56, true, false, vpcAttributes},
}

var errTaskLimitsUnsupported = errors.New("engine: Task CPU + Mem limit cannot be enabled due to unsupported Docker version")

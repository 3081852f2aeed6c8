package config

import (
	"slices"
	"strings"
)

// variable is an environment variable that Load does not read, documented with the others.
type variable struct {
	name, allowed, def, doc string
}

// logVariables are read by the log before the configuration is loaded.
var logVariables = []variable{
	{"ECS_LOGFILE", "path", "none", "On-instance log file, as a path inside the agent container; ecs-init sets `/log/ecs-agent.log`. Without it the log goes to standard output only."},
	{"ECS_LOGLEVEL", "`debug`, `info`, `warn`, `error`, `crit`, `none`", "`info`", "Level of standard output, and of the file while it has no level of its own. Any case; the flag `-loglevel` wins."},
	{"ECS_LOGLEVEL_ON_INSTANCE", "as `ECS_LOGLEVEL`", "off when `ECS_LOG_DRIVER` is set, else `ECS_LOGLEVEL`", "Level of the on-instance log file."},
	{"ECS_LOG_DRIVER", "name of a Docker logging driver", "none", "Read by ecs-init for the agent container's own log; the agent turns its on-instance file off when it is set."},
	{"ECS_LOG_OUTPUT_FORMAT", "`logfmt`, `json`", "`logfmt`", "Form of the log lines."},
	{"ECS_LOG_ROLLOVER_TYPE", "`size`, `hourly`, `none`", "`size`", "When log files are rotated. `none` lets the agent's log grow for ever and rotates the audit log hourly. Any other value means `hourly`."},
	{"ECS_LOG_MAX_FILE_SIZE_MB", "number above 0", "`5`", "Size at which a log file is rotated, in megabytes (1,000,000 bytes)."},
	{"ECS_LOG_MAX_ROLL_COUNT", "integer; 0 or less: unlimited", "`24`", "Rotated log files kept."},
}

// gmsaVariables tell the host's side of Active Directory accounts; ecs-init sets them.
var gmsaVariables = []variable{
	{envFetcherSocket, "path", "none", "Socket of the credentials-fetcher daemon. Without it gMSA is off."},
	{envDomainlessSecret, "text", "none", "Secret with the account of a host that has not joined the domain."},
	{envDomainJoined, "`true`, `false`", "`false`", "The host has joined a domain."},
}

// initVariables are read by ecs-init only.
var initVariables = []variable{
	{"ECS_LOG_OPTS", "JSON object of strings", "none", "Options of the agent container's logging driver."},
	{"ECS_INIT_DOCKER_LOG_FILE_SIZE", "size", "`16m`", "`max-size` of the agent container's `json-file` log."},
	{"ECS_INIT_DOCKER_LOG_FILE_NUM", "number", "`4`", "`max-file` of the agent container's `json-file` log."},
	{"ECS_AGENT_LABELS", "JSON object of strings", "none", "Labels of the agent container."},
	{"ECS_AGENT_APPARMOR_PROFILE", "name", "`ecs-agent-default`", "AppArmor profile of the agent container."},
	{"ECS_AGENT_PID_NAMESPACE_HOST", "`true`, `false`", "`false`", "Run the agent container in the host's PID namespace."},
	{"ECS_AGENT_RUN_PRIVILEGED", "`true`", "none", "Run the agent container privileged."},
	{"ECS_SKIP_LOCALHOST_TRAFFIC_FILTER", "`true`, `false`", "`false`", "Do not add the firewall rule that drops foreign packets to loopback addresses."},
	{"ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS", "`true`, `false`", "`false`", "Let other hosts reach the introspection port."},
	{"ECS_INIT_DOWNLOAD_URL", "URLs, separated by blanks or commas", "the buckets of the region", "Where ecs-init downloads the agent's image from, when it has none: `<URL>/ecs-agent-v<version>.tar`."},
	{"ECS_INIT_DOWNLOAD_KEYRING", "file on the host", "none", "Public keys that may sign a downloaded image; with it, the signature beside the image must be good."},
}

// pluginVariables are read by CNI plug-ins, which have the agent's environment.
var pluginVariables = []variable{
	{"ECS_CNI_LOG_FILE", "path", "`/log/ecs-cni-bridge-plugin.log` and `/log/ecs-cni-ipam-plugin.log`", "Log of the plug-ins `ecs-bridge` and `ecs-ipam`, instead of one file for each."},
	{"IPAM_DB_PATH", "path", "`/data/eni-ipam.db`", "Addresses on the local bridge and their owners. To be set for an agent that runs without its container."},
	{"IPAM_DB_CONNECTION_TIMEOUT", "duration", "`5s`", "Time a plug-in waits for its turn at these addresses."},
}

// legacyVariables are still found on hosts and have no effect.
var legacyVariables = []string{
	"ECS_BACKEND_PORT", "ECS_OFFHOST_INTROSPECTION_INTERFACE_NAME", "ECS_DOCKER_PULL_INACTIVITY_TIMEOUT",
}

// warnUnknownVariables tells about variables that look like the agent's and are none, so that a misspelt name is noticed.
func (l *loader) warnUnknownVariables() {
	for _, entry := range l.Environ {
		name, _, _ := strings.Cut(entry, "=")
		switch {
		case !strings.HasPrefix(name, "ECS_") || l.documents(name):
		case slices.Contains(legacyVariables, name):
			l.warnf("%s has no effect any more", name)
		default:
			l.warnf("Unknown environment variable %s is ignored", name)
		}
	}
}

// documents reports whether some part of the agent or ecs-init reads the variable.
func (l *loader) documents(name string) bool {
	_, ok := byName(l.rows, name)
	return ok || slices.ContainsFunc(slices.Concat(logVariables, gmsaVariables, initVariables, pluginVariables), func(v variable) bool { return v.name == name })
}

package agentcontainer

import (
	"context"
	"maps"
	"strings"

	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

const ebsDirectory = "/mnt/ecs/ebs"

// environment gives the agent's variables: what ecs-init knows, overridden by the environment files, overridden by what
// this host cannot do.
func environment(ctx context.Context, s Situation, h host, system system) map[string]string {
	env := map[string]string{
		"ECS_LOGFILE":                               "/log/ecs-agent.log",
		"ECS_DATADIR":                               "/data",
		"ECS_AGENT_CONFIG_FILE_PATH":                "/etc/ecs/ecs.config.json",
		"ECS_UPDATE_DOWNLOAD_DIR":                   "/var/cache/ecs",
		"ECS_UPDATES_ENABLED":                       "true",
		"ECS_AVAILABLE_LOGGING_DRIVERS":             `["json-file","syslog","awslogs","fluentd","none"]`,
		"ECS_ENABLE_TASK_IAM_ROLE":                  "true",
		"ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST":     "true",
		"ECS_EBSTA_SUPPORTED":                       "true",
		"ECS_AGENT_LABELS":                          "",
		"ECS_VOLUME_PLUGIN_CAPABILITIES":            `["efsAuth"]`,
		"ECS_DETAILED_OS_FAMILY":                    system.family,
		"CREDENTIALS_FETCHER_HOST_DIR":              s.Process.GMSASocket(),
		"ECS_ENABLE_TASK_ENI":                       "true",
		"ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE": "true",
	}
	if dir := system.certificates; dir != "" && h.exists(dir) {
		env["SSL_CERT_DIR"] = dir
	}
	if s.Process.GMSA() && domainJoined(ctx, s) {
		env["ECS_DOMAIN_JOINED_LINUX_INSTANCE"] = "true"
	}
	maps.Copy(env, s.Files)
	if s.Process.External() || !s.TaskENI {
		env["ECS_ENABLE_TASK_ENI"] = "false"
	}
	if !h.isDir(ebsDirectory) {
		env["ECS_EBSTA_SUPPORTED"] = "false"
	}
	return env
}

// domainJoined asks realmd whether the host belongs to an Active Directory domain.
func domainJoined(ctx context.Context, s Situation) bool {
	list, err := s.Run(ctx, "realm", "list")
	if err != nil {
		log.Errorf("could not find out whether this host is joined to a domain: %v", err)
		return false
	}
	return strings.Contains(list, "realm-name")
}

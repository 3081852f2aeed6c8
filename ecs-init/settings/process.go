package settings

import (
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

// Process reads variables of ecs-init's own environment; it is os.Getenv on a host.
type Process func(name string) string

// External reports whether this is an ECS Anywhere host: no instance metadata, no task network interfaces.
func (p Process) External() bool { return p("ECS_EXTERNAL") == "true" }

// Privileged reports whether the agent's container shall be privileged.
func (p Process) Privileged() bool { return p("ECS_AGENT_RUN_PRIVILEGED") == "true" }

// GMSA reports whether domain-joined hosts shall be recognised.
func (p Process) GMSA() bool { return p("ECS_GMSA_SUPPORTED") == "true" }

// HostPID reports whether the agent shall share the host's PID namespace (SELinux hosts).
func (p Process) HostPID() bool { return p.boolean("ECS_AGENT_PID_NAMESPACE_HOST") }

// SkipLocalhostFilter reports whether other hosts may reach services on 127.0.0.1 (once packets for it are routed).
func (p Process) SkipLocalhostFilter() bool { return p.boolean("ECS_SKIP_LOCALHOST_TRAFFIC_FILTER") }

// AllowOffhostIntrospection reports whether other hosts may reach the introspection port.
func (p Process) AllowOffhostIntrospection() bool {
	return p.boolean("ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS")
}

func (p Process) boolean(name string) bool {
	value := strings.TrimSpace(p(name))
	if value == "" {
		return false
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		log.Errorf("%s: %q is neither true nor false, using false", name, value)
	}
	return on
}

const (
	unixScheme = "unix://"
	// defaultDockerSocket is where the daemon listens unless DOCKER_HOST says otherwise.
	defaultDockerSocket = "/var/run/docker.sock"
	defaultGMSASocket   = "/var/credentials-fetcher/socket/credentials_fetcher.sock"
	defaultProfile      = "ecs-agent-default"
)

// DockerSocket is the path of the daemon's socket; explicit when DOCKER_HOST names it. Only unix:// counts.
func (p Process) DockerSocket() (path string, explicit bool) {
	if path, ok := strings.CutPrefix(p("DOCKER_HOST"), unixScheme); ok && path != "" {
		return path, true
	}
	return defaultDockerSocket, false
}

// DockerSocketInAgent is where the agent will look for the socket of the daemon.
func (f Files) DockerSocketInAgent() string {
	if path, ok := strings.CutPrefix(f["DOCKER_HOST"], unixScheme); ok && path != "" {
		return path
	}
	return defaultDockerSocket
}

// GMSASocket is the path of the credentials-fetcher daemon's socket.
func (p Process) GMSASocket() string {
	if path, ok := strings.CutPrefix(p("CREDENTIALS_FETCHER_HOST"), unixScheme); ok && path != "" {
		return path
	}
	return defaultGMSASocket
}

// AppArmorProfile is the profile of the agent's container.
func (p Process) AppArmorProfile() string {
	if profile := strings.TrimSpace(p("ECS_AGENT_APPARMOR_PROFILE")); profile != "" {
		return profile
	}
	return defaultProfile
}

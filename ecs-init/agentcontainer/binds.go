package agentcontainer

import (
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
	"github.com/aws/amazon-ecs-agent/ecs-init/settings"
)

// bindList collects what the container sees of the host. Docker makes a directory of a source that does not exist, so
// what is not ecs-init's own is bound only when it is there.
type bindList struct {
	host  host
	binds []string
}

func (l *bindList) add(source, target string) { l.binds = append(l.binds, source+":"+target) }

// dirs binds directories on the same path, read-only, each when it is there.
func (l *bindList) dirs(paths ...string) {
	for _, path := range paths {
		if l.host.isDir(path) {
			l.add(path, path+":ro")
		}
	}
}

// file binds a file or socket on the same path when it is there.
func (l *bindList) file(path string) bool {
	found := l.host.exists(path)
	if found {
		l.add(path, path)
	}
	return found
}

func binds(s Situation, h host, system system) []string {
	l := bindList{host: h}
	l.add(dockerSocket(s.Process, s.Files))

	l.add("/var/log/ecs", "/log")
	l.add("/var/lib/ecs/data", "/data")
	l.add("/etc/ecs", "/etc/ecs")
	l.add("/var/cache/ecs", "/var/cache/ecs")
	l.add(h.cgroups(), "/sys/fs/cgroup")
	l.add("/var/lib/ecs", "/var/lib/ecs")
	l.add("/var/log/ecs/exec", "/log/exec")
	l.dirs(system.pki...)
	if s.Process.External() {
		l.add("/root/.aws", "/rotatingcreds:ro") // kept fresh by the SSM agent
	}
	if s.Files.GPU() && settings.HasNVIDIA(s.Root) {
		l.add("/var/lib/ecs/gpu", "/var/lib/ecs/gpu")
	}
	if s.Files["ECS_GMSA_SUPPORTED"] == "true" {
		l.file(s.Process.GMSASocket())
	}

	// Plug-ins put their sockets into the first directory at any time: it is wanted even if Docker has to make it.
	l.add("/run/docker/plugins", "/run/docker/plugins:ro")
	l.dirs("/etc/docker/plugins", "/usr/lib/docker/plugins")

	// Programs of managed agents, such as ECS Exec.
	if h.isDir("/var/lib/ecs/deps") {
		l.add("/var/lib/ecs/deps", "/managed-agents:ro")
	}
	if h.isDir("/var/lib/ecs/deps/execute-command") {
		l.add("/var/lib/ecs/deps/execute-command/config", "/managed-agents/execute-command/config")
	}

	// The host's network and storage programs with their libraries.
	l.add("/proc", "/host/proc:ro")
	l.dirs("/usr/lib", "/lib", "/usr/lib64", "/lib64")
	if h.isDir("/sbin") {
		l.add("/sbin", "/host/sbin:ro") // not on /sbin, where Docker puts its init process
	}
	l.dirs("/etc/alternatives", "/usr/sbin")
	l.file("/usr/bin/lsblk")
	if !l.file("/usr/bin/nsenter") {
		log.Warnf("/usr/bin/nsenter does not exist on this host: faults cannot be injected into tasks")
	}
	_ = l.file("/sbin/modinfo") || l.file("/usr/sbin/modinfo")

	if result := "/var/lib/cloud/data/result.json"; !s.Process.External() && h.exists(result) {
		l.add(result, result+":ro")
	}
	return l.binds
}

// dockerSocket gives the bind of the daemon's socket. By default its directory is bound, so that the agent also sees a
// socket that is made anew.
func dockerSocket(process settings.Process, files settings.Files) (source, target string) {
	socket, explicit := process.DockerSocket()
	if !explicit {
		return "/var/run", "/var/run"
	}
	return socket, files.DockerSocketInAgent()
}

package apparmor

import (
	"os"
	"path/filepath"
	"strings"
)

// ProfileName is the name of the profile and of its file.
const ProfileName = "ecs-agent-default"

const (
	tunablesFile = "tunables/global"
	baseFile     = "abstractions/base"
)

// rules are those of Docker's profile for containers, with what the agent needs on top: netlink sockets for the
// networks of tasks, D-Bus for systemd, and ptrace of the containers it looks into.
const rules = `  network inet,
  network inet6,
  network netlink,
  network unix,
  capability,
  file,
  umount,

  signal (receive) peer=unconfined,
  signal (send,receive) peer=ecs-agent-default,

  dbus (send,receive) bus=system,

  # Files below /proc that are not of processes must not be written, apart from some below /proc/sys/kernel/shm*.
  deny @{PROC}/* w,
  deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,
  deny @{PROC}/sys/[^k]** w,
  deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/kcore rwklx,

  deny mount,

  # Of /sys only /sys/fs/cgroup may be written.
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,

  ptrace (trace,read,tracedby,readby) peer=ecs-agent-default,
  ptrace (trace,read,tracedby,readby) peer=docker-default,
`

// profile gives the profile's text; which files it can include depends on the host.
func profile(root string) string {
	has := func(file string) bool {
		_, err := os.Stat(filepath.Join(root, configDir, file))
		return err == nil
	}
	var b strings.Builder
	if has(tunablesFile) {
		b.WriteString("#include <" + tunablesFile + ">\n")
	} else {
		b.WriteString("@{PROC}=/proc/\n")
	}
	b.WriteString("\nprofile " + ProfileName + " flags=(attach_disconnected,mediate_deleted) {\n")
	if has(baseFile) {
		b.WriteString("  #include <" + baseFile + ">\n\n")
	}
	b.WriteString(rules + "}\n")
	return b.String()
}

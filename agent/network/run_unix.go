//go:build unix

package network

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the end of a program that takes too long the end of all it started.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

package network

import (
	"os/exec"
	"runtime"
	"syscall"
)

// runTied runs a program that ends with the agent, also with one that is killed: the next agent starts its own plug-ins for
// the same namespace, and two at work there would disturb each other. A program that takes too long ends with all it started.
func runTied(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// To the kernel the parent is the thread that starts the program: it has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

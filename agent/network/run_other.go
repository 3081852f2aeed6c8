//go:build !linux

package network

import "os/exec"

// runTied runs a program.
func runTied(cmd *exec.Cmd) error { return cmd.Run() }

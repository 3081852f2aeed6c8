package network

import "os/exec"

// ownGroup is of no use on Windows, where plug-ins start nothing.
func ownGroup(*exec.Cmd) {}

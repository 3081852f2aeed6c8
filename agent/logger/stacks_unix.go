//go:build unix

package logger

import (
	"os"
	"syscall"
)

var dumpSignals = []os.Signal{syscall.SIGUSR1}

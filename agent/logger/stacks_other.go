//go:build !unix

package logger

import "os"

var dumpSignals []os.Signal

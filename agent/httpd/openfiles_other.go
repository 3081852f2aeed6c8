//go:build !linux

package httpd

import "math"

// openFiles is how many files the process may have open: other systems set no limit of their own.
func openFiles() uint64 { return math.MaxUint64 }

//go:build unix

package rooted

import (
	"errors"
	"syscall"
)

func transient(err error) bool { return errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EINTR) }

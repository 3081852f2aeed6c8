package rooted

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

func transient(err error) bool {
	return errors.Is(err, syscall.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
}

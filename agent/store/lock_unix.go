//go:build !windows

package store

import (
	"errors"
	"os"
	"syscall"
	"time"
)

const lockRetry = 50 * time.Millisecond

// lock takes the lock bbolt uses, for as long as f is open. It reports false when it is held elsewhere for all of wait.
func lock(f *os.File, wait time.Duration) (bool, error) {
	for deadline := time.Now().Add(wait); ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return false, err
		}
		if time.Until(deadline) < lockRetry {
			return false, nil
		}
		<-time.After(lockRetry)
	}
}

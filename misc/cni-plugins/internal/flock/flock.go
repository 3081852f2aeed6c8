// Package flock locks open files against other processes, first come, first served, and with a deadline.
package flock

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Acquire locks the file exclusively. The lock ends when the file is closed. After an error the file must not be used
// any more; it is closed when the kernel lets go of it.
func Acquire(ctx context.Context, file *os.File) error {
	done := make(chan error, 1)
	fd := int(file.Fd()) // blocking mode: a thread waits in the kernel, in its queue, instead of asking again and again
	go func() {
		for {
			err := unix.Flock(fd, unix.LOCK_EX)
			if !errors.Is(err, unix.EINTR) {
				done <- err
				return
			}
		}
	}()
	select {
	case err := <-done:
		if err != nil {
			return errors.Join(fmt.Errorf("lock %s: %w", file.Name(), err), file.Close())
		}
		return nil
	case <-ctx.Done():
		go func() {
			<-done
			_ = file.Close()
		}()
		return fmt.Errorf("lock %s: held by another process: %w", file.Name(), ctx.Err())
	}
}

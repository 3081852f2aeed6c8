package image

import (
	"errors"
	"fmt"
	"syscall"
)

// DiskOf gives the disk of Docker's data directory, a path of the host. The agent's container does not see that path,
// but its own file system is kept in it.
func DiskOf(dataRoot string) Disk {
	return func() (size, free uint64, err error) {
		var s syscall.Statfs_t
		err = syscall.Statfs(dataRoot, &s)
		if errors.Is(err, syscall.ENOENT) {
			err = syscall.Statfs("/", &s)
		}
		if err != nil {
			return 0, 0, fmt.Errorf("free space of %s: %w", dataRoot, err)
		}
		block := uint64(s.Bsize) // never negative
		return s.Blocks * block, s.Bavail * block, nil
	}
}

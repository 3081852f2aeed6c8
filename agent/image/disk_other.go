//go:build !linux

package image

import "errors"

// DiskOf cannot tell anything on this system.
func DiskOf(string) Disk {
	return func() (size, free uint64, err error) { return 0, 0, errors.ErrUnsupported }
}

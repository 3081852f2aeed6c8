//go:build !linux

package fault

import "errors"

// defaultDevices is for Linux only: elsewhere there is nothing to impair with.
func defaultDevices() ([]string, error) {
	return nil, errors.New("network faults need Linux")
}

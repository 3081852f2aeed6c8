//go:build !linux

package proc

import "errors"

// TaskInterfaces works on Linux only.
func (p *Process) TaskInterfaces([]string) ([]string, error) {
	return nil, errors.New("network namespaces exist on Linux only")
}

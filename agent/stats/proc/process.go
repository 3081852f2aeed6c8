// Package proc reads what the kernel shows in proc about the host's CPUs and about a process: its cgroups and the
// interfaces of its network namespace.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/stats/internal/kernelfile"
)

// Process is a process that may have ended, but is never mistaken for a later one with the same number.
type Process struct {
	dir *kernelfile.Dir
}

// Open opens a process below a mount point of proc.
func Open(root string, pid int) (*Process, error) {
	dir, err := kernelfile.OpenDir(filepath.Join(root, strconv.Itoa(pid)))
	if err != nil {
		return nil, err
	}
	return &Process{dir}, nil
}

// ErrOther says that the process with a number is not the container's: the proc file system is not that of Docker's host,
// or the process has ended and another one got its number.
var ErrOther = errors.New("the process with its number is another one")

// Find opens the first process of a container, by its number and the container's Docker id, below the first of roots where
// it is. cgroups is the content of the process's file cgroup, valid until the buffer is used again.
func Find(roots []string, pid int, id string, b *kernelfile.Buffer) (p *Process, cgroups []byte, err error) {
	other := false
	for _, root := range roots {
		if p, err = Open(root, pid); err != nil {
			continue
		}
		if cgroups, err = p.dir.Read("cgroup", b); err == nil && bytes.Contains(cgroups, []byte(id)) {
			return p, cgroups, nil
		}
		other = other || err == nil
		p.Close()
	}
	if err == nil || other {
		err = ErrOther
	}
	return nil, nil, fmt.Errorf("container %s, process %d: %w", id, pid, err)
}

// Networks reads the counters of the interfaces that keep wants, as parseNetDev does.
func (p *Process) Networks(b *kernelfile.Buffer, keep func(name []byte) bool, into dockerstats.Networks) (dockerstats.Networks, error) {
	// Not kept open: an open file keeps the whole network namespace from going away.
	text, err := p.dir.Read("net/dev", b)
	if err != nil {
		return into[:0], err
	}
	return parseNetDev(text, keep, into), nil
}

// Close lets go of the process.
func (p *Process) Close() { p.dir.Close() }

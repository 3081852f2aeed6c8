// Package cgroup reads the statistics of containers where Docker gets them from: the kernel's cgroups, version 1 and 2.
// The Docker daemon has no part in it.
package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/stats/internal/kernelfile"
	"github.com/aws/amazon-ecs-agent/agent/stats/proc"
)

// Host is the machine's cgroups and processes as the agent sees them. Not for concurrent use.
type Host struct {
	root        string              // of the cgroup tree
	version     int                 // 1 or 2
	hierarchies map[string][]string // v1: where each controller may be mounted
	procs       []string            // mount points of proc, the host's first

	buffer kernelfile.Buffer
	stat   *kernelfile.File
	memory uint64 // of the host, bytes
	now    proc.Host
}

// Open looks at the cgroup tree below root. procs are mount points of proc that may show the host's processes, the most
// likely first. An error says that there is nothing to read from.
func Open(root string, procs ...string) (*Host, error) {
	h := &Host{root: root, version: 2}
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
		h.version = 1
		if h.hierarchies, err = findHierarchies(root); err != nil {
			return nil, fmt.Errorf("no cgroup tree: %w", err)
		}
	}
	var failure error
	for _, p := range procs {
		stat := kernelfile.New(filepath.Join(p, "stat"), kernelfile.OpenFilesBudget())
		if _, err := stat.Read(&h.buffer); err != nil {
			failure = err
			continue
		}
		if h.stat == nil {
			h.stat = stat
		}
		h.procs = append(h.procs, p)
	}
	if h.stat == nil {
		return nil, fmt.Errorf("no proc file system: %w", failure)
	}
	if text, err := kernelfile.New(filepath.Join(h.procs[0], "meminfo"), nil).Read(&h.buffer); err == nil {
		h.memory, _ = proc.ParseMemTotal(text)
	}
	return h, nil
}

// Version is 1 or 2.
func (h *Host) Version() int { return h.version }

// Refresh reads what all containers of a round have in common: the CPU time of the host.
func (h *Host) Refresh() error {
	text, err := h.stat.Read(&h.buffer)
	if err != nil {
		return err
	}
	now, ok := proc.ParseStat(text)
	if !ok {
		return fmt.Errorf("%s: no CPU time", h.stat.Path())
	}
	h.now = now
	return nil
}

// Close lets go of the host's files.
func (h *Host) Close() { h.stat.Close() }

// Container is one container's cgroups and first process.
type Container struct {
	host    *Host
	process *proc.Process
	files   files
	details details
	age     int // of the details, in samples
}

// files are one version's counters.
type files interface {
	// read fills in all but the details. Without all, counters that follow from others need not be looked at when those
	// have not changed.
	read(h *Host, into *dockerstats.Object, all bool) error
	details(h *Host) details
	close()
}

// details are the numbers that only task metadata shows. They change slowly, and reading them is half of the work.
type details struct {
	maxUsage, failCnt, limit uint64
	pids                     dockerstats.Pids
}

// detailsAge is how many samples details may be old when nobody looks at them.
const detailsAge = 10

// Container finds the cgroups of a container by its Docker id and the number of its first process. An error that is
// ErrNotVisible will not go away; others say that there is no such process (any more).
func (h *Host) Container(id string, pid int) (*Container, error) {
	process, text, err := proc.Find(h.procs, pid, id, &h.buffer)
	if err != nil {
		return nil, err
	}
	return h.open(parseMembership(text), id, process)
}

func (h *Host) open(m membership, id string, process *proc.Process) (*Container, error) {
	dirs, err := h.locate(m, id)
	if err != nil {
		process.Close()
		return nil, fmt.Errorf("container %s: %w", id, err)
	}
	c := &Container{host: h, process: process}
	if h.version == 2 {
		c.files = newFilesV2(dirs[""])
	} else {
		c.files = newFilesV1(dirs)
	}
	return c, nil
}

// Read takes a sample into into, reusing its lists. networks reports whether the container has interfaces of its own or
// shares those of another; otherwise there are none in the sample. fresh reports whether somebody looks at the samples:
// otherwise memory limit, highest usage, failures and the number of processes may be up to 10 samples old. An error means
// that the container has ended or was started anew: then it is to be closed and opened again.
func (c *Container) Read(into *dockerstats.Object, networks, fresh bool) error {
	into.Read = time.Now().UTC()
	all := fresh || c.age == 0 || c.age >= detailsAge
	if err := c.files.read(c.host, into, all); err != nil {
		return err
	}
	if all {
		c.details, c.age = c.files.details(c.host), 0
	}
	c.age++
	into.Memory.MaxUsage, into.Memory.FailCnt, into.Memory.Limit = c.details.maxUsage, c.details.failCnt, c.details.limit
	into.Pids = c.details.pids
	into.CPU.System, into.CPU.OnlineCPUs = c.host.now.CPU, c.host.now.OnlineCPUs
	if !networks {
		into.Networks = into.Networks[:0]
		return nil
	}
	var err error
	into.Networks, err = c.process.Networks(&c.host.buffer, proc.DockerInterface, into.Networks)
	return err
}

// Close lets go of the container.
func (c *Container) Close() {
	c.files.close()
	c.process.Close()
}

package stats

import (
	"errors"
	"runtime"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
)

// platform is what the conversion of a sample depends on.
type platform struct {
	windows  bool
	cgroupV2 bool
	cpus     int // usable by the agent
}

func thisPlatform(cgroupV2 bool) platform {
	return platform{windows: runtime.GOOS == "windows", cgroupV2: cgroupV2, cpus: runtime.NumCPU()}
}

// Texts of the contract.
var (
	errNoCores = errors.New("invalid container statistics reported, no cpu core usage reported")
	errNoCPUs  = errors.New("invalid number of cores returned from runtime.NumCPU, numCores=0")
	// errNoRead is a sample of a container that does not run.
	errNoRead = errors.New("invalid container statistics reported for container with restart policy enabled, read time of stat is 0001-01-01T00:00:00Z")
)

// validate rejects samples that hold no numbers.
func (p platform) validate(o *dockerstats.Object, restartable bool) error {
	switch {
	case restartable && o.Read.IsZero():
		return errNoRead
	case p.windows && p.cpus == 0:
		return errNoCores
	case p.windows:
		return nil
	case !p.cgroupV2 && (len(o.CPU.Usage.PerCPU) == 0 || p.cpus == 0):
		return errNoCores
	case p.cpus == 0:
		return errNoCPUs
	}
	return nil
}

// point is a sample reduced to what metrics are made of. Counters run since the container's start.
type point struct {
	cpu          uint64 // ns, divided by the number of CPUs
	memory       uint64 // bytes
	read, write  uint64 // bytes of storage
	network      dockerstats.Network
	hasNetwork   bool
	restartCount int // -1 without a restart policy
}

func (p platform) convert(o *dockerstats.Object) point {
	pt := point{restartCount: -1}
	if len(o.Networks) > 0 {
		pt.network, pt.hasNetwork = o.Networks.Total(), true
	}
	if p.windows {
		pt.cpu = o.CPU.Usage.Total * 100 / uint64(p.cpus) // from units of 100 ns
		pt.memory = o.Memory.PrivateWorkingSet
		pt.read, pt.write = o.Storage.ReadBytes, o.Storage.WriteBytes
		return pt
	}
	pt.cpu = o.CPU.Usage.Total / uint64(p.cpus)
	pt.memory = p.memory(&o.Memory)
	for _, e := range o.Blkio.ServiceBytes {
		switch {
		case strings.EqualFold(e.Op, "read"):
			pt.read += e.Value
		case strings.EqualFold(e.Op, "write"):
			pt.write += e.Value
		}
	}
	return pt
}

// memory is what the container cannot do without: the usage less the page cache that the kernel would give up first.
func (p platform) memory(m *dockerstats.Memory) uint64 {
	if p.cgroupV2 {
		if inactive, ok := m.Stats.Get("inactive_file"); ok && inactive < m.Usage {
			return m.Usage - inactive
		}
	}
	if cache, ok := m.Stats.Get("cache"); ok && cache < m.Usage {
		return m.Usage - cache
	}
	return m.Usage
}

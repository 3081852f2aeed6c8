package cgroup

import (
	"math"
	"path/filepath"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/stats/internal/kernelfile"
)

// filesV2 are the files of a container's cgroup. CPU and memory must be there; the others depend on which controllers the
// host turned on.
type filesV2 struct {
	cpu, memory, memoryStat, memoryMax, memoryEvents, io, pids, pidsMax *kernelfile.File

	rest rest
}

func newFilesV2(dir string) *filesV2 {
	file := func(name string) *kernelfile.File {
		return kernelfile.New(filepath.Join(dir, name), kernelfile.OpenFilesBudget())
	}
	return &filesV2{
		cpu: file("cpu.stat"), memory: file("memory.current"), memoryStat: file("memory.stat"), memoryMax: file("memory.max"),
		memoryEvents: file("memory.events"), io: file("io.stat"), pids: file("pids.current"), pidsMax: file("pids.max"),
	}
}

func (f *filesV2) read(h *Host, into *dockerstats.Object, all bool) error {
	text, err := f.cpu.Read(&h.buffer)
	if err != nil {
		return err
	}
	cpuStat(text, &into.CPU)
	f.rest.used(into.CPU.Usage.Total)

	m := &into.Memory
	if text, err = f.memory.Read(&h.buffer); err != nil {
		return err
	}
	m.Usage, _ = number(text)
	if all || !f.rest.sameMemory(m) {
		if text, err = f.memoryStat.Read(&h.buffer); err != nil {
			return err
		}
		m.Stats, _ = memoryV2.parse(text, m.Stats)
		f.rest.keepMemory(m)
	}

	list := into.Blkio.ServiceBytes[:0]
	if text, err := f.io.Read(&h.buffer); err == nil {
		list = ioStat(text, list)
	}
	into.Blkio = dockerstats.Blkio{ServiceBytes: list} // the other lists exist in version 1 only
	return nil
}

func (f *filesV2) details(h *Host) details {
	d := details{limit: h.memoryLimit(h.optional(f.memoryMax)), pids: dockerstats.Pids{Current: h.optional(f.pids), Limit: h.optional(f.pidsMax)}}
	if text, err := f.memoryEvents.Read(&h.buffer); err == nil {
		pairs(text, func(name []byte, value uint64) {
			if string(name) == "oom" {
				d.failCnt = value
			}
		})
	}
	return d
}

func (f *filesV2) close() {
	for _, file := range []*kernelfile.File{f.cpu, f.memory, f.memoryStat, f.memoryMax, f.memoryEvents, f.io, f.pids, f.pidsMax} {
		file.Close()
	}
}

// cpuStat reads cpu.stat, which counts in µs.
func cpuStat(text []byte, into *dockerstats.CPU) {
	perCPU := into.Usage.PerCPU[:0]
	*into = dockerstats.CPU{}
	into.Usage.PerCPU = perCPU
	pairs(text, func(name []byte, value uint64) {
		switch string(name) {
		case "usage_usec":
			into.Usage.Total = value * 1000
		case "user_usec":
			into.Usage.User = value * 1000
		case "system_usec":
			into.Usage.Kernel = value * 1000
		case "nr_periods":
			into.Throttling.Periods = value
		case "nr_throttled":
			into.Throttling.ThrottledPeriods = value
		case "throttled_usec":
			into.Throttling.ThrottledTime = value * 1000
		}
	})
}

// optional reads a number that need not be there; then it is 0.
func (h *Host) optional(f *kernelfile.File) uint64 {
	if f == nil {
		return 0
	}
	text, err := f.Read(&h.buffer)
	if err != nil {
		return 0
	}
	n, _ := number(text)
	return n
}

// memoryLimit is what Docker shows as limit: the memory of the host when the container has none.
func (h *Host) memoryLimit(limit uint64) uint64 {
	if h.memory > 0 && (limit > h.memory || limit == math.MaxUint64) {
		return h.memory
	}
	return limit
}

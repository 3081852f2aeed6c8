package cgroup

import (
	"math"
	"path/filepath"
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/stats/internal/kernelfile"
)

// ticks are the unit of cpuacct.stat in ns (USER_HZ is 100).
const ticks = 10_000_000

// filesV1 are the files of a container's cgroups. cpuacct and memory must be there.
type filesV1 struct {
	usage, perCPU, split, throttling               *kernelfile.File
	memory, memoryMax, memoryFail, limit, memStats *kernelfile.File
	bytes, operations                              *kernelfile.File
	pids, pidsMax                                  *kernelfile.File

	scheduler []schedulerFile

	rest rest
	cpu  dockerstats.CPU // of the last full look
	// What the throttling layer counted. Operations are read anew when bytes have changed.
	lastBytes, lastOperations []dockerstats.BlkioEntry
}

// schedulerFile is a counter of the CFQ I/O scheduler of old kernels.
type schedulerFile struct {
	file *kernelfile.File
	list func(*dockerstats.Blkio) *[]dockerstats.BlkioEntry
}

func newFilesV1(dirs map[string]string) *filesV1 {
	file := func(controller, name string) *kernelfile.File {
		dir, ok := dirs[controller]
		if !ok {
			return nil
		}
		return kernelfile.New(filepath.Join(dir, controller+"."+name), kernelfile.OpenFilesBudget())
	}
	f := &filesV1{
		usage: file("cpuacct", "usage"), perCPU: file("cpuacct", "usage_percpu"), split: file("cpuacct", "stat"),
		throttling: file("cpu", "stat"),
		memory:     file("memory", "usage_in_bytes"), memoryMax: file("memory", "max_usage_in_bytes"), memoryFail: file("memory", "failcnt"),
		limit: file("memory", "limit_in_bytes"), memStats: file("memory", "stat"),
		bytes: file("blkio", "throttle.io_service_bytes"), operations: file("blkio", "throttle.io_serviced"),
		pids: file("pids", "current"), pidsMax: file("pids", "max"),
	}
	add := func(name string, list func(*dockerstats.Blkio) *[]dockerstats.BlkioEntry) {
		f.scheduler = append(f.scheduler, schedulerFile{file("blkio", name), list})
	}
	type blkio = dockerstats.Blkio
	add("io_service_bytes_recursive", func(b *blkio) *[]dockerstats.BlkioEntry { return &b.ServiceBytes })
	add("io_serviced_recursive", func(b *blkio) *[]dockerstats.BlkioEntry { return &b.Serviced })
	add("io_queued_recursive", func(b *blkio) *[]dockerstats.BlkioEntry { return &b.Queued })
	add("io_service_time_recursive", func(b *blkio) *[]dockerstats.BlkioEntry { return &b.ServiceTime })
	add("io_wait_time_recursive", func(b *blkio) *[]dockerstats.BlkioEntry { return &b.WaitTime })
	add("io_merged_recursive", func(b *blkio) *[]dockerstats.BlkioEntry { return &b.Merged })
	add("time_recursive", func(b *blkio) *[]dockerstats.BlkioEntry { return &b.Time })
	add("sectors_recursive", func(b *blkio) *[]dockerstats.BlkioEntry { return &b.Sectors })
	if s := f.scheduler[0].file; s == nil {
		f.scheduler = nil
	} else if _, err := s.Read(&kernelfile.Buffer{}); err != nil {
		f.scheduler = nil // a kernel without that scheduler
	}
	return f
}

func (f *filesV1) read(h *Host, into *dockerstats.Object, all bool) error {
	if err := f.readCPU(h, &into.CPU); err != nil {
		return err
	}
	if err := f.readMemory(h, &into.Memory, all); err != nil {
		return err
	}
	f.readBlkio(h, &into.Blkio, all)
	return nil
}

func (f *filesV1) details(h *Host) details {
	d := details{
		maxUsage: h.optional(f.memoryMax), failCnt: h.optional(f.memoryFail), limit: h.memoryLimit(h.optional(f.limit)),
		pids: dockerstats.Pids{Current: h.optional(f.pids), Limit: h.optional(f.pidsMax)},
	}
	if d.pids.Limit == math.MaxUint64 {
		d.pids.Limit = 0 // Docker shows none
	}
	return d
}

func (f *filesV1) readCPU(h *Host, into *dockerstats.CPU) error {
	text, err := f.usage.Read(&h.buffer)
	if err != nil {
		return err
	}
	total, _ := number(text)
	if f.rest.used(total); f.rest.sure() {
		copyCPU(into, &f.cpu)
		return nil
	}
	if err := f.readAllCPU(h, into); err != nil {
		return err
	}
	into.Usage.Total = total
	copyCPU(&f.cpu, into)
	return nil
}

// copyCPU copies from to into, with a list of its own.
func copyCPU(into, from *dockerstats.CPU) {
	perCPU := append(into.Usage.PerCPU[:0], from.Usage.PerCPU...)
	*into = *from
	into.Usage.PerCPU = perCPU
}

func (f *filesV1) readAllCPU(h *Host, into *dockerstats.CPU) error {
	perCPU := into.Usage.PerCPU
	*into = dockerstats.CPU{}
	into.Usage.PerCPU = perCPU[:0]
	text, err := f.perCPU.Read(&h.buffer)
	if err != nil {
		return err
	}
	into.Usage.PerCPU = numbers(text, into.Usage.PerCPU)
	if text, err := f.split.Read(&h.buffer); err == nil {
		pairs(text, func(name []byte, value uint64) {
			switch string(name) {
			case "user":
				into.Usage.User = value * ticks
			case "system":
				into.Usage.Kernel = value * ticks
			}
		})
	}
	if f.throttling == nil {
		return nil
	}
	if text, err := f.throttling.Read(&h.buffer); err == nil {
		pairs(text, func(name []byte, value uint64) {
			switch string(name) {
			case "nr_periods":
				into.Throttling.Periods = value
			case "nr_throttled":
				into.Throttling.ThrottledPeriods = value
			case "throttled_time":
				into.Throttling.ThrottledTime = value
			}
		})
	}
	return nil
}

func (f *filesV1) readMemory(h *Host, into *dockerstats.Memory, all bool) error {
	text, err := f.memory.Read(&h.buffer)
	if err != nil {
		return err
	}
	into.Usage, _ = number(text)
	if !all && f.rest.sameMemory(into) {
		return nil
	}
	if text, err = f.memStats.Read(&h.buffer); err != nil {
		return err
	}
	into.Stats, _ = memoryV1.parse(text, into.Stats)
	f.rest.keepMemory(into)
	return nil
}

// readBlkio prefers the counters of the I/O scheduler, which say more; where another scheduler is used they are empty and
// those of the throttling layer tell bytes and operations.
func (f *filesV1) readBlkio(h *Host, into *dockerstats.Blkio, all bool) {
	entries := 0
	for _, s := range f.scheduler {
		list := s.list(into)
		*list = entriesOf(h, s.file, *list)
		entries += len(*list)
	}
	switch {
	case entries > 0:
	case f.rest.sure() && !all:
		into.ServiceBytes = append(into.ServiceBytes[:0], f.lastBytes...)
		into.Serviced = append(into.Serviced[:0], f.lastOperations...)
	default:
		into.ServiceBytes = entriesOf(h, f.bytes, into.ServiceBytes)
		if all || !slices.Equal(into.ServiceBytes, f.lastBytes) {
			f.lastBytes = append(f.lastBytes[:0], into.ServiceBytes...)
			f.lastOperations = entriesOf(h, f.operations, f.lastOperations)
		}
		into.Serviced = append(into.Serviced[:0], f.lastOperations...)
	}
	into.ShowAll()
}

// entriesOf reads a file that need not be there.
func entriesOf(h *Host, f *kernelfile.File, into []dockerstats.BlkioEntry) []dockerstats.BlkioEntry {
	if f == nil {
		return into[:0]
	}
	text, err := f.Read(&h.buffer)
	if err != nil {
		return into[:0]
	}
	return blkioEntries(text, into)
}

func (f *filesV1) close() {
	for _, file := range []*kernelfile.File{f.usage, f.perCPU, f.split, f.throttling, f.memory, f.memoryMax, f.memoryFail, f.limit,
		f.memStats, f.bytes, f.operations, f.pids, f.pidsMax} {
		if file != nil {
			file.Close()
		}
	}
	for _, s := range f.scheduler {
		s.file.Close()
	}
}

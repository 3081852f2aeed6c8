package dockerstats

import "slices"

// Docker's counters start at zero whenever the container starts. Resume makes them continue.

// Resume adds to o, a sample of a container that was restarted, what the container had used before: base is the last
// sample before the restart, itself already resumed. windows tells which of the counters the platform has.
func (o *Object) Resume(base *Object, windows bool) {
	o.CPU.Usage.Total += base.CPU.Usage.Total
	o.CPU.Usage.Kernel += base.CPU.Usage.Kernel
	o.CPU.Usage.User += base.CPU.Usage.User
	if windows {
		o.resumeWindows(base)
		return
	}
	for i, v := range base.CPU.Usage.PerCPU {
		if i < len(o.CPU.Usage.PerCPU) {
			o.CPU.Usage.PerCPU[i] += v
		} else {
			o.CPU.Usage.PerCPU = append(o.CPU.Usage.PerCPU, v)
		}
	}
	o.CPU.Throttling.Periods += base.CPU.Throttling.Periods
	o.CPU.Throttling.ThrottledPeriods += base.CPU.Throttling.ThrottledPeriods
	o.CPU.Throttling.ThrottledTime += base.CPU.Throttling.ThrottledTime

	o.Memory.MaxUsage = max(o.Memory.MaxUsage, base.Memory.MaxUsage)
	o.Memory.FailCnt += base.Memory.FailCnt

	b, was := &o.Blkio, &base.Blkio
	b.ServiceBytes = sumEntries(was.ServiceBytes, b.ServiceBytes)
	b.Serviced = sumEntries(was.Serviced, b.Serviced)
	b.ServiceTime = sumEntries(was.ServiceTime, b.ServiceTime)
	b.WaitTime = sumEntries(was.WaitTime, b.WaitTime)
	b.Merged = sumEntries(was.Merged, b.Merged)
	b.Time = sumEntries(was.Time, b.Time)
	b.Sectors = sumEntries(was.Sectors, b.Sectors)

	for i := range o.Networks {
		if before := base.Networks.Get(o.Networks[i].Name); before != nil {
			o.Networks[i].Add(before)
		}
	}
}

// resumeWindows does the rest on Windows, which counts no network errors.
func (o *Object) resumeWindows(base *Object) {
	o.Memory.CommitPeak = max(o.Memory.CommitPeak, base.Memory.CommitPeak)
	o.Storage.ReadCount += base.Storage.ReadCount
	o.Storage.ReadBytes += base.Storage.ReadBytes
	o.Storage.WriteCount += base.Storage.WriteCount
	o.Storage.WriteBytes += base.Storage.WriteBytes
	for i := range o.Networks {
		if before := base.Networks.Get(o.Networks[i].Name); before != nil {
			n := *before
			n.RxErrors, n.TxErrors = 0, 0
			o.Networks[i].Add(&n)
		}
	}
}

// sumEntries merges two lists by device and operation: the entries of base first, then the new ones.
func sumEntries(base, now []BlkioEntry) []BlkioEntry {
	if len(base) == 0 {
		return now
	}
	sum := slices.Clone(base)
	for _, e := range now {
		i := slices.IndexFunc(sum, func(s BlkioEntry) bool { return s.Major == e.Major && s.Minor == e.Minor && s.Op == e.Op })
		if i < 0 {
			sum = append(sum, e)
		} else {
			sum[i].Value += e.Value
		}
	}
	return sum
}

// Follow makes o the sample after previous, nil when it is the first.
func (o *Object) Follow(previous *Object) {
	if previous == nil {
		o.PreRead, o.PreCPU = Object{}.Read, CPU{}
		return
	}
	perCPU := append(o.PreCPU.Usage.PerCPU[:0], previous.CPU.Usage.PerCPU...)
	o.PreRead, o.PreCPU = previous.Read, previous.CPU
	o.PreCPU.Usage.PerCPU = perCPU
}

// Clone is a copy that shares nothing.
func (o *Object) Clone() *Object {
	c := *o
	c.CPU.Usage.PerCPU = slices.Clone(o.CPU.Usage.PerCPU)
	c.PreCPU.Usage.PerCPU = slices.Clone(o.PreCPU.Usage.PerCPU)
	c.Memory.Stats = slices.Clone(o.Memory.Stats)
	c.Networks = slices.Clone(o.Networks)
	for _, list := range c.Blkio.lists() {
		*list = slices.Clone(*list)
	}
	return &c
}

// ShowAll makes the lists that are missing empty ones.
func (b *Blkio) ShowAll() {
	for _, list := range b.lists() {
		if *list == nil {
			*list = []BlkioEntry{}
		}
	}
}

func (b *Blkio) lists() []*[]BlkioEntry {
	return []*[]BlkioEntry{&b.ServiceBytes, &b.Serviced, &b.Queued, &b.ServiceTime, &b.WaitTime, &b.Merged, &b.Time, &b.Sectors}
}

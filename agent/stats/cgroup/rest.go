package cgroup

import "github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"

// rest notices that a container does nothing. Most containers do nothing most of the time, and then much of what the kernel
// would say about them is known already: reading it is what statistics cost.
type rest struct {
	total uint64 // CPU time at the last look
	looks int    // how many in a row found no CPU time used since

	usage  uint64 // memory, when stats were read
	stats  dockerstats.Values
	filled bool
}

// sureAfter is how many looks without any CPU time used make sure. Not the first one: a period of the CPU limit may end
// after the last use.
const sureAfter = 2

// used takes over the CPU time of a look.
func (r *rest) used(total uint64) {
	if total != r.total {
		r.total, r.looks = total, 0
		return
	}
	r.looks++
}

// sure reports whether the container has done nothing for a while.
func (r *rest) sure() bool { return r.looks >= sureAfter }

// sameMemory fills in the memory statistics of a container at rest that uses exactly as much as when they were read. It
// reports false when they have to be read.
func (r *rest) sameMemory(m *dockerstats.Memory) bool {
	if !r.sure() || !r.filled || m.Usage != r.usage {
		return false
	}
	m.Stats = append(m.Stats[:0], r.stats...)
	return true
}

// keepMemory notes what was read.
func (r *rest) keepMemory(m *dockerstats.Memory) {
	r.usage, r.filled = m.Usage, true
	r.stats = append(r.stats[:0], m.Stats...)
}

package cgroup

import (
	"bytes"
	"math"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/stats/internal/kernelfile"
)

// table is a set of names in alphabetical order, the lines of a file that are of interest.
type table struct {
	names []string
	index map[string]int
}

func newTable(names ...string) *table {
	t := &table{names: names, index: make(map[string]int, len(names))}
	for i, name := range names {
		t.index[name] = i
	}
	return t
}

// parse reads "name number" lines into into, over what is there. Every name of the table is in the result; those that the
// file lacks with 0. It reports false when the file holds none.
func (t *table) parse(text []byte, into dockerstats.Values) (dockerstats.Values, bool) {
	into = into[:0]
	for _, name := range t.names {
		into = append(into, dockerstats.Value{Name: name})
	}
	found := false
	for line, rest, more := kernelfile.NextLine(text); more; line, rest, more = kernelfile.NextLine(rest) {
		name, value, ok := kernelfile.KeyValue(line)
		if !ok {
			continue
		}
		if i, wanted := t.index[string(name)]; wanted {
			into[i].Value = value
			found = true
		}
	}
	return into, found
}

// memoryV1 and memoryV2 are the lines of memory.stat that Docker shows.
var (
	memoryV1 = newTable("active_anon", "active_file", "cache", "dirty", "hierarchical_memory_limit", "hierarchical_memsw_limit",
		"inactive_anon", "inactive_file", "mapped_file", "pgfault", "pgmajfault", "pgpgin", "pgpgout", "rss", "rss_huge",
		"total_active_anon", "total_active_file", "total_cache", "total_dirty", "total_inactive_anon", "total_inactive_file",
		"total_mapped_file", "total_pgfault", "total_pgmajfault", "total_pgpgin", "total_pgpgout", "total_rss", "total_rss_huge",
		"total_unevictable", "total_writeback", "unevictable", "writeback")
	memoryV2 = newTable("active_anon", "active_file", "anon", "anon_thp", "file", "file_dirty", "file_mapped", "file_writeback",
		"inactive_anon", "inactive_file", "kernel_stack", "pgactivate", "pgdeactivate", "pgfault", "pglazyfree", "pglazyfreed",
		"pgmajfault", "pgrefill", "pgscan", "pgsteal", "shmem", "slab", "slab_reclaimable", "slab_unreclaimable", "sock",
		"thp_collapse_alloc", "thp_fault_alloc", "unevictable", "workingset_activate", "workingset_nodereclaim", "workingset_refault")
)

// number reads a file that holds one number. The word max, and what is written −1 in limits, is the highest number.
func number(text []byte) (uint64, bool) {
	text = bytes.TrimSpace(text)
	if string(text) == "max" || string(text) == "-1" {
		return math.MaxUint64, true
	}
	return kernelfile.Uint(text)
}

// pairs calls visit for each "name number" line.
func pairs(text []byte, visit func(name []byte, value uint64)) {
	for line, rest, more := kernelfile.NextLine(text); more; line, rest, more = kernelfile.NextLine(rest) {
		if name, value, ok := kernelfile.KeyValue(line); ok {
			visit(name, value)
		}
	}
}

// numbers reads numbers between blanks.
func numbers(text []byte, into []uint64) []uint64 {
	into = into[:0]
	text, _, _ = kernelfile.NextLine(text)
	for field, rest, more := kernelfile.NextField(text); more; field, rest, more = kernelfile.NextField(rest) {
		n, ok := kernelfile.Uint(field)
		if !ok {
			return into[:0]
		}
		into = append(into, n)
	}
	return into
}

// device reads "major:minor".
func device(text []byte) (major, minor uint64, ok bool) {
	i := bytes.IndexByte(text, ':')
	if i < 0 {
		return 0, 0, false
	}
	major, ok = kernelfile.Uint(text[:i])
	minor, ok2 := kernelfile.Uint(text[i+1:])
	return major, minor, ok && ok2
}

// blkioEntries reads a blkio file of cgroup v1: lines like "253:0 Read 4096"; files without operations have two words.
// The total of all devices at the end is left out.
func blkioEntries(text []byte, into []dockerstats.BlkioEntry) []dockerstats.BlkioEntry {
	before := into
	into = into[:0]
	for line, rest, more := kernelfile.NextLine(text); more; line, rest, more = kernelfile.NextLine(rest) {
		dev, line, _ := kernelfile.NextField(line)
		major, minor, ok := device(dev)
		if !ok {
			continue
		}
		op, line, _ := kernelfile.NextField(line)
		value, ok := kernelfile.Uint(line)
		if !ok {
			if value, ok = kernelfile.Uint(op); !ok {
				continue
			}
			op = nil
		}
		into = append(into, dockerstats.BlkioEntry{Major: major, Minor: minor, Op: sameOp(before, len(into), op), Value: value})
	}
	return into
}

// sameOp gives the operation the list had at that place, if it is the same, to make no new string.
func sameOp(list []dockerstats.BlkioEntry, i int, op []byte) string {
	if i < len(list) && list[i].Op == string(op) {
		return list[i].Op
	}
	return string(op)
}

// ioStat reads io.stat of cgroup v2, lines like "253:0 rbytes=4096 wbytes=0 rios=1 …", as Docker shows it.
func ioStat(text []byte, into []dockerstats.BlkioEntry) []dockerstats.BlkioEntry {
	into = into[:0]
	for line, rest, more := kernelfile.NextLine(text); more; line, rest, more = kernelfile.NextLine(rest) {
		dev, line, _ := kernelfile.NextField(line)
		major, minor, ok := device(dev)
		if !ok {
			continue
		}
		var read, write uint64
		counted := false
		for field, line, more := kernelfile.NextField(line); more; field, line, more = kernelfile.NextField(line) {
			i := bytes.IndexByte(field, '=')
			if i < 0 {
				continue
			}
			value, ok := kernelfile.Uint(field[i+1:])
			if !ok {
				continue
			}
			switch string(field[:i]) {
			case "rbytes":
				read, counted = value, true
			case "wbytes":
				write, counted = value, true
			}
		}
		if counted {
			into = append(into, dockerstats.BlkioEntry{Major: major, Minor: minor, Op: "read", Value: read},
				dockerstats.BlkioEntry{Major: major, Minor: minor, Op: "write", Value: write})
		}
	}
	return into
}

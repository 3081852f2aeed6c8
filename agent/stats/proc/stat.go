package proc

import (
	"bytes"

	"github.com/aws/amazon-ecs-agent/agent/stats/internal/kernelfile"
)

// tick is the unit of CPU time in proc and cgroup v1, in ns: USER_HZ is 100 on every Linux architecture Docker runs on.
const tick = 10_000_000

// Host is the CPU time of the whole host.
type Host struct {
	CPU        uint64 // ns, over all CPUs and states
	OnlineCPUs uint32
}

// ParseStat reads the file stat of proc.
func ParseStat(text []byte) (h Host, ok bool) {
	for line, rest, more := kernelfile.NextLine(text); more; line, rest, more = kernelfile.NextLine(rest) {
		name, values, _ := kernelfile.NextField(line)
		if !bytes.HasPrefix(name, []byte("cpu")) {
			break // the CPUs come first
		}
		if len(name) > 3 {
			h.OnlineCPUs++
			continue
		}
		// user nice system idle iowait irq softirq, as Docker counts: without what other guests of the hypervisor stole.
		for range 7 {
			var field []byte
			field, values, _ = kernelfile.NextField(values)
			n, valid := kernelfile.Uint(field)
			if !valid {
				break
			}
			h.CPU += n * tick
		}
		ok = true
	}
	return h, ok
}

// ParseMemTotal reads the size of the host's memory, in bytes, from the file meminfo of proc.
func ParseMemTotal(text []byte) (total uint64, ok bool) {
	for line, rest, more := kernelfile.NextLine(text); more; line, rest, more = kernelfile.NextLine(rest) {
		name, value, _ := kernelfile.NextField(line)
		if string(name) != "MemTotal:" {
			continue
		}
		number, unit, _ := kernelfile.NextField(value)
		kib, valid := kernelfile.Uint(number)
		return kib << 10, valid && kib < 1<<54 && string(bytes.TrimSpace(unit)) == "kB"
	}
	return 0, false
}

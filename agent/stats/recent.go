package stats

import "time"

// Sample is what a container used at a moment, reduced to what people look at.
type Sample struct {
	At time.Time
	// CPUPercent is the use since the sample before; 100 is all CPUs of the host.
	CPUPercent float64
	// Memory is in bytes, whole MiB, without the page cache.
	Memory uint64
	// RxRate and TxRate are bytes per second; 0 without a network of its own.
	RxRate, TxRate float64
}

// Recent gives the newest samples of a container by its Docker id, at most that many, the oldest first. There is one a
// second, or one per polling interval; at most 80 are kept. The very first sample of a container is not among them, since
// it has no rates. Nothing for a container that is not measured. The slice is the caller's: it takes no lock that a
// sample, a task or Docker could hold for long.
func (c *Collector) Recent(id string, most int) []Sample {
	t := c.find(id)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.queue.recent(most)
}

// recent copies the newest entries that have a CPU value.
func (q *queue) recent(most int) []Sample {
	first := max(q.length-most, 0)
	samples := make([]Sample, 0, q.length-first)
	for i := first; i < q.length; i++ {
		e := q.at(i)
		if !known(e.cpuPercent) {
			continue
		}
		s := Sample{At: time.Unix(0, e.at).UTC(), CPUPercent: e.cpuPercent, Memory: e.memory << 20}
		if known(e.rxRate) && known(e.txRate) {
			s.RxRate, s.TxRate = e.rxRate, e.txRate
		}
		samples = append(samples, s)
	}
	return samples
}

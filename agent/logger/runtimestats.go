package logger

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"
)

const (
	// runtimeStatsInterval is the time between two lines.
	runtimeStatsInterval = 2 * time.Minute
	// runtimeStatsFiles is the number of rotated runtime stats files kept.
	runtimeStatsFiles = 3
)

// RuntimeStatsRotation is how the runtime stats file is rotated: by the size configured for the log, three old files.
func RuntimeStatsRotation(log Rotation) Rotation {
	return Rotation{Type: RolloverSize, MaxBytes: log.MaxBytes, MaxFiles: runtimeStatsFiles}
}

// RunRuntimeStats writes a line about the Go runtime to w at once and every 2 minutes until ctx ends.
// Write errors are ignored: the statistics must never disturb the agent.
func RunRuntimeStats(ctx context.Context, w io.Writer) error {
	var s runtimeStats
	s.start = now()
	s.line(w)
	tick := time.NewTicker(runtimeStatsInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.line(w)
		case <-ctx.Done():
			return nil
		}
	}
}

// runtimeStats remembers the previous line: frees, mallocs, GC count and GC time are differences to it.
type runtimeStats struct {
	start time.Time
	last  runtime.MemStats
}

func (s *runtimeStats) line(w io.Writer) {
	var m runtime.MemStats
	before := time.Now()
	runtime.ReadMemStats(&m)
	overhead := time.Since(before)
	_, _ = io.WriteString(w, formatRuntimeStats(now(), &m, &s.last, runtime.NumGoroutine(), time.Since(s.start), overhead))
	s.last = m
}

func formatRuntimeStats(t time.Time, m, last *runtime.MemStats, goroutines int, uptime, overhead time.Duration) string {
	return fmt.Sprintf("Time=%s, FreesCount=%d, HeapMemoryAlloc=%d, HeapMemoryInUse=%d, HeapMemoryIdle=%d, "+
		"HeapMemoryReleased=%d, MallocCount=%d, StackMemoryInUse=%d, GarbageCollectionCount=%d, "+
		"GarbageCollectionTime=%s, GCCPUFraction=%f, GoroutineCount=%d, UpTime=%s, ReadMemStatsOverhead=%s\n",
		t.Format(time.RFC3339), m.Frees-last.Frees, m.HeapAlloc, m.HeapInuse, m.HeapIdle,
		m.HeapReleased, m.Mallocs-last.Mallocs, m.StackInuse, m.NumGC-last.NumGC,
		time.Duration(m.PauseTotalNs-last.PauseTotalNs), m.GCCPUFraction, goroutines, uptime, overhead)
}

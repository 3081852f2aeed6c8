package store

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func benchTask(b *testing.B, id string) *task.Task {
	tk, err := decodeTask(reference(b)["tasks"][orders])
	if err != nil {
		b.Fatal(err)
	}
	tk.ARN = arnPrefix + id
	for _, c := range tk.Containers {
		c.TaskARN = tk.ARN
	}
	return tk
}

// BenchmarkSaveOneByOne waits for the disk after every record, as a writer without group commit has to.
func BenchmarkSaveOneByOne(b *testing.B) {
	s := openStore(b, b.TempDir())
	tk := benchTask(b, "a")
	for b.Loop() {
		s.SaveTask(tk)
		mustSync(b, s)
	}
}

// BenchmarkSaveGroup has 20 tasks wait for the disk at the same time.
func BenchmarkSaveGroup(b *testing.B) {
	s := openStore(b, b.TempDir())
	var n atomic.Int64
	b.SetParallelism(20 / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		tk := benchTask(b, fmt.Sprint(n.Add(1)))
		for pb.Next() {
			s.SaveTask(tk)
			mustSync(b, s)
		}
	})
}

// BenchmarkSaveQueued is what a save costs the task that makes it.
func BenchmarkSaveQueued(b *testing.B) {
	s := openStore(b, b.TempDir())
	tk := benchTask(b, "a")
	for b.Loop() {
		s.SaveTask(tk)
	}
}

// BenchmarkStart opens, checks and loads the state of 50 tasks with two containers each, and reports the resident
// memory the open file adds.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	s := openStore(b, dir)
	for i := range 50 {
		tk := benchTask(b, fmt.Sprintf("task%d", i))
		s.SaveTask(tk)
		for _, c := range tk.Containers {
			s.SaveContainer(c)
		}
	}
	closeStore(b, s)
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s := openStore(b, dir)
		if state := load(b, s); len(state.Tasks) != 50 {
			b.Fatalf("%d tasks", len(state.Tasks))
		}
		b.ReportMetric(float64(mapped(b))/1024, "mapped-KiB")
		closeStore(b, s)
	}
	b.ReportMetric(float64(info.Size())/1024, "file-KiB")
}

// mapped is the resident size of the memory map of agent.db in bytes.
func mapped(b *testing.B) int {
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		b.Skip(err)
	}
	inside, total := false, 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if strings.Contains(fields[0], "-") {
			inside = strings.HasSuffix(strings.TrimSpace(line), fileName)
		}
		if inside && fields[0] == "Rss:" {
			n, _ := strconv.Atoi(fields[1])
			total += n * 1024
		}
	}
	return total
}

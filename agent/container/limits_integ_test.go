//go:build integration

package container

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLimitsReachTheKernel(t *testing.T) {
	h := prepare(t, script(`until test -e /out/go; do sleep 0.05; done
		cat /sys/fs/cgroup/memory/memory.limit_in_bytes > /out/memory || cat /sys/fs/cgroup/memory.max > /out/memory
		cat /sys/fs/cgroup/cpu/cpu.shares > /out/cpu || cat /sys/fs/cgroup/cpu.weight > /out/cpu`, `,"Cpu":512,"Memory":64`))
	h.task.LimitsEnabled = true
	h.create(0)
	h.start(0)
	pid := h.task.Containers[0].PID
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(cgroup), h.task.ID()) {
		t.Errorf("cgroups of the container are not below the task's:\n%s", cgroup)
	}
	t.Cleanup(func() { removeCgroups(t, h.task.ID()) })
	t.Cleanup(h.remove)
	if err := os.WriteFile(filepath.Join(h.out, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.ended(0, 0)
	if got := h.wrote("memory")[0]; got != "67108864" {
		t.Errorf("memory limit %s, want 64 MiB", got)
	}
	if got := h.wrote("cpu")[0]; got != "512" && got != "20" { // v1 shares; v2 weight
		t.Errorf("CPU shares or weight %s, want 512 or 20", got)
	}
}

// removeCgroups removes the task's cgroup, which the agent's cgroup resource would have made and removed.
func removeCgroups(t *testing.T, id string) {
	dirs, err := filepath.Glob("/sys/fs/cgroup/*/ecs/" + id)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if err := os.Remove(dir); err != nil {
			t.Logf("removing a cgroup: %v", err)
		}
	}
}

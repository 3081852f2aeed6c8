//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the agent may use of a core while its containers are measured. A busy machine may take three times as much before
// the test fails.
var statisticsLimits = map[int]float64{50: 0.5, 100: 1} // percent, by number of containers

const (
	statisticsSlack  = 3
	statisticsWindow = 20 * time.Second
	statisticsSettle = 5 * time.Second // until everything has been opened
)

// TestCostOfStatistics measures what `make bench` prints: the CPU time of the agent and of Docker with running containers,
// without statistics, with those read from the kernel, and with those of Docker.
func TestCostOfStatistics(t *testing.T) {
	if !benchmarking {
		t.Skip("make bench runs it: it takes minutes and wants a quiet machine")
	}
	h := newHost(t)
	h.start()
	d := h.register(oneContainer("batch", "--steps", "1000000", "--interval", "1h"))
	fmt.Printf("\nCPU time in percent of a core, over %v\n  %-11s%-14s%8s%10s%12s%8s\n", statisticsWindow, "containers", "statistics", "agent", "dockerd", "containerd", "shims")
	var arns []string
	for _, n := range []int{50, 100} {
		for len(arns) < n {
			arns = append(arns, h.runTask(d))
		}
		h.await("RUNNING", arns...)
		for _, c := range []struct {
			name string
			env  map[string]string
		}{
			{"off", map[string]string{"ECS_DISABLE_METRICS": "true"}},
			{"from kernel", map[string]string{"ECS_STATS_SOURCE": "cgroup"}},
			{"from Docker", map[string]string{"ECS_STATS_SOURCE": "docker"}},
		} {
			h.terminate()
			h.env = c.env
			h.start()
			h.stays(statisticsSettle)
			before := h.cpuTimes()
			h.stays(statisticsWindow)
			used := h.cpuTimes()
			percent := func(part string) float64 {
				return 100 * (used[part] - before[part]).Seconds() / statisticsWindow.Seconds()
			}
			fmt.Printf("  %-11d%-14s%8.2f%10.2f%12.2f%8.2f\n", n, c.name, percent("agent"), percent("dockerd"), percent("containerd"), percent("shims"))
			if limit := statisticsLimits[n]; c.name == "from kernel" && percent("agent") > statisticsSlack*limit {
				t.Errorf("the agent uses %.2f %% of a core with %d containers, want %.1f %% or less", percent("agent"), n, limit)
			}
		}
	}
	fmt.Println()
}

// cpuTimes are the CPU times used so far by the agent, by the Docker daemon and its containerd, and by the shims of the
// tasks' containers.
func (h *host) cpuTimes() map[string]time.Duration {
	h.t.Helper()
	list, err := docker.Containers(h.ctx(), h.part())
	h.must(err)
	own := map[string]bool{}
	for _, c := range list {
		own[c.ID] = true
	}
	daemon := h.daemon()
	times := map[string]time.Duration{"agent": h.cpu(), "dockerd": cpuTime(daemon)}
	for pid, args := range h.processes() {
		switch name := filepath.Base(args[0]); {
		case name == "containerd" && (parent(pid) == daemon || parent(pid) == 1):
			times["containerd"] += cpuTime(pid)
		case strings.HasPrefix(name, "containerd-shim") && slices.ContainsFunc(args, func(arg string) bool { return own[arg] }):
			times["shims"] += cpuTime(pid)
		}
	}
	return times
}

// processes are the command lines of all processes.
func (h *host) processes() map[int][]string {
	h.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	h.must(err)
	all := map[int][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		all[pid] = strings.Split(string(bytes.TrimSuffix(text, []byte{0})), "\x00")
	}
	return all
}

// daemon is the Docker daemon: the process that listens on its socket, or the only one of that name when another one
// listens for it.
func (h *host) daemon() int {
	h.t.Helper()
	if docker.Socket() == "" {
		h.t.Skipf("needs a Docker engine on a unix socket, not %s", docker.Host)
	}
	conn, err := net.Dial("unix", docker.Socket())
	h.must(err)
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	h.must(err)
	var peer *unix.Ucred
	h.must(raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }))
	h.must(err)
	all := h.processes()
	if args := all[int(peer.Pid)]; filepath.Base(args[0]) == "dockerd" {
		return int(peer.Pid)
	}
	for pid, args := range all {
		if filepath.Base(args[0]) == "dockerd" {
			return pid
		}
	}
	h.t.Fatal("there is no process dockerd")
	return 0
}

// cpuTime is the CPU time of a process with all threads it ever had, by its CPU clock; 0 when it has ended.
func cpuTime(pid int) time.Duration {
	const scheduler = 2 // CPUCLOCK_SCHED of the kernel
	var ts unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|scheduler), &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func parent(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	n, _ := strconv.Atoi(fields[1])
	return n
}

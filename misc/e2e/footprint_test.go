//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// Limits of the agent's footprint. A busy machine may be ten times slower before the test fails.
const (
	maxBinary       = 28 << 20
	maxIdleRSS      = 22 << 20
	maxRegistration = 150 * time.Millisecond
	maxTermination  = 150 * time.Millisecond
	slack           = 10

	footprintTasks = 50
	footprintTries = 5
)

// TestFootprint measures what `make bench` prints: size, memory and the two times people wait for.
func TestFootprint(t *testing.T) {
	info, err := os.Stat(agentBinary)
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t)
	var starts []time.Duration
	for range footprintTries {
		starts = append(starts, h.timeToRegistration())
		h.terminate()
	}
	h.start()
	idle := h.rss()

	d := h.register(oneContainer("serve"))
	var arns []string
	for range footprintTasks {
		arns = append(arns, h.runTask(d))
	}
	h.await("RUNNING", arns...)
	busy := h.rss()
	var ends []time.Duration
	for range footprintTries {
		ends = append(ends, h.terminate())
		h.start()
	}

	registration, termination := slices.Min(starts), slices.Min(ends)
	fmt.Printf(`
footprint (%s/%s, %d CPUs, best of %d)
  binary                          %6.1f MiB   (limit %d)
  resident memory, idle           %6.1f MiB   (limit %d)
  resident memory, %d tasks       %6.1f MiB
  start to registration           %6d ms    (limit %d; median %d)
  SIGTERM to end, %d tasks        %6d ms    (limit %d; median %d)

`, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), footprintTries,
		mib(info.Size()), maxBinary>>20, mib(idle), maxIdleRSS>>20, footprintTasks, mib(busy),
		registration.Milliseconds(), maxRegistration.Milliseconds(), median(starts).Milliseconds(),
		footprintTasks, termination.Milliseconds(), maxTermination.Milliseconds(), median(ends).Milliseconds())

	if info.Size() > maxBinary {
		t.Errorf("the binary has %.1f MiB", mib(info.Size()))
	}
	if idle > maxIdleRSS {
		t.Errorf("the idle agent has %.1f MiB resident", mib(idle))
	}
	if registration > slack*maxRegistration {
		t.Errorf("registration after %v", registration)
	}
	if termination > slack*maxTermination {
		t.Errorf("the end took %v", termination)
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}

// timeToRegistration starts the agent and waits until the service has registered it, again or for the first time.
func (h *host) timeToRegistration() time.Duration {
	h.t.Helper()
	registered := func() int {
		log, err := os.ReadFile(h.Log)
		h.must(err)
		return bytes.Count(log, []byte("container instance registered"))
	}
	tick := time.NewTicker(time.Millisecond) // the resolution of the measurement
	defer tick.Stop()
	before, started := registered(), time.Now()
	h.launch()
	for registered() == before {
		if !h.agent.Running() || time.Since(started) > patience {
			h.t.Fatalf("no registration; the agent's last words:\n%s", h.agent.LastWords())
		}
		<-tick.C
	}
	took := time.Since(started)
	_, err := h.AwaitAgent(h.ctx())
	h.must(err)
	return took
}

// rss is the resident memory of the agent in bytes once it has come to rest.
func (h *host) rss() int64 {
	h.t.Helper()
	var lowest int64
	for range 20 {
		n, err := residentBytes(h.agent)
		h.must(err)
		if lowest == 0 || n < lowest {
			lowest = n
		}
		h.stays(100 * time.Millisecond)
	}
	return lowest
}

func residentBytes(p *rig.Program) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Pid()))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(text)
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

package engine

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// HostResources is what the tasks of this host share. Ports and GPUs are sets: each member goes to one task at most.
type HostResources struct {
	CPU    int64    // shares, 1024 per logical CPU
	Memory int64    // MiB
	GPUs   []string // ids
	// ReservedTCP and ReservedUDP are never given to tasks.
	ReservedTCP, ReservedUDP []uint16
}

// demand is what one task takes of the host.
type demand struct {
	cpu, memory int64
	tcp, udp    []uint16
	gpus        []string
}

// demandOf reads a task's demand: task limits where set, else the sum over its containers.
func demandOf(t *task.Task) demand {
	var d demand
	for _, c := range t.Containers {
		d.cpu += int64(c.CPU)
		d.memory += containerMemory(c)
		d.gpus = append(d.gpus, c.GPUIDs...)
		if t.NetworkMode == "awsvpc" {
			continue // the ports are those of the task's own interface
		}
		for _, p := range c.Ports {
			switch {
			case p.HostPort == 0:
			case p.Protocol == task.UDP:
				d.udp = append(d.udp, p.HostPort)
			default:
				d.tcp = append(d.tcp, p.HostPort)
			}
		}
	}
	if t.CPU > 0 {
		d.cpu = int64(math.Trunc(t.CPU * 1024))
	}
	if t.Memory > 0 {
		d.memory = t.Memory
	}
	return d
}

// containerMemory is the container's soft limit, else its hard limit, in MiB.
func containerMemory(c *task.Container) int64 {
	var host struct{ MemoryReservation int64 }
	if c.DockerConfig.HostConfig != nil && json.Unmarshal([]byte(*c.DockerConfig.HostConfig), &host) == nil && host.MemoryReservation > 0 {
		return host.MemoryReservation / (1 << 20)
	}
	return int64(c.Memory)
}

// admission grants host resources to tasks in the order of their acceptance. Stopping frees nothing: a replacement
// waits until the old task is really STOPPED.
type admission struct {
	mu      sync.Mutex
	total   HostResources
	used    map[string]demand // by task ARN
	sum     sum
	waiting []waiter
}

// sum is what all granted demands come to. Ports and GPUs are counted: tasks that ran already when the agent started
// are never refused theirs.
type sum struct {
	cpu, memory int64
	tcp, udp    map[uint16]int
	gpus        map[string]int
}

// add counts a demand n times: 1 takes it, −1 gives it back.
func (s *sum) add(d demand, n int) {
	s.cpu += d.cpu * int64(n)
	s.memory += d.memory * int64(n)
	count(s.tcp, d.tcp, n)
	count(s.udp, d.udp, n)
	count(s.gpus, d.gpus, n)
}

func count[K comparable](counts map[K]int, keys []K, n int) {
	for _, key := range keys {
		if counts[key] += n; counts[key] == 0 {
			delete(counts, key)
		}
	}
}

type waiter struct {
	arn   string
	need  demand
	grant func()
	// tell reports why the task waits; called again when the reason changes.
	tell func(reason string, never bool)
	// refuse ends a task whose demand makes no sense on this host.
	refuse func(reason string)
}

func newAdmission(total HostResources) *admission {
	a := &admission{total: total, used: map[string]demand{}, sum: sum{tcp: map[uint16]int{}, udp: map[uint16]int{}, gpus: map[string]int{}}}
	a.sum.add(demand{tcp: total.ReservedTCP, udp: total.ReservedUDP}, 1)
	return a
}

// request queues a task; its waiter hears what becomes of it, at once or later.
func (a *admission) request(t *task.Task, w waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.arn, w.need = t.ARN, demandOf(t)
	a.waiting = append(a.waiting, w)
	a.admit()
}

// account takes the demand of a task that runs already, and tells what the host lacks for it; "" when it fits.
func (a *admission) account(t *task.Task) (missing string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	need := demandOf(t)
	missing = a.missing(need)
	a.take(t.ARN, need)
	return missing
}

func (a *admission) take(arn string, d demand) {
	a.used[arn] = d
	a.sum.add(d, 1)
}

// release gives back what a task had, or ends its wait. Releasing twice is harmless.
func (a *admission) release(arn string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d, has := a.used[arn]; has {
		a.sum.add(d, -1)
		delete(a.used, arn)
	}
	a.waiting = slices.DeleteFunc(a.waiting, func(w waiter) bool { return w.arn == arn })
	a.admit()
}

// admit grants from the head of the queue as long as demands fit. A task that can never fit waits without holding up
// the others.
func (a *admission) admit() {
	kept := a.waiting[:0]
	blocked := false
	for _, w := range a.waiting {
		if gpu := a.unknownGPU(w.need); gpu != "" {
			w.refuse("task gpu " + gpu + " not found in host gpus")
			continue
		}
		if missing := a.never(w.need); missing != "" {
			w.tell(missing, true)
			kept = append(kept, w)
			continue
		}
		if !blocked {
			missing := a.missing(w.need)
			if missing == "" {
				a.take(w.arn, w.need)
				w.grant()
				continue
			}
			w.tell(missing, false)
			blocked = true
		} else {
			w.tell("waiting for an earlier task to get its resources", false)
		}
		kept = append(kept, w)
	}
	clear(a.waiting[len(kept):])
	a.waiting = kept
}

// missing names what keeps a demand from fitting now; "" when it fits.
func (a *admission) missing(need demand) string {
	cpu, memory := a.sum.cpu, a.sum.memory
	var short []string
	if cpu+need.cpu > a.total.CPU {
		short = append(short, fmt.Sprintf("CPU (needs %d, %d of %d free)", need.cpu, a.total.CPU-cpu, a.total.CPU))
	}
	if memory+need.memory > a.total.Memory {
		short = append(short, fmt.Sprintf("MEMORY (needs %d MiB, %d of %d free)", need.memory, a.total.Memory-memory, a.total.Memory))
	}
	short = append(short, taken("PORTS_TCP", need.tcp, func(p uint16) bool { return a.sum.tcp[p] > 0 })...)
	short = append(short, taken("PORTS_UDP", need.udp, func(p uint16) bool { return a.sum.udp[p] > 0 })...)
	for _, g := range need.gpus {
		if a.sum.gpus[g] > 0 {
			short = append(short, "GPU "+g+" in use")
		}
	}
	return strings.Join(short, ", ")
}

// never names what this host can never give; "" when only waiting is needed.
func (a *admission) never(need demand) string {
	var short []string
	if need.cpu > a.total.CPU {
		short = append(short, fmt.Sprintf("CPU (needs %d, host has %d)", need.cpu, a.total.CPU))
	}
	if need.memory > a.total.Memory {
		short = append(short, fmt.Sprintf("MEMORY (needs %d MiB, host has %d)", need.memory, a.total.Memory))
	}
	short = append(short, taken("PORTS_TCP", need.tcp, func(p uint16) bool { return slices.Contains(a.total.ReservedTCP, p) })...)
	short = append(short, taken("PORTS_UDP", need.udp, func(p uint16) bool { return slices.Contains(a.total.ReservedUDP, p) })...)
	return strings.Join(short, ", ")
}

// unknownGPU is the first GPU wanted that the host does not have.
func (a *admission) unknownGPU(need demand) string {
	for _, g := range need.gpus {
		if !slices.Contains(a.total.GPUs, g) {
			return g
		}
	}
	return ""
}

func taken(key string, want []uint16, used func(uint16) bool) []string {
	var short []string
	for _, port := range want {
		if used(port) {
			short = append(short, key+" ("+strconv.Itoa(int(port))+" in use)")
		}
	}
	return short
}

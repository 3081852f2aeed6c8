package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Sources give the present. None of them may wait for anything.
type Sources struct {
	Tasks func() []*task.Task
	// Sessions are the conversations with ECS, by the name of the service: acs, tcs.
	Sessions map[string]func() Session
	Reports  func() Reports
	Host     func() Host
	// Steps are the kinds of work that may have to wait for their turn.
	Steps map[string]func() Step
}

// Session is a conversation with ECS since the agent started.
type Session struct {
	Connected          bool
	Connects, Failures uint64
}

// Reports are the state changes on their way to ECS; all but Pending count since the agent started.
type Reports struct {
	Pending                     int
	Submitted, Retried, Dropped uint64
}

// Host is what the tasks share.
type Host struct {
	CPU, CPUUsed            int64 // shares, 1024 per logical CPU
	MemoryBytes, MemoryUsed int64
	GPUs, GPUsUsed          int
}

// Step is work of one kind.
type Step struct{ Running, Waiting int }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

var (
	connected       = describe("connected", "1 while there is a connection to the service.", "service")
	reconnects      = describe("reconnects_total", "Connections to the service made again after the first.", "service")
	connectFailures = describe("connect_failures_total", "Attempts to connect to the service that failed.", "service")

	tasksByState      = describe("tasks", "Tasks by known state.", "state")
	containersByState = describe("containers", "Containers of tasks by known state.", "state")
	restarts          = describe("container_restarts", "Restarts made under a restart policy, of the containers that are known now.")
	tasksWaiting      = describe("tasks_waiting", "Tasks that wait for host resources or credentials.")
	tasksNeverFit     = describe("tasks_never_fit", "Waiting tasks that can never fit this host, by the resource it lacks.", "resource")

	changesPending   = describe("state_changes_pending", "State changes that ECS has not accepted yet.")
	changesSubmitted = describe("state_changes_submitted_total", "State changes that ECS accepted.")
	changesRetried   = describe("state_changes_retried_total", "Submissions of state changes that failed and are tried again.")
	changesDropped   = describe("state_changes_dropped_total", "State changes given up because ECS can never accept them.")

	hostCPU        = describe("host_cpu_units", "CPU of the host for tasks; 1024 is one logical CPU.")
	hostCPUUsed    = describe("host_cpu_units_used", "CPU that tasks have been given.")
	hostMemory     = describe("host_memory_bytes", "Memory of the host for tasks.")
	hostMemoryUsed = describe("host_memory_used_bytes", "Memory that tasks have been given.")
	hostGPUs       = describe("host_gpus", "GPUs of the host for tasks.")
	hostGPUsUsed   = describe("host_gpus_used", "GPUs that tasks have been given.")

	stepsRunning = describe("steps_running", "Work under way, by kind.", "step")
	stepsWaiting = describe("steps_waiting", "Work that waits for its turn, by kind.", "step")
)

// snapshots collects from the sources.
type snapshots struct{ Sources }

func (snapshots) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connected, reconnects, connectFailures, tasksByState, containersByState, restarts, tasksWaiting, tasksNeverFit,
		changesPending, changesSubmitted, changesRetried, changesDropped, hostCPU, hostCPUUsed, hostMemory, hostMemoryUsed, hostGPUs, hostGPUsUsed,
		stepsRunning, stepsWaiting} {
		out <- d
	}
}

func (s snapshots) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for service, state := range s.Sessions {
		now := state()
		up := 0.
		if now.Connected {
			up = 1
		}
		gauge(connected, up, service)
		counter(reconnects, max(now.Connects, 1)-1, service)
		counter(connectFailures, now.Failures, service)
	}

	c := count(s.Tasks())
	for state, n := range c.tasks {
		gauge(tasksByState, float64(n), state)
	}
	for state, n := range c.containers {
		gauge(containersByState, float64(n), state)
	}
	for resource, n := range c.neverFit {
		gauge(tasksNeverFit, float64(n), resource)
	}
	gauge(restarts, float64(c.restarts))
	gauge(tasksWaiting, float64(c.waiting))

	r := s.Reports()
	gauge(changesPending, float64(r.Pending))
	counter(changesSubmitted, r.Submitted)
	counter(changesRetried, r.Retried)
	counter(changesDropped, r.Dropped)

	h := s.Host()
	gauge(hostCPU, float64(h.CPU))
	gauge(hostCPUUsed, float64(h.CPUUsed))
	gauge(hostMemory, float64(h.MemoryBytes))
	gauge(hostMemoryUsed, float64(h.MemoryUsed))
	gauge(hostGPUs, float64(h.GPUs))
	gauge(hostGPUsUsed, float64(h.GPUsUsed))

	for kind, state := range s.Steps {
		now := state()
		gauge(stepsRunning, float64(now.Running), kind)
		gauge(stepsWaiting, float64(now.Waiting), kind)
	}
}

// counts are tasks and containers by state. Every state is there, so that a series never comes and goes.
type counts struct {
	tasks, containers map[string]int
	neverFit          map[string]int
	waiting, restarts int
}

// Resources that a host may lack for ever, as the reasons of waiting tasks begin.
var lacking = map[string]string{"CPU": "cpu", "MEMORY": "memory", "PORTS_TCP": "ports", "PORTS_UDP": "ports"}

func count(tasks []*task.Task) counts {
	c := counts{tasks: map[string]int{}, containers: map[string]int{}, neverFit: map[string]int{"cpu": 0, "memory": 0, "ports": 0, "other": 0}}
	for s := task.None; s <= task.Stopped; s++ {
		c.tasks[s.String()] = 0
	}
	for s := task.ContainerNone; s <= task.ContainerStopped; s++ {
		c.containers[s.String()] = 0
	}
	for _, t := range tasks {
		c.tasks[t.Known.String()]++
		for _, x := range t.Containers {
			c.containers[x.Known.String()]++
			if x.Restarts != nil {
				c.restarts += x.Restarts.Count
			}
		}
		if t.Engine.Waiting == "" || t.Known.Terminal() {
			continue
		}
		c.waiting++
		if t.Engine.NeverFits {
			first, _, _ := strings.Cut(t.Engine.Waiting, " ")
			resource, known := lacking[first]
			if !known {
				resource = "other"
			}
			c.neverFit[resource]++
		}
	}
	return c
}

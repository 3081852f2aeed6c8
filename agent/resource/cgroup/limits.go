package cgroup

import (
	"fmt"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Limits of a task as a whole, in the JSON of agent.db (the resources of the OCI runtime specification).
type Limits struct {
	CPU    *CPU    `json:"cpu,omitempty"`
	Memory *Memory `json:"memory,omitempty"`
	Pids   *Pids   `json:"pids,omitempty"`
}

// CPU is either a quota of each period, or a share of what is there.
type CPU struct {
	Shares uint64 `json:"shares,omitempty"`
	Quota  int64  `json:"quota,omitempty"`  // µs of CPU time
	Period uint64 `json:"period,omitempty"` // µs
}

// Memory is the most the task may use.
type Memory struct {
	Limit int64 `json:"limit"` // bytes
}

// Pids is the number of processes the task may have.
type Pids struct {
	Limit int64 `json:"limit"`
}

// What the kernel takes as CPU shares.
const (
	minShares = 2
	maxShares = 262144
)

// limitsOf gives the limits of a task: what the task definition sets for it as a whole, and else the sum of the CPU
// shares of its containers.
func limitsOf(t *task.Task, period time.Duration, pids int) (Limits, error) {
	limits := Limits{CPU: cpuOf(t, period)}
	if t.Memory > 0 {
		for _, c := range t.Containers {
			if int64(c.Memory) > t.Memory {
				return Limits{}, fmt.Errorf("task memory spec builder: container memory limit(%d) greater than task memory limit(%d)", c.Memory, t.Memory)
			}
		}
		limits.Memory = &Memory{t.Memory << 20}
	}
	if pids > 0 {
		limits.Pids = &Pids{int64(pids)}
	}
	return limits, nil
}

func cpuOf(t *task.Task, period time.Duration) *CPU {
	if t.CPU > 0 {
		us := period.Microseconds()
		return &CPU{Quota: int64(t.CPU * float64(us)), Period: uint64(us)}
	}
	var shares uint64
	for _, c := range t.Containers {
		if !c.Internal() {
			shares += max(uint64(c.CPU), minShares)
		}
	}
	return &CPU{Shares: min(shares, maxShares)}
}

// weight is the share of the CPU as cgroup v2 has it, 1 to 10000.
func (c *CPU) weight() uint64 {
	return 1 + (max(c.Shares, minShares)-minShares)*9999/(maxShares-minShares)
}

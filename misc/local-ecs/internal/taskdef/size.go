package taskdef

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

var (
	cpuRule    = regexp.MustCompile(`^(?i)([0-9]*\.?[0-9]+)\s*(vcpu)?$`)
	memoryRule = regexp.MustCompile(`^(?i)([0-9]*\.?[0-9]+)\s*(gb)?$`)
)

// Limits of a task's cpu, in units: an eighth of a CPU to 192 CPUs.
const minCPU, maxCPU = 128, 196608

// ParseCPU reads a task's cpu, "512" units or ".5 vCPU", and returns units; "" is 0.
func ParseCPU(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, ok := scaled(cpuRule, s, 1024)
	if !ok {
		return 0, ecs.Client("Invalid 'cpu' setting for task: '%s' is neither CPU units nor a number of vCPUs.", s)
	}
	if n < minCPU || n > maxCPU {
		return 0, ecs.Client("Invalid 'cpu' setting for task: %s units are not between %d and %d.", s, minCPU, maxCPU)
	}
	return n, nil
}

// ParseMemory reads a task's memory, "512" MiB or "1 GB", and returns MiB; "" is 0.
func ParseMemory(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, ok := scaled(memoryRule, s, 1024)
	if !ok {
		return 0, ecs.Client("Invalid 'memory' setting for task: '%s' is neither MiB nor a number of GB.", s)
	}
	if n < minMemory {
		return 0, ecs.Client("Invalid 'memory' setting for task: %s is less than %d MiB.", s, minMemory)
	}
	return n, nil
}

func scaled(rule *regexp.Regexp, s string, unit float64) (int, bool) {
	m := rule.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, false
	}
	if m[2] == "" {
		n, err := strconv.Atoi(m[1])
		return n, err == nil
	}
	f, err := strconv.ParseFloat(m[1], 64)
	if err != nil || f > 1e6 {
		return 0, false
	}
	return int(f * unit), true
}

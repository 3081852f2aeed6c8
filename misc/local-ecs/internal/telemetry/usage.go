package telemetry

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

// Usage is what the containers of a task used in its newest report, together. Reports come every 20 s.
type Usage struct {
	At ecs.Time `json:"at"`
	// CPU is in percent of the host, all CPUs being 100: the average of the interval.
	CPU float64 `json:"cpuPercent"`
	// Memory is in MiB: the average of the interval.
	Memory float64 `json:"memoryMiB"`
}

// usageLife is how long a report counts: tasks that are not reported any more have ended or lost their agent.
const usageLife = 90 * time.Second

// Usage returns the newest usage of every task, by ARN.
func (h *Hub) Usage() map[string]Usage {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dropOldUsage()
	if h.usage == nil {
		return map[string]Usage{}
	}
	return maps.Clone(h.usage)
}

// dropOldUsage forgets what is too old. The caller holds the lock.
func (h *Hub) dropOldUsage() {
	now := h.Control.Now()
	maps.DeleteFunc(h.usage, func(_ string, u Usage) bool { return now.Sub(u.At.Time) > usageLife })
}

// set is a statistics set.
type set struct {
	Sum         float64 `json:"sum"`
	SampleCount float64 `json:"sampleCount"`
}

func (s *set) average() float64 {
	if s == nil || s.SampleCount == 0 {
		return 0
	}
	return s.Sum / s.SampleCount
}

// metrics keeps the usage that a PublishMetricsRequest tells.
func (h *Hub) metrics(message []byte) error {
	var m struct {
		Tasks []struct {
			ARN        string `json:"taskArn"`
			Containers []struct {
				CPU    *set `json:"cpuStatsSet"`
				Memory *set `json:"memoryStatsSet"`
			} `json:"containerMetrics"`
		} `json:"taskMetrics"`
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.usage == nil {
		h.usage = map[string]Usage{}
	}
	for _, t := range m.Tasks {
		if len(t.Containers) == 0 {
			continue // the rest of a task that is told in parts
		}
		u := Usage{At: ecs.At(h.Control.Now())}
		for _, c := range t.Containers {
			u.CPU += c.CPU.average()
			u.Memory += c.Memory.average()
		}
		h.usage[t.ARN] = u
	}
	h.dropOldUsage()
	return nil
}

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// TestTelemetryReachesTheService follows numbers of real containers to the telemetry service and to task metadata.
func TestTelemetryReachesTheService(t *testing.T) {
	h := newHost(t)
	h.start()
	bridged := oneContainer("serve")
	web := bridged["containerDefinitions"].([]any)[0].(map[string]any)
	web["portMappings"] = []any{map[string]any{"containerPort": 8080}}
	web["healthCheck"] = map[string]any{"command": []string{"CMD", "/example-web", "get", "http://127.0.0.1:8080/health"}, "interval": 5}
	onHost := oneContainer("batch", "--steps", "1000", "--interval", "1s")
	onHost["networkMode"] = "host"
	arns := []string{h.runTask(h.register(bridged)), h.runTask(h.register(onHost))}
	tasks := h.await("RUNNING", arns...)

	// Task metadata.
	var stats struct {
		ID  string
		CPU struct {
			Usage struct {
				Total uint64 `json:"total_usage"`
			} `json:"cpu_usage"`
		} `json:"cpu_stats"`
		Memory   struct{ Usage uint64 } `json:"memory_stats"`
		Networks map[string]any
		Rates    any `json:"network_rate_stats"`
	}
	main := h.containers(arns[0])["main"]
	env := h.answer(fmt.Sprintf("http://127.0.0.1:%d/env", tasks[0].Containers[0].Bindings[0].HostPort))
	_, path, _ := strings.Cut(env, "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2")
	path, _, _ = strings.Cut(path, "\n")
	h.poll("two samples", func() (bool, error) {
		return stats.Rates != nil, json.Unmarshal([]byte(h.answer(rig.TaskAPI+path+"/stats")), &stats)
	})
	if stats.ID != main.ID || stats.CPU.Usage.Total == 0 || stats.Memory.Usage == 0 || stats.Networks["eth0"] == nil {
		t.Errorf("container stats: %+v", stats)
	}
	all := map[string]json.RawMessage{}
	h.must(json.Unmarshal([]byte(h.answer(rig.TaskAPI+path+"/task/stats")), &all))
	if len(all) != 1 || len(all[main.ID]) < 100 {
		t.Errorf("task stats: %s", all)
	}

	// The telemetry service, as local-ecs plays it. A tick comes every 20 s.
	type set struct {
		Min, Max, Sum float64
		SampleCount   int
	}
	var metrics struct {
		TaskMetrics []struct {
			TaskARN, TaskDefinitionFamily string
			ContainerMetrics              []struct {
				ContainerName   string
				CPUStatsSet     *set
				MemoryStatsSet  *set
				NetworkStatsSet map[string]set
			}
		}
	}
	var newest map[string]map[string]struct{ Message json.RawMessage }
	h.poll("metrics of both tasks", func() (bool, error) {
		if err := json.Unmarshal([]byte(h.answer(h.Endpoint+"/_local/telemetry")), &newest); err != nil {
			return false, err
		}
		for _, kinds := range newest {
			if message := kinds["PublishMetricsRequest"].Message; message != nil {
				h.must(json.Unmarshal(message, &metrics))
			}
			return len(metrics.TaskMetrics) == 2 && kinds["PublishHealthRequest"].Message != nil && kinds["PublishInstanceStatusRequest"].Message != nil, nil
		}
		return false, nil
	})
	for _, m := range metrics.TaskMetrics {
		if m.TaskDefinitionFamily != "e2e" || len(m.ContainerMetrics) != 1 {
			t.Fatalf("%+v", m)
		}
		c := m.ContainerMetrics[0]
		if c.ContainerName != "main" || c.CPUStatsSet == nil || c.CPUStatsSet.SampleCount == 0 || c.MemoryStatsSet == nil || c.MemoryStatsSet.Max > 64 {
			t.Errorf("%+v", c)
		}
		if received := c.NetworkStatsSet["rxBytes"]; (received.SampleCount > 0) != (m.TaskARN == arns[0]) {
			t.Errorf("network of %s: %+v", m.TaskARN, c.NetworkStatsSet)
		}
	}
}

//go:build e2e

package vpc

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// counters are what the statistics of a container say about an interface.
type counters map[string]uint64

// statistics is the answer of the stats endpoints about a container.
type statistics struct {
	ID  string
	CPU struct {
		Usage struct {
			Total uint64 `json:"total_usage"`
		} `json:"cpu_usage"`
	} `json:"cpu_stats"`
	Memory   struct{ Usage uint64 } `json:"memory_stats"`
	Networks map[string]counters
	Rates    map[string]float64 `json:"network_rate_stats"`
	members  []string
}

func (s *statistics) UnmarshalJSON(text []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	type plain statistics
	err := json.Unmarshal(text, (*plain)(s))
	s.members = slices.Sorted(maps.Keys(members))
	return err
}

// Statistics of tasks in every network mode, as their containers and the telemetry service see them.
func TestStatisticsInEveryNetworkMode(t *testing.T) {
	env := map[string]string{"ECS_POLLING_METRICS_WAIT_DURATION": "1s"} // how often a task's own network is looked at
	h := newHost(t, env)
	awsvpc := h.run("subnet-lab", 2)
	tasks := map[string]*vpcTask{"awsvpc": awsvpc[0]}
	for _, mode := range []string{"bridge", "host", "none"} {
		arn, err := h.Run(h.ctx(), h.define(mode), nil)
		h.must(err)
		tasks[mode] = h.awaitRunning([]string{arn})[0]
	}

	for mode, task := range tasks {
		ownStatistics(t, mode, task)
	}
	ownInterface(t, awsvpc[0], awsvpc[1])
	telemetryByMode(t, h, tasks)

	h.agent.Kill()
	h.start(env)
	for mode, task := range tasks {
		ownStatistics(t, mode, task)
	}
	ownInterface(t, awsvpc[0], awsvpc[1])
}

// ownStatistics looks at the form of what a container is told about itself and its task.
func ownStatistics(t *testing.T, mode string, task *vpcTask) {
	networked := mode == "awsvpc" || mode == "bridge"
	var v3, v4 statistics
	task.host.must(rig.Poll(task.host.ctx(), "two samples", func() (bool, error) {
		v4 = statistics{}
		task.ask("ECS_CONTAINER_METADATA_URI_V4", "/stats", &v4)
		return v4.CPU.Usage.Total > 0 && (!networked || v4.Rates != nil), nil
	}))
	task.ask("ECS_CONTAINER_METADATA_URI", "/stats", &v3)
	members := strings.Fields("blkio_stats cpu_stats id memory_stats name num_procs pids_stats precpu_stats preread read storage_stats")
	want := func(more ...string) []string {
		return slices.Sorted(slices.Values(append(slices.Clone(members), more...)))
	}
	want3, want4 := want(), want()
	if networked {
		want3, want4 = want("networks"), want("networks", "network_rate_stats")
	}
	if diff := cmp.Diff(want3, v3.members); diff != "" {
		t.Errorf("%s, version 3:\n%s", mode, diff)
	}
	if diff := cmp.Diff(want4, v4.members); diff != "" {
		t.Errorf("%s, version 4:\n%s", mode, diff)
	}
	if v4.ID != task.web || v4.Memory.Usage == 0 || (len(v4.Networks) == 1) != networked {
		t.Errorf("%s, container %s: %+v", mode, task.web, v4)
	}
	counts := strings.Fields("rx_bytes rx_dropped rx_errors rx_packets tx_bytes tx_dropped tx_errors tx_packets")
	for name, n := range v4.Networks {
		if diff := cmp.Diff(counts, slices.Sorted(maps.Keys(n))); diff != "" {
			t.Errorf("%s, interface %s:\n%s", mode, name, diff)
		}
	}
	if rates := slices.Sorted(maps.Keys(v4.Rates)); networked && !slices.Equal(rates, []string{"rx_bytes_per_sec", "tx_bytes_per_sec"}) {
		t.Errorf("%s: rates %v", mode, rates)
	}
	var all map[string]statistics
	task.ask("ECS_CONTAINER_METADATA_URI_V4", "/task/stats", &all)
	if diff := cmp.Diff(task.containers(), slices.Sorted(maps.Keys(all))); diff != "" {
		t.Errorf("%s, containers of the task:\n%s", mode, diff)
	}
}

// ownInterface compares what a task is told about its interface with what the kernel counts in its namespace.
func ownInterface(t *testing.T, task, other *vpcTask) {
	h := task.host
	_, network := task.metadata()
	device := ""
	h.must(task.in(func() error {
		links, err := netlinksafe.LinkList()
		for _, l := range links {
			if l.Attrs().HardwareAddr.String() == network.MACAddress {
				device = l.Attrs().Name
			}
		}
		return err
	}))
	before := task.kernelCounts(device)
	const requests = 50
	for range requests {
		task.mustGet("http://" + other.ip() + ":8080/env")
		task.mustGet("http://169.254.170.2/v2/metadata") // goes over another interface, which does not count
	}
	least := task.kernelCounts(device)
	if least["tx_packets"] < before["tx_packets"]+3*requests {
		t.Fatalf("%s: %v, then %v", device, before, least)
	}
	var v4 statistics
	h.must(rig.Poll(h.ctx(), "the traffic in the statistics", func() (bool, error) {
		v4 = statistics{}
		task.ask("ECS_CONTAINER_METADATA_URI_V4", "/stats", &v4)
		return v4.Networks[device]["rx_bytes"] >= least["rx_bytes"], nil
	}))
	most := task.kernelCounts(device)
	if len(v4.Networks) != 1 {
		t.Errorf("interfaces %v, want %s alone", slices.Sorted(maps.Keys(v4.Networks)), device)
	}
	for name, n := range v4.Networks[device] {
		if n < least[name] || n > most[name] {
			t.Errorf("%s is %d, the kernel counts %d to %d", name, n, least[name], most[name])
		}
	}
	var byAddress map[string]statistics
	h.must(json.Unmarshal([]byte(task.mustGet("http://169.254.170.2/v2/stats")), &byAddress))
	for id, s := range byAddress {
		if n := s.Networks[device]; len(s.Networks) != 1 || n["rx_bytes"] < least["rx_bytes"] || s.Rates != nil {
			t.Errorf("version 2, container %s: %+v", id, s)
		}
	}
	if diff := cmp.Diff(task.containers(), slices.Sorted(maps.Keys(byAddress))); diff != "" {
		t.Errorf("version 2:\n%s", diff)
	}
}

// telemetryByMode looks at which networks are reported to the service.
func telemetryByMode(t *testing.T, h *host, tasks map[string]*vpcTask) {
	type set struct{ SampleCount int }
	type metrics struct {
		TaskARN          string
		ContainerMetrics []struct {
			ContainerName   string
			CPUStatsSet     *set
			NetworkStatsSet map[string]set
		}
	}
	var message struct{ TaskMetrics []metrics }
	h.must(rig.Poll(h.ctx(), "metrics of all tasks", func() (bool, error) {
		message.TaskMetrics = nil
		_, text, err := rig.Get(h.ctx(), h.Endpoint+"/_local/telemetry")
		if err != nil {
			return false, err
		}
		var newest map[string]map[string]struct{ Message json.RawMessage }
		if err := json.Unmarshal(text, &newest); err != nil {
			return false, err
		}
		for _, kinds := range newest {
			if m := kinds["PublishMetricsRequest"].Message; m != nil {
				err := json.Unmarshal(m, &message)
				return len(message.TaskMetrics) == len(tasks)+1, err // a second one has an interface of its own
			}
		}
		return false, nil
	}))
	for mode, task := range tasks {
		i := slices.IndexFunc(message.TaskMetrics, func(m metrics) bool { return m.TaskARN == task.ARN })
		if i < 0 {
			t.Errorf("%s: no metrics", mode)
			continue
		}
		for _, c := range message.TaskMetrics[i].ContainerMetrics {
			counted := c.ContainerName == "web" && (mode == "awsvpc" || mode == "bridge")
			if c.CPUStatsSet == nil || (c.NetworkStatsSet["rxBytes"].SampleCount > 0) != counted || (c.NetworkStatsSet["txBytesPerSecond"].SampleCount > 0) != counted {
				t.Errorf("%s, container %s: %+v", mode, c.ContainerName, c)
			}
		}
	}
}

// ask asks the task endpoint, on the host, at the address in a variable of the container.
func (task *vpcTask) ask(variable, path string, into any) {
	task.host.t.Helper()
	address := strings.TrimPrefix(task.environment(variable), "http://169.254.170.2")
	status, text, err := rig.Get(task.host.ctx(), rig.TaskAPI+address+path)
	if err == nil && status != 200 {
		err = fmt.Errorf("%s: %d %s", path, status, text)
	}
	task.host.must(err)
	task.host.must(json.Unmarshal(text, into))
}

// containers are the ids of all containers of the task, in their order.
func (task *vpcTask) containers() (ids []string) {
	task.host.t.Helper()
	list, err := docker.Containers(task.host.ctx(), task.ARN)
	task.host.must(err)
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

// kernelCounts are the kernel's counters of an interface in the task's namespace.
func (task *vpcTask) kernelCounts(device string) counters {
	task.host.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", task.pid))
	task.host.must(err)
	for line := range strings.Lines(string(text)) {
		name, values, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) != device {
			continue
		}
		n := make([]uint64, 16)
		for i, field := range strings.Fields(values) {
			_, err := fmt.Sscan(field, &n[i])
			task.host.must(err)
		}
		return counters{"rx_bytes": n[0], "rx_packets": n[1], "rx_errors": n[2], "rx_dropped": n[3], "tx_bytes": n[8], "tx_packets": n[9], "tx_errors": n[10], "tx_dropped": n[11]}
	}
	task.host.t.Fatalf("the task has no interface %q:\n%s", device, text)
	return nil
}

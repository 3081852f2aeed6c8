package metrics

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// busy is an agent about which there is something to tell.
func busy() *Metrics {
	m := New(Build{Version: "1.2.3", Commit: "0a1b2c3d"})
	now := m.began.Add(time.Minute)
	accepted := now.Add(-3 * time.Second)
	up := &task.Task{Known: task.Running, AcceptedAt: accepted, KnownTime: now, Containers: []*task.Container{
		{Known: task.ContainerRunning, Restarts: &task.RestartTracker{Count: 2}}, {Known: task.ContainerStopped}}}
	waiting := &task.Task{Engine: task.Progress{Waiting: "CPU (needs 2048, 0 of 4096 free)"}}
	hopeless := &task.Task{Engine: task.Progress{Waiting: "MEMORY (needs 99999 MiB, host has 1024)", NeverFits: true}}
	gone := &task.Task{Known: task.Stopped, Engine: task.Progress{Waiting: "CPU (needs 9999, host has 1)", NeverFits: true}}
	m.Watch(Sources{
		Tasks: func() []*task.Task { return []*task.Task{up, waiting, hopeless, gone} },
		Sessions: map[string]func() Session{
			"acs": func() Session { return Session{Connected: true, Connects: 3, Failures: 1} },
			"tcs": func() Session { return Session{} },
		},
		Reports: func() Reports { return Reports{Pending: 1, Submitted: 2, Retried: 3, Dropped: 4} },
		Host: func() Host {
			return Host{CPU: 4096, CPUUsed: 1024, MemoryBytes: 1 << 30, MemoryUsed: 1 << 20, GPUs: 2, GPUsUsed: 1}
		},
		Steps: map[string]func() Step{"pull": func() Step { return Step{1, 2} }, "start": func() Step { return Step{} }},
	})
	m.TaskChanged(up)
	m.TaskChanged(&task.Task{Known: task.Running, AcceptedAt: accepted, KnownTime: m.began.Add(-time.Hour)}) // ran before the agent
	m.TaskChanged(waiting)
	m.DockerCall("container_create", 20*time.Millisecond, false)
	m.DockerCall("container_create", time.Second, true)
	m.ImagePulled(7*time.Second, 1<<20, false)
	m.ImagePulled(time.Second, 0, true)
	m.Checkpoint(3*time.Millisecond, false)
	m.Checkpoint(3*time.Millisecond, true)
	m.Request("/v4/{id}/task", 200)
	m.Request("/v4/{id}/task", 200)
	m.Request("", 404)
	return m
}

func scrape(m *Metrics) string {
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	return rec.Body.String()
}

func TestWhatIsTold(t *testing.T) {
	text := "\n" + scrape(busy())
	for _, want := range []string{
		`ecs_agent_build_info{commit="0a1b2c3d",version="1.2.3"} 1`,
		`ecs_agent_connected{service="acs"} 1`,
		`ecs_agent_connected{service="tcs"} 0`,
		`ecs_agent_reconnects_total{service="acs"} 2`,
		`ecs_agent_reconnects_total{service="tcs"} 0`,
		`ecs_agent_connect_failures_total{service="acs"} 1`,
		`ecs_agent_tasks{state="RUNNING"} 1`,
		`ecs_agent_tasks{state="STOPPED"} 1`,
		`ecs_agent_tasks{state="NONE"} 2`,
		`ecs_agent_tasks{state="CREATED"} 0`,
		`ecs_agent_containers{state="RUNNING"} 1`,
		`ecs_agent_containers{state="STOPPED"} 1`,
		`ecs_agent_container_restarts 2`,
		`ecs_agent_tasks_waiting 2`,
		`ecs_agent_tasks_never_fit{resource="memory"} 1`,
		`ecs_agent_tasks_never_fit{resource="cpu"} 0`,
		`ecs_agent_state_changes_pending 1`,
		`ecs_agent_state_changes_submitted_total 2`,
		`ecs_agent_state_changes_retried_total 3`,
		`ecs_agent_state_changes_dropped_total 4`,
		`ecs_agent_host_cpu_units 4096`,
		`ecs_agent_host_cpu_units_used 1024`,
		`ecs_agent_host_memory_bytes 1.073741824e+09`,
		`ecs_agent_host_memory_used_bytes 1.048576e+06`,
		`ecs_agent_host_gpus_used 1`,
		`ecs_agent_steps_running{step="pull"} 1`,
		`ecs_agent_steps_waiting{step="pull"} 2`,
		`ecs_agent_task_launch_duration_seconds_bucket{le="2"} 0`,
		`ecs_agent_task_launch_duration_seconds_bucket{le="3"} 1`,
		`ecs_agent_task_launch_duration_seconds_count 1`,
		`ecs_agent_docker_call_duration_seconds_bucket{operation="container_create",le="0.025"} 1`,
		`ecs_agent_docker_call_duration_seconds_count{operation="container_create"} 2`,
		`ecs_agent_docker_call_errors_total{operation="container_create"} 1`,
		`ecs_agent_image_pull_duration_seconds_count 2`,
		`ecs_agent_image_pull_bytes_total 1.048576e+06`,
		`ecs_agent_image_pull_errors_total 1`,
		`ecs_agent_checkpoint_duration_seconds_count 2`,
		`ecs_agent_checkpoint_errors_total 1`,
		`ecs_agent_metadata_requests_total{code="200",path="/v4/{id}/task"} 2`,
		`ecs_agent_metadata_requests_total{code="404",path="other"} 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("not told: %s", want)
		}
	}
	for _, want := range []string{"ecs_agent_process_resident_memory_bytes ", "go_goroutines "} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("not told: %s", want)
		}
	}
}

func TestNamesFollowTheConventions(t *testing.T) {
	problems, err := testutil.GatherAndLint(busy().registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for line := range strings.Lines(scrape(busy())) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "ecs_agent_") && !strings.HasPrefix(line, "go_") {
			t.Errorf("a name without the prefix: %s", line)
		}
	}
}

// TestTheNumberOfSeriesIsBounded has a thousand tasks with names of their own.
func TestTheNumberOfSeriesIsBounded(t *testing.T) {
	series := func(tasks int) int {
		m := New(Build{})
		var list []*task.Task
		for n := range tasks {
			list = append(list, &task.Task{ARN: fmt.Sprint(n), Family: fmt.Sprint(n), Engine: task.Progress{Waiting: fmt.Sprint("reason ", n), NeverFits: true},
				Containers: []*task.Container{{Name: fmt.Sprint(n)}}})
		}
		m.Watch(Sources{Tasks: func() []*task.Task { return list }, Reports: func() Reports { return Reports{} }, Host: func() Host { return Host{} }})
		return strings.Count(scrape(m), "\n")
	}
	if few, many := series(1), series(1000); few != many {
		t.Errorf("%d lines with one task, %d with a thousand", few, many)
	}
}

func BenchmarkHooks(b *testing.B) {
	m := New(Build{})
	b.ReportAllocs()
	for b.Loop() {
		m.DockerCall("container_create", time.Millisecond, false)
		m.Request("/v4/{id}/task", 200)
		m.Checkpoint(time.Millisecond, false)
	}
}

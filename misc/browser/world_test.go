package browser

import (
	"math"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/httpd/introspection"
	"github.com/aws/amazon-ecs-agent/agent/stats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const arnPrefix = "arn:aws:ecs:eu-west-1:111122223333:task/shop/"

// host is an agent with some tasks, as its status page sees it.
type host struct {
	*httptest.Server

	mu    sync.Mutex
	tasks []*task.Task
}

func (h *host) Tasks() []*task.Task {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*task.Task(nil), h.tasks...)
}

func (h *host) set(tasks ...*task.Task) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tasks = tasks
}

// Recent is a minute of waves.
func (h *host) Recent(id string, most int) []stats.Sample {
	var list []stats.Sample
	for i := range most {
		x := float64(i) / 7
		list = append(list, stats.Sample{CPUPercent: 12 + 9*math.Sin(x+float64(len(id))) + 2*math.Sin(5*x), Memory: uint64(90+10*math.Sin(x/3)) << 20})
	}
	return list
}

func start(t *testing.T) *host {
	t.Helper()
	h := &host{}
	handler := introspection.Handler(introspection.Agent{
		Cluster: "shop", ContainerInstanceARN: "arn:aws:ecs:eu-west-1:111122223333:container-instance/shop/0123", Version: "Amazon ECS Agent - v1.2.3 (0a1b2c3d)",
		StartedAt: time.Now().Add(-49 * time.Hour), Samples: h,
		Sessions: func() []introspection.Session {
			return []introspection.Session{
				{Name: "ACS", Purpose: "Control", Connected: true, Since: time.Now().Add(-3 * time.Hour)},
				{Name: "TCS", Purpose: "Telemetry", LastEnd: "dial tcp 203.0.113.7:443: connect: connection refused"},
			}
		},
		Host: func() introspection.Host {
			return introspection.Host{CPU: 4096, CPUUsed: 1312, MemoryMiB: 7680, MemoryUsedMiB: 7300}
		},
		Reports: func() any { return map[string]int{"Pending": 2, "Submitted": 131} },
	}, h)
	h.Server = httptest.NewServer(http.HandlerFunc(handler.ServeHTTP))
	t.Cleanup(h.Close)
	return h
}

// web is a task that runs.
func web() *task.Task {
	now := time.Now()
	return &task.Task{
		ARN: arnPrefix + "9781c248050e4d8a8b5a3e2f1c0d9e8f", Family: "web", Revision: "7", ServiceName: "storefront", Known: task.Running, Desired: task.Running,
		KnownTime: now.Add(-75 * time.Minute), Containers: []*task.Container{
			{Name: "nginx", Image: "registry.example.com/shop/nginx:1.27", Essential: true, Known: task.ContainerRunning, RuntimeID: "a", StartedAt: now.Add(-75 * time.Minute),
				Memory: 128, HealthCheckType: "docker", Health: task.Health{Status: task.HealthHealthy}},
			{Name: "log-router", Image: "fluent-bit:3", Known: task.ContainerRunning, RuntimeID: "bb", StartedAt: now.Add(-3 * time.Minute), Memory: 256,
				Restarts: &task.RestartTracker{Count: 4}},
		},
	}
}

// hopeless is a task that this host can never take.
func hopeless() *task.Task {
	return &task.Task{ARN: arnPrefix + "6a7b8c9d0e1f40b1a2c3d4e5f6a7b8c9", Family: "report", Revision: "2", Desired: task.Running, KnownTime: time.Now().Add(-9 * time.Minute),
		Engine:     task.Progress{Waiting: "MEMORY (needs 16384 MiB, host has 7680)", NeverFits: true},
		Containers: []*task.Container{{Name: "job", Image: "report:2", Essential: true}}}
}

// failed is a task that ended badly. Its texts are those of somebody who would like to run a script.
func failed() *task.Task {
	exit := 137
	return &task.Task{ARN: arnPrefix + "1f2e3d4c5b6a49788796a5b4c3d2e1f0", Family: "batch", Revision: "31", Known: task.Stopped, Desired: task.Stopped, KnownTime: time.Now().Add(-40 * time.Second),
		TerminalReason: "Essential container in task exited <script>document.title='owned'</script>",
		Containers: []*task.Container{{Name: "worker<img src=x onerror=\"document.title='owned'\">", Image: "batch:31", Essential: true, Known: task.ContainerStopped, ExitCode: &exit,
			FinishedAt: time.Now().Add(-41 * time.Second), Failure: &task.AppliedError{Name: "OutOfMemoryError", Message: "Container killed due to memory usage"}}}}
}

// many gives so many quiet tasks.
func many(n int) (list []*task.Task) {
	for i := range n {
		t := web()
		t.ARN = t.ARN[:len(t.ARN)-3] + string([]byte{byte('0' + i/100), byte('0' + i/10%10), byte('0' + i%10)})
		list = append(list, t)
	}
	return list
}

package httpd_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/httpd/audit"
	credentialsapi "github.com/aws/amazon-ecs-agent/agent/httpd/credentials"
	"github.com/aws/amazon-ecs-agent/agent/httpd/introspection"
	"github.com/aws/amazon-ecs-agent/agent/httpd/metadata"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// instance is an engine with 50 tasks of two containers.
type instance struct {
	tasks      []*task.Task
	byEndpoint map[string]*task.Task
}

func (i *instance) Tasks() []*task.Task { return append([]*task.Task(nil), i.tasks...) }

func (i *instance) ByEndpoint(id string) (*task.Task, *task.Container, bool) {
	t, known := i.byEndpoint[id]
	if !known {
		return nil, nil, false
	}
	return t, t.Containers[0], true
}

func newInstance() *instance {
	in := &instance{byEndpoint: map[string]*task.Task{}}
	now := time.Now()
	for n := range 50 {
		arn := fmt.Sprintf("arn:aws:ecs:us-west-2:111122223333:task/default/%032x", n)
		t := &task.Task{ARN: arn, Family: "web", Revision: "7", Desired: task.Running, Known: task.Running, LaunchType: "EC2", PullStartedAt: now, PullStoppedAt: now}
		for c := range 2 {
			id := fmt.Sprintf("%064x", 100*n+c)
			t.Containers = append(t.Containers, &task.Container{
				Name: fmt.Sprint("c", c), EndpointID: fmt.Sprintf("%d-%d", n, c), RuntimeID: id, RuntimeName: "ecs-web-7-c-0011223344556677", Image: "registry.example/web:latest", ImageID: "sha256:" + id,
				Known: task.ContainerRunning, Desired: task.ContainerRunning, CPU: 10, Memory: 32, CreatedAt: now, StartedAt: now, NetworkMode: "bridge",
				Labels:   map[string]string{task.LabelTaskARN: arn, task.LabelCluster: "default", task.LabelContainerName: "c", task.LabelFamily: "web", task.LabelRevision: "7"},
				Networks: []task.Network{{Name: "bridge", IPv4: "172.17.0.2"}}, Bindings: []task.PortMapping{{ContainerPort: 80, HostPort: 32768, BindIP: "0.0.0.0"}},
			})
		}
		in.tasks = append(in.tasks, t)
		in.byEndpoint[fmt.Sprintf("%d-0", n)] = t
	}
	// And a task of ten containers, which is not in the list of all.
	big := *in.tasks[0]
	for len(big.Containers) < 10 {
		big.Containers = append(big.Containers, in.tasks[len(big.Containers)].Containers...)
	}
	in.byEndpoint["big"] = &big
	return in
}

// BenchmarkEndpoints measures whole requests over loopback connections, next to a bare net/http handler with the same bytes.
func BenchmarkEndpoints(b *testing.B) {
	logger.Setup(logger.Options{Driver: io.Discard, DriverLevel: logger.LevelInfo, FileLevel: logger.LevelOff})
	in := newInstance()
	store := &credentials.Store{}
	store.Set(credentials.Credentials{ID: "id", TaskARN: in.tasks[0].ARN, RoleARN: "arn:aws:iam::111122223333:role/ecsTaskRole", AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", SessionToken: fmt.Sprintf("%0700d", 1), Expiration: "2025-03-04T11:06:07Z"})
	log := audit.New("default", "arn:ci", io.Discard)
	go log.Run(b.Context())
	routes := &httpd.Router{}
	credentialsapi.Register(routes, store, log)
	metadata.Register(routes, metadata.Instance{Cluster: "default", AvailabilityZone: "us-west-2a", VPCID: "vpc-1"}, in, nil, nil)
	tasks := httpd.TaskServer{Routes: routes, Limiter: httpd.NewLimiter(1<<30, 1<<30), Audit: log}.Handler()

	for _, target := range []struct {
		name, path string
		handler    http.Handler
	}{
		{"v4task", "/v4/0-0/task", tasks},
		{"v4task10", "/v4/big/task", tasks},
		{"credentials", "/v2/credentials/id", tasks},
		{"tasks50", "/v1/tasks", introspection.Handler(introspection.Agent{}, in)},
	} {
		rec := httptest.NewRecorder()
		target.handler.ServeHTTP(rec, httptest.NewRequest("GET", target.path, nil))
		if rec.Code != 200 {
			b.Fatalf("%s: %d %s", target.path, rec.Code, rec.Body)
		}
		body, header := rec.Body.Bytes(), rec.Header()
		bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for key, value := range header {
				w.Header().Set(key, value[0])
			}
			_, _ = w.Write(body)
		})
		b.Run(target.name+"/agent", func(b *testing.B) { load(b, target.handler, target.path) })
		b.Run(target.name+"/bare", func(b *testing.B) { load(b, bare, target.path) })
	}
}

// load sends requests over one kept connection per processor, and tells the 99th percentile of their durations.
func load(b *testing.B, handler http.Handler, path string) {
	server := httptest.NewServer(handler)
	defer server.Close()
	request := []byte("GET " + path + " HTTP/1.1\r\nHost: 169.254.170.2\r\nUser-Agent: bench\r\n\r\n")
	var mu sync.Mutex
	var durations []time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		answers := bufio.NewReaderSize(conn, 64<<10)
		own := make([]time.Duration, 0, 1<<16) // the newest; what does not fit replaces the oldest
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			durations = append(durations, own...)
		}()
		for n := 0; pb.Next(); n++ {
			began := time.Now()
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			if err := skipAnswer(answers); err != nil {
				b.Error(err)
				return
			}
			if took := time.Since(began); len(own) < cap(own) {
				own = append(own, took)
			} else {
				own[n%cap(own)] = took
			}
		}
	})
	b.StopTimer()
	if slices.Sort(durations); len(durations) > 0 {
		b.ReportMetric(float64(durations[len(durations)*99/100].Microseconds()), "p99-µs")
	}
}

// skipAnswer reads an answer that has a Content-Length.
func skipAnswer(r *bufio.Reader) error {
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			_, err = r.Discard(length)
			return err
		}
		const name = "Content-Length: "
		if len(line) > len(name) && string(line[:len(name)]) == name {
			if length, err = strconv.Atoi(string(line[len(name) : len(line)-2])); err != nil {
				return err
			}
		}
	}
}

// discard is a connection that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) WriteHeader(int)             {}
func (d discard) Write(p []byte) (int, error) { return len(p), nil }

// TestAnswersAllocateLittle compares what the way through limiter, log, router and handler allocates with what a handler does
// that writes the same headers and bytes.
func TestAnswersAllocateLittle(t *testing.T) {
	logger.Setup(logger.Options{Driver: io.Discard, DriverLevel: logger.LevelError, FileLevel: logger.LevelOff})
	in := newInstance()
	store := &credentials.Store{}
	store.Set(credentials.Credentials{ID: "id", TaskARN: in.tasks[0].ARN, AccessKeyID: "ASIAIOSFODNN7EXAMPLE"})
	routes := &httpd.Router{}
	credentialsapi.Register(routes, store, nil)
	metadata.Register(routes, metadata.Instance{Cluster: "default"}, in, nil, nil)
	containers := httpd.TaskServer{Routes: routes, Limiter: httpd.NewLimiter(1<<30, 1<<30)}.Handler()
	operators := introspection.Handler(introspection.Agent{}, in)
	for path, handler := range map[string]http.Handler{
		"/v4/0-0/task": containers, "/v4/big/task": containers, "/v4/0-0": containers, "/v3/0-0": containers, "/v2/credentials/id": containers,
		"/v1/tasks": operators, "/v1/metadata": operators,
	} {
		request := httptest.NewRequest("GET", path, nil)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, request)
		if rec.Code != 200 {
			t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
		}
		bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for key, value := range rec.Header() {
				w.Header().Set(key, value[0])
			}
			_, _ = w.Write(rec.Body.Bytes())
		})
		w := discard{http.Header{}}
		count := func(h http.Handler) float64 {
			return testing.AllocsPerRun(200, func() {
				clear(w.header)
				h.ServeHTTP(w, request)
			})
		}
		if own, least := count(handler), count(bare); own > least {
			t.Errorf("%s: %.0f allocations, a bare handler has %.0f", path, own, least)
		} else {
			t.Logf("%s: %.0f allocations, a bare handler has %.0f", path, own, least)
		}
	}
}

package server

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/agenttest"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/rolecreds"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"))
}

// plane is a control plane under test.
type plane struct {
	t        *testing.T
	cfg      Config
	addr     string
	Endpoint string
	server   *Server
	cancel   context.CancelFunc
	done     sync.WaitGroup
}

func testConfig(t *testing.T) Config {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if os.Getenv("LOCAL_ECS_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return Config{
		DataDir: t.TempDir(), Region: "us-east-1", Account: "123456789012", Clusters: []string{"default"}, Retention: time.Hour,
		ACS:         acs.Options{Heartbeat: 100 * time.Millisecond, Redeliver: 100 * time.Millisecond},
		Credentials: rolecreds.Fake(time.Hour), EnableFaults: true, Log: log,
	}
}

func start(t *testing.T, change ...func(*Config)) *plane {
	t.Helper()
	p := &plane{t: t, cfg: testConfig(t), addr: "127.0.0.1:0"}
	for _, c := range change {
		c(&p.cfg)
	}
	p.start()
	t.Cleanup(p.stop)
	return p
}

func (p *plane) start() {
	p.t.Helper()
	s, err := New(p.cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.server, p.addr = s, l.Addr().String()
	p.Endpoint = "http://" + p.addr
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.done.Go(func() {
		if err := Serve(ctx, s, l, nil); err != nil {
			p.t.Errorf("serve: %v", err)
		}
	})
}

func (p *plane) stop() {
	p.cancel()
	p.done.Wait()
}

func (p *plane) call(operation string, in, out any) {
	p.t.Helper()
	if err := agenttest.Call(p.Endpoint, operation, in, out); err != nil {
		p.t.Fatalf("%s: %v", operation, err)
	}
}

// get reads JSON of the test interface.
func (p *plane) get(path string, out any) {
	p.t.Helper()
	resp, err := http.Get(p.Endpoint + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		p.t.Fatalf("%s: %v", path, err)
	}
}

// m is a JSON object.
type m = map[string]any

func webDefinition() m {
	return m{"family": "web", "containerDefinitions": []m{{"name": "web", "image": "example", "memory": 64, "cpu": 100, "portMappings": []m{{"containerPort": 80}}}}}
}

func (p *plane) register(definition m) string {
	p.t.Helper()
	var out struct {
		TaskDefinition ecs.TaskDefinition `json:"taskDefinition"`
	}
	p.call("RegisterTaskDefinition", definition, &out)
	return out.TaskDefinition.TaskDefinitionArn
}

func (p *plane) run(in m) []ecs.Task {
	p.t.Helper()
	var out struct {
		Tasks    []ecs.Task    `json:"tasks"`
		Failures []ecs.Failure `json:"failures"`
	}
	p.call("RunTask", in, &out)
	if len(out.Failures) > 0 {
		p.t.Fatalf("RunTask failures: %v", out.Failures)
	}
	return out.Tasks
}

func (p *plane) task(arn string) ecs.Task {
	p.t.Helper()
	var out struct {
		Tasks []ecs.Task `json:"tasks"`
	}
	p.call("DescribeTasks", m{"tasks": []string{arn}}, &out)
	if len(out.Tasks) != 1 {
		p.t.Fatalf("task %s: %d found", arn, len(out.Tasks))
	}
	return out.Tasks[0]
}

func (p *plane) await(arn, status string) ecs.Task {
	p.t.Helper()
	agenttest.Eventually(p.t, arn+" "+status, func() bool { return p.task(arn).LastStatus == status })
	return p.task(arn)
}

func TestTaskFromRunToStop(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	p.register(webDefinition())
	arn := p.run(m{"taskDefinition": "web"})[0].TaskArn
	task := p.await(arn, ecs.Running)
	if task.StartedAt.IsZero() || task.PullStartedAt.IsZero() || task.Connectivity != "CONNECTED" {
		t.Errorf("running task lacks timestamps or connectivity: %+v", task)
	}
	c := task.Containers[0]
	if c.RuntimeID != "docker-web" || c.ImageDigest == "" || len(c.NetworkBindings) != 1 || *c.NetworkBindings[0].HostPort != 32768 {
		t.Errorf("container: %+v", c)
	}
	p.call("StopTask", m{"task": arn}, nil)
	task = p.await(arn, ecs.Stopped)
	if task.StopCode != ecs.UserInitiated || task.StoppedReason != "Task stopped by user" || task.StoppedAt.IsZero() || task.StoppingAt.IsZero() {
		t.Errorf("stopped task: %+v", task)
	}
	if got := *task.Containers[0].ExitCode; got != 137 {
		t.Errorf("exit code %d", got)
	}
	if n := len(a.Received("PayloadMessage")); n != 2 {
		t.Errorf("%d payloads, want one to start and one to stop", n)
	}
}

func TestStopCodes(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.Manual = true
	a.Register()
	a.Connect()
	p.register(webDefinition())
	runOne := func() string {
		arn := p.run(m{"taskDefinition": "web"})[0].TaskArn
		agenttest.Eventually(t, "task delivered", func() bool { return a.Desired(arn) == "RUNNING" })
		return arn
	}
	t.Run("an essential container that exits", func(t *testing.T) {
		arn := runOne()
		a.Report(arn, "RUNNING", nil)
		a.Report(arn, "STOPPED", new(3))
		task := p.task(arn)
		if task.StopCode != ecs.EssentialContainerExited || task.StoppedReason != "Essential container in task exited" || *task.Containers[0].ExitCode != 3 {
			t.Errorf("%s: %s, %+v", task.StopCode, task.StoppedReason, task.Containers)
		}
	})
	t.Run("a task that never started", func(t *testing.T) {
		arn := runOne()
		a.Call("SubmitTaskStateChange", m{"task": arn, "status": "STOPPED", "reason": "", "containers": []m{
			{"containerName": "web", "status": "STOPPED", "reason": "CannotPullContainerError: not found"}}}, nil)
		task := p.task(arn)
		if task.StopCode != ecs.TaskFailedToStart || task.StoppedReason != "Task failed to start" || task.Containers[0].Reason == "" {
			t.Errorf("%s: %s, %+v", task.StopCode, task.StoppedReason, task.Containers)
		}
	})
	t.Run("a task the agent refuses", func(t *testing.T) {
		arn := runOne()
		a.Call("SubmitTaskStateChange", m{"task": arn, "status": "STOPPED", "reason": "UnrecogniedTaskError: Error loading task - x"}, nil)
		task := p.task(arn)
		if task.StopCode != ecs.TaskFailedToStart || !strings.HasPrefix(task.StoppedReason, "UnrecogniedTaskError") || task.Containers[0].LastStatus != ecs.Stopped {
			t.Errorf("%s: %s, %+v", task.StopCode, task.StoppedReason, task.Containers)
		}
	})
	t.Run("reports that regress are ignored", func(t *testing.T) {
		arn := runOne()
		a.Report(arn, "RUNNING", nil)
		before := p.task(arn)
		a.Report(arn, "PENDING", nil)
		a.Report(arn, "RUNNING", nil)
		if after := p.task(arn); after.LastStatus != ecs.Running || after.Version != before.Version {
			t.Errorf("status %s, version %d → %d", after.LastStatus, before.Version, after.Version)
		}
		a.Report(arn, "STOPPED", new(0))
		a.Report(arn, "RUNNING", nil)
		if after := p.task(arn); after.LastStatus != ecs.Stopped {
			t.Errorf("status %s after STOPPED", after.LastStatus)
		}
	})
}

package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/agenttest"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/rolecreds"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/server"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/telemetry"
)

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type bench struct {
	dir        string
	t          *testing.T
	endpoint   string
	env        map[string]string
	interrupts chan os.Signal
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	s, err := server.New(server.Config{DataDir: dir, Region: "us-east-1", Account: "123456789012", Clusters: []string{"default"}, Retention: time.Hour,
		ACS: acs.Options{Heartbeat: time.Second, Redeliver: time.Second}, Credentials: rolecreds.Fake(time.Hour), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := server.Serve(ctx, s, l, nil); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	endpoint := "http://" + l.Addr().String()
	return &bench{t: t, dir: dir, endpoint: endpoint, env: map[string]string{"LOCAL_ECS_ENDPOINT": endpoint}, interrupts: make(chan os.Signal, 2)}
}

func (b *bench) run(args ...string) (code int, out, errOut string) {
	var o, e buffer
	env := &Env{Out: &o, Err: &e, Getenv: func(k string) string { return b.env[k] }, Interrupts: b.interrupts}
	code = Main(context.Background(), env, args)
	return code, o.String(), e.String()
}

func (b *bench) file(content string) string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "task.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

const job = `{"family":"job","containerDefinitions":[
 {"name":"helper","image":"i","memory":32,"essential":false},
 {"name":"main","image":"i","memory":32,"portMappings":[{"containerPort":80}]}]}`

// finish reports every new task of the agent STOPPED with a code, once it runs.
func finish(t *testing.T, a *agenttest.Agent, code int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		seen := map[string]bool{}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for _, arn := range a.Arns() {
				if !seen[arn] {
					seen[arn] = true
					a.Report(arn, "STOPPED", &code)
				}
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

func TestRunUntilRunning(t *testing.T) {
	b := newBench(t)
	agenttest.Start(t, b.endpoint)
	code, out, errOut := b.run("run", b.file(job))
	if code != 0 || errOut != "" {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	for _, want := range []string{"registered   job:1", "main         RUNNING  0.0.0.0:32769->80/tcp", "task         RUNNING"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	code, out, _ = b.run("ps")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); code != 0 || len(lines) != 2 || !strings.Contains(lines[1], "job:1") || !strings.Contains(lines[1], "main 0.0.0.0:32769->80/tcp") {
		t.Errorf("ps, exit code %d:\n%s", code, out)
	}
	task := strings.Fields(strings.Split(out, "\n")[1])[0]
	if code, _, errOut := b.run("stop", task[:6], "--wait"); code != 0 {
		t.Errorf("stop, exit code %d: %s", code, errOut)
	}
	if _, out, _ := b.run("ps"); strings.Contains(out, "job:1") {
		t.Errorf("a stopped task is listed:\n%s", out)
	}
	if _, out, _ := b.run("ps", "--all"); !strings.Contains(out, "exit code 137") {
		t.Errorf("no stopped task:\n%s", out)
	}
}

func TestUsageInTheListOfTasks(t *testing.T) {
	usage := map[string]telemetry.Usage{"a": {CPU: 1.25, Memory: 12.6}}
	for want, task := range map[string]ecs.Task{
		"1.2% 13 MiB": {TaskArn: "a", LastStatus: "RUNNING"},
		"- -":         {TaskArn: "a", LastStatus: "STOPPED"},
	} {
		cpu, memory := usageColumns(usage, &task)
		if got := cpu + " " + memory; got != want {
			t.Errorf("%s: %s, want %s", task.LastStatus, got, want)
		}
	}
	if cpu, memory := usageColumns(nil, &ecs.Task{TaskArn: "b", LastStatus: "RUNNING"}); cpu != "-" || memory != "-" {
		t.Error("not reported:", cpu, memory)
	}
}

func TestExitCodeIsTheContainers(t *testing.T) {
	b := newBench(t)
	a := agenttest.Start(t, b.endpoint)
	for _, want := range []int{0, 3} {
		stop := finish(t, a, want)
		code, out, errOut := b.run("run", "--wait", b.file(job))
		stop()
		if code != want || !strings.Contains(out, "EssentialContainerExited: Essential container in task exited") {
			t.Errorf("exit code %d, want %d\n%s%s", code, want, out, errOut)
		}
	}
}

func TestOverridesArePassedOn(t *testing.T) {
	b := newBench(t)
	a := agenttest.Start(t, b.endpoint)
	file := filepath.Join(t.TempDir(), "o.json")
	if err := os.WriteFile(file, []byte(`{"containerOverrides":[{"name":"main","command":["x"]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := b.run("run", b.file(job), "--overrides", "@"+file); code != 0 {
		t.Fatal(errOut)
	}
	if o := a.Task(a.Arns()[0]).Containers[1].Overrides; o != `{"command":["x"]}` {
		t.Errorf("overrides %s", o)
	}
}

func TestRunWaitsForAnAgent(t *testing.T) {
	b := newBench(t)
	timer := time.AfterFunc(300*time.Millisecond, func() { agenttest.Start(t, b.endpoint) })
	defer timer.Stop()
	code, out, errOut := b.run("run", b.file(job))
	if code != 0 || !strings.Contains(out, "waiting") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
}

func TestInterruptStopsTheTask(t *testing.T) {
	b := newBench(t)
	a := agenttest.Start(t, b.endpoint)
	timer := time.AfterFunc(300*time.Millisecond, func() { b.interrupts <- os.Interrupt })
	defer timer.Stop()
	code, out, _ := b.run("run", "--wait", b.file(job))
	if code != 137 || !strings.Contains(out, "UserInitiated: Interrupted") || a.Desired(a.Arns()[0]) != "STOPPED" {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

func TestFailures(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "Usage:"},
		{[]string{"dance"}, 2, `unknown command "dance"`},
		{[]string{"run"}, 2, "FILE.json is missing"},
		{[]string{"run", "a", "b"}, 2, `unexpected argument "b"`},
		{[]string{"run", "--nope", "a"}, 2, "-nope"},
		{[]string{"run", "/does/not/exist.json"}, 1, "no such file"},
		{[]string{"run", b.file("{")}, 1, "is not valid JSON"},
		{[]string{"run", b.file(`{"family":"f","containerDefinitions":[{"name":"c","image":"i"}]}`)}, 1, "At least one of 'memory' or 'memoryReservation'"},
		{[]string{"run", b.file(job), "--agent-timeout", "0s"}, 1, "No Container Instances were found in your cluster."},
		{[]string{"run", b.file(job), "--cluster", "nope"}, 1, "Cluster not found."},
		{[]string{"ps", "--endpoint", "http://127.0.0.1:1"}, 1, "does local-ecs serve on http://127.0.0.1:1?"},
		{[]string{"stop", "00"}, 1, `no task "00"`},
		{[]string{"serve", "--account", "me"}, 2, "12 digits"},
		{[]string{"serve", "--heartbeat", "0s"}, 2, "--heartbeat must be more than 0"},
		{[]string{"serve", "--log-level", "loud"}, 2, "--log-level"},
		{[]string{"serve", "--credentials-from-env"}, 1, "AWS_ACCESS_KEY_ID is not set"},
		{[]string{"serve", "extra"}, 2, `unexpected argument "extra"`},
	} {
		code, out, errOut := b.run(c.args...)
		if code != c.code || !strings.Contains(errOut+out, c.want) {
			t.Errorf("%v: exit code %d, want %d with %q:\n%s%s", c.args, code, c.code, c.want, out, errOut)
		}
	}
}

func TestHelp(t *testing.T) {
	b := newBench(t)
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"run", "-h"}, {"ps", "--help"}, {"stop", "--help"}} {
		code, out, errOut := b.run(args...)
		if code != 0 || errOut != "" || !strings.Contains(out, "Examples:") || !strings.Contains(out, "local-ecs") {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errOut)
		}
	}
}

func TestServe(t *testing.T) {
	b := newBench(t)
	var errOut buffer
	env := &Env{Out: io.Discard, Err: &errOut, Getenv: func(string) string { return "" }, Interrupts: b.interrupts}
	ended := make(chan int, 1)
	go func() {
		ended <- Main(context.Background(), env, []string{"serve", "--listen", "127.0.0.1:0", "--imds", "127.0.0.1:0", "--data-dir", t.TempDir(), "--enable-faults"})
	}()
	agenttest.Eventually(t, "serving", func() bool { return strings.Contains(errOut.String(), "/_local/") })
	b.interrupts <- os.Interrupt
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("serve goes on")
	}
	for _, want := range []string{"local-ecs serves the ECS API  endpoint=http://127.0.0.1:", "instance metadata service", "shutting down  signal=interrupt"} {
		if !strings.Contains(errOut.String(), want) {
			t.Errorf("no %q in\n%s", want, &errOut.b)
		}
	}
}

// fakeDocker answers what --logs asks for: one container for the task, with some output.
func fakeDocker(t *testing.T, taskArn func() string) string {
	mux := http.NewServeMux()
	mux.HandleFunc("/containers/json", func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Query().Get("filters"), "com.amazonaws.ecs.task-arn="+taskArn()) {
			fmt.Fprint(w, "[]")
			return
		}
		json.NewEncoder(w).Encode([]dockerContainer{{ID: "c1", Labels: map[string]string{"com.amazonaws.ecs.container-name": "main"}}})
	})
	mux.HandleFunc("/containers/c1/json", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"Config":{"Tty":false}}`) })
	mux.HandleFunc("/containers/c1/logs", func(w http.ResponseWriter, _ *http.Request) {
		for _, piece := range []string{"hel", "lo\nwor", "ld\r\n", "no newline"} {
			head := make([]byte, 8)
			head[0] = 1
			binary.BigEndian.PutUint32(head[4:], uint32(len(piece)))
			w.Write(append(head, piece...))
		}
	})
	socket := filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(mux)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return "unix://" + socket
}

func TestLogs(t *testing.T) {
	b := newBench(t)
	a := agenttest.Start(t, b.endpoint)
	b.env["DOCKER_HOST"] = fakeDocker(t, func() string {
		if arns := a.Arns(); len(arns) > 0 {
			return arns[0]
		}
		return "none"
	})
	stop := finish(t, a, 0)
	defer stop()
	code, out, errOut := b.run("run", "--logs", b.file(job))
	if code != 0 || !strings.Contains(out, "main | hello\nmain | world\nmain | no newline\n") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
}

func TestLogsWithoutEngine(t *testing.T) {
	b := newBench(t)
	a := agenttest.Start(t, b.endpoint)
	stop := finish(t, a, 0)
	defer stop()
	b.env["DOCKER_HOST"] = "unix:///does/not/exist.sock"
	if code, out, _ := b.run("run", "--logs", b.file(job)); code != 0 || strings.Count(out, "logs: docker engine:") != 1 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	b.env["DOCKER_HOST"] = "ssh://host"
	if code, _, errOut := b.run("run", "--logs", b.file(job)); code != 1 || !strings.Contains(errOut, "unix:// and tcp:// only") {
		t.Errorf("exit code %d\n%s", code, errOut)
	}
}

func TestLogLines(t *testing.T) {
	var out buffer
	log := newLog(&out, slog.LevelInfo).With("instance", "i1")
	log.Debug("hidden")
	log.Info("task created", "task", "t1", "empty", "", "reason", "two words")
	line := out.String()
	if len(line) < 14 || line[13:] != "INFO  task created  instance=i1 task=t1 reason=\"two words\"\n" {
		t.Errorf("%q", line)
	}
}

// The examples of the documentation are valid.
func TestExamples(t *testing.T) {
	b := newBench(t)
	// A network for awsvpc.json; agents do not know that interfaces cannot be made in it.
	if err := os.WriteFile(filepath.Join(b.dir, "lab.json"), []byte(`{"name":"no-such-lab","ipv4":"10.200.0.0/24","ipv6":"fd00:c8::/64"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	a := agenttest.New(t, b.endpoint)
	a.Extra = []ecs.Attribute{{Name: "ecs.capability.task-eni"}, {Name: "com.amazonaws.ecs.capability.logging-driver.awsfirelens"}, {Name: "ecs.capability.firelens.fluentbit"}}
	a.Register()
	a.Connect()
	files, err := filepath.Glob("../../examples/*.json")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if code, out, errOut := b.run("run", f); code != 0 {
			t.Errorf("%s: exit code %d\n%s%s", f, code, out, errOut)
		}
	}
}

func TestLabArguments(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"lab"}, 2, "up or down is missing"},
		{[]string{"lab", "sideways"}, 2, `unknown word "sideways"`},
		{[]string{"lab", "up", "--ipv4", "10.0.0.0/30"}, 2, "IPv4 network 10.0.0.0/30"},
		{[]string{"lab", "up", "--ipv6", "x"}, 2, `invalid value "x"`},
		{[]string{"lab", "down", "--data-dir", t.TempDir()}, 0, "no lab in"},
	} {
		if code, out, errOut := b.run(c.args...); code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("%v: exit code %d, %q, want %d, %q", c.args, code, out+errOut, c.code, c.want)
		}
	}
}

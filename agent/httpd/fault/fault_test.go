package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const netns = "/host/proc/4242/ns/net"

// instance is an engine with some tasks; their endpoint ids are their ARNs.
type instance struct {
	mu    sync.Mutex
	tasks []*task.Task
}

func (i *instance) Tasks() []*task.Task {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]*task.Task(nil), i.tasks...)
}

func (i *instance) ByEndpoint(id string) (*task.Task, *task.Container, bool) {
	for _, t := range i.Tasks() {
		if t.ARN == id {
			return t, &task.Container{RuntimeID: "docker"}, true
		}
	}
	return nil, nil, false
}

// end stops a task.
func (i *instance) end(arn string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, t := range i.tasks {
		if t.ARN == arn {
			t = t.Clone()
			t.Known = task.Stopped
			i.tasks[n] = t
		}
	}
}

func newInstance() *instance {
	eni := task.ENIs{{IPv4: []task.ENIAddress{{Address: "10.0.0.1"}}}}
	ipv6 := task.ENIs{{IPv6: []task.ENIAddress{{Address: "8:3:1:9::"}}}}
	return &instance{tasks: []*task.Task{
		{ARN: "host", NetworkMode: "host", EnableFaultInjection: true, Known: task.Running},
		{ARN: "host2", NetworkMode: "host", EnableFaultInjection: true, Known: task.Running},
		{ARN: "own", NetworkMode: "awsvpc", EnableFaultInjection: true, ENIs: eni, NetworkNamespace: netns, Known: task.Running},
		{ARN: "own6", NetworkMode: "awsvpc", EnableFaultInjection: true, ENIs: ipv6, NetworkNamespace: netns, Known: task.Running},
		{ARN: "bridge", NetworkMode: "bridge", EnableFaultInjection: true},
		{ARN: "default", EnableFaultInjection: true},
		{ARN: "off", NetworkMode: "host"},
		{ARN: "early", NetworkMode: "awsvpc", EnableFaultInjection: true, ENIs: eni},
		{ARN: "no-eni", NetworkMode: "awsvpc", EnableFaultInjection: true},
	}}
}

// world is an instance whose requests change a model of the kernel.
type world struct {
	*instance
	*kernel
	injector *Injector
	devices  []string
}

func newWorld(dir string) *world {
	w := &world{instance: newInstance(), kernel: newKernel(), devices: []string{"eth0"}}
	w.restart(dir)
	return w
}

// restart is a new agent on the same host.
func (w *world) restart(dir string) {
	w.injector = NewInjector(w.instance, dir)
	w.injector.run = w.kernel.run
	w.injector.hostLinks = func() ([]link, error) {
		var links []link
		for _, name := range w.devices {
			links = append(links, link{name, true, true})
		}
		return links, nil
	}
}

// post sends a request from a caller that was never seen before.
func (w *world) post(path, body string) *httptest.ResponseRecorder {
	routes := &httpd.Router{}
	Register(routes, w.instance, w.injector)
	rec := httptest.NewRecorder()
	routes.ServeHTTP(rec, httptest.NewRequest("POST", path, strings.NewReader(body)))
	return rec
}

func (w *world) want(t *testing.T, arn, path, body string, status int, answer string) {
	t.Helper()
	got := w.post("/api/"+arn+"/fault/v1/"+path, body)
	if got.Code != status || got.Body.String() != answer || got.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%s of %s: %d %v %s, want %d %s", path, arn, got.Code, got.Header()["Content-Type"], got.Body, status, answer)
	}
}

const (
	isRunning    = `{"Status":"running"}`
	isStopped    = `{"Status":"stopped"}`
	isNotRunning = `{"Status":"not-running"}`
	isBroken     = `{"Error":"internal error"}`

	blackholeBody = `{"Port":80,"Protocol":"tcp","TrafficType":"egress"}`
	latencyBody   = `{"DelayMilliseconds":100,"JitterMilliseconds":0,"Sources":["10.0.0.0/8"]}`
	lossBody      = `{"LossPercent":6,"Sources":["10.0.0.0/8"]}`
)

func TestValidation(t *testing.T) {
	var cases []struct {
		Path, Name, Body, Want string
		Status                 int
	}
	goldenfile.Read(t, "testdata/validation.json", &cases)
	for _, test := range cases {
		t.Run(test.Path+" "+test.Name, func(t *testing.T) {
			newWorld("").want(t, "host", test.Path, test.Body, test.Status, test.Want)
		})
	}
}

func TestValidationBeyondTheTable(t *testing.T) {
	for _, test := range []struct{ path, body, want string }{
		{"network-blackhole-port/status", `{"port":80,"PROTOCOL":"udp","trafficType":"ingress"} trailing`, isNotRunning},
		{"network-blackhole-port/start", "  \n", `{"Error":"required request body is missing"}`},
		{"network-blackhole-port/start", "null", `{"Error":"required parameter Port is missing"}`},
		{"network-blackhole-port/start", `{"Port":65536,"Protocol":"tcp","TrafficType":"egress"}`, `{"Error":"json: cannot unmarshal number 65536 into Go struct field NetworkBlackholePortRequest.Port of type uint16"}`},
		{"network-blackhole-port/start", `{"Port":1,"Protocol":"tcp","TrafficType":"egress","SourcesToFilter":["fe80::1%eth0"]}`, `{"Error":"invalid value fe80::1%eth0 for parameter SourcesToFilter"}`},
		{"network-latency/start", `{"DelayMilliseconds":1,"JitterMilliseconds":0,"Sources":["10.0.0.1\nqdisc del dev eth0 root"]}`, `{"Error":"invalid value 10.0.0.1\nqdisc del dev eth0 root for parameter Sources"}`},
		{"network-latency/stop", "garbage", isStopped},
		{"network-packet-loss/status", "{", isNotRunning},
	} {
		status := 200
		if strings.Contains(test.want, "Error") {
			status = 400
		}
		newWorld("").want(t, "host", test.path, test.body, status, test.want)
	}
	if got := newWorld("").post("/api/host/fault/v1/network-latency/pause", ""); got.Code != 404 {
		t.Error(got.Code)
	}
}

func TestCommands(t *testing.T) {
	var cases []struct {
		Name, Path, Namespace, Output, Status string
		Body                                  json.RawMessage
		Devices, Checks, Commands             []string
		Exit                                  int
	}
	goldenfile.Read(t, "testdata/commands.json", &cases)
	for _, test := range cases {
		t.Run(test.Name, func(t *testing.T) {
			w := newWorld("")
			arn := "host"
			if test.Namespace != "" {
				arn = "own"
			}
			w.devices = test.Devices
			if w.devices == nil {
				w.devices = []string{"eth0"}
			}
			w.injector.run = func(ctx context.Context, args []string, input string) ([]byte, error) {
				line := strings.Join(args, " ")
				if strings.Contains(line, " -C ") || strings.Contains(line, " show ") {
					w.commands = append(w.commands, line)
					if test.Exit != 0 {
						return nil, exit(test.Exit, "")
					}
					return []byte(test.Output), nil
				}
				if before, isBatch := strings.CutSuffix(line, "-batch -"); isBatch {
					for l := range strings.Lines(input) {
						w.commands = append(w.commands, before+strings.TrimSpace(l))
					}
				} else {
					w.commands = append(w.commands, line)
				}
				return nil, nil
			}
			w.want(t, arn, test.Path, string(test.Body), 200, `{"Status":"`+test.Status+`"}`)
			if diff := cmp.Diff(append(test.Checks, test.Commands...), w.commands); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadCheck(t *testing.T) {
	for _, test := range []struct {
		output        string
		latency, loss bool
	}{
		{`[]`, false, false},
		{`[{"kind":"prio","handle":"100:"}]`, false, false},
		{`[{"kind":"netem"}]`, false, false},
		{`[{"kind":"netem","parent":"1:1","options":{"limit":1000,"delay":{"delay":123456789,"jitter":4567,"correlation":0},"ecn":false}}]`, true, false},
		{`[{"kind":"netem","parent":"1:1","options":{"limit":1000,"ecn":false,"gap":0}}]`, true, false}, // jitter alone
		{`[{"kind":"netem","options":{"limit":1000,"loss-random":{"loss":0.06,"correlation":0}}}]`, false, true},
	} {
		latency, loss, err := readCheck([]byte(test.output))
		if latency != test.latency || loss != test.loss || err != nil {
			t.Errorf("%s: %v, %v, %v", test.output, latency, loss, err)
		}
	}
	if _, _, err := readCheck([]byte("oops")); err == nil {
		t.Error("no error")
	}
}

func TestWhoMayImpairWhat(t *testing.T) {
	unresolved := func(id string) string {
		return `{"Error":"failed to get task metadata due to internal server error for container: ` + id + `"}`
	}
	for _, test := range []struct {
		arn, want string
		status    int
	}{
		{"host", isNotRunning, 200},
		{"own", isNotRunning, 200},
		{"nobody", `{"Error":"unable to get task arn from request: unable to get task Arn from v3 endpoint ID: nobody"}`, 404},
		{"off", `{"Error":"enableFaultInjection is not enabled for task: off"}`, 400},
		{"bridge", `{"Error":"bridge mode is not supported. Please use either host or awsvpc mode."}`, 400},
		{"default", `{"Error":"bridge mode is not supported. Please use either host or awsvpc mode."}`, 400},
		{"early", unresolved("early"), 500},
		{"no-eni", unresolved("no-eni"), 500},
	} {
		newWorld("").want(t, test.arn, "network-latency/status", "", test.status, test.want)
	}
	w := newWorld("")
	w.injector.hostLinks = func() ([]link, error) { return nil, errors.New("no route") }
	w.want(t, "host", "network-latency/status", "", 500, `{"Error":"failed to resolve default host network interface"}`)
	w.want(t, "own", "network-latency/status", "", 200, isNotRunning)
}

func TestLifeOfABlackHole(t *testing.T) {
	w := newWorld("")
	other := `{"Port":81,"Protocol":"udp","TrafficType":"ingress"}`
	w.want(t, "host", "network-blackhole-port/status", blackholeBody, 200, isNotRunning)
	w.want(t, "host", "network-blackhole-port/start", blackholeBody, 200, isRunning)
	w.want(t, "host", "network-blackhole-port/start", blackholeBody, 200, isRunning)
	w.want(t, "host", "network-blackhole-port/status", other, 200, isNotRunning)
	w.want(t, "host", "network-blackhole-port/start", other, 200, isRunning)
	w.want(t, "host", "network-latency/start", latencyBody, 200, isRunning) // beside them
	w.want(t, "host", "network-latency/stop", "", 200, isStopped)
	w.want(t, "host", "network-blackhole-port/stop", blackholeBody, 200, isStopped)
	w.want(t, "host", "network-blackhole-port/status", blackholeBody, 200, isNotRunning)
	w.want(t, "host", "network-blackhole-port/status", other, 200, isRunning)
	w.want(t, "host", "network-blackhole-port/stop", other, 200, isStopped)
	w.want(t, "host", "network-blackhole-port/stop", other, 200, isStopped)
	if !w.clean() || len(w.injector.ledger.all()) > 0 {
		t.Errorf("left: %v %v %v", w.chains, w.qdiscs, w.injector.ledger.all())
	}
}

func TestLatencyAndLossExcludeEachOther(t *testing.T) {
	w := newWorld("")
	w.devices = []string{"eth0", "eth1"}
	late, loses := `{"Error":"There is already one network latency fault running"}`, `{"Error":"There is already one network packet loss fault running"}`
	w.want(t, "host", "network-latency/start", latencyBody, 200, isRunning)
	w.want(t, "host", "network-latency/start", latencyBody, 409, late)
	w.want(t, "host2", "network-packet-loss/start", lossBody, 409, late)
	w.want(t, "host", "network-packet-loss/stop", "", 200, isStopped)
	w.want(t, "host", "network-packet-loss/status", "", 200, isNotRunning)
	w.want(t, "host", "network-latency/status", "", 200, isRunning)
	w.want(t, "host", "network-latency/stop", "", 200, isStopped)
	w.want(t, "host", "network-packet-loss/start", lossBody, 200, isRunning)
	w.want(t, "host", "network-packet-loss/start", lossBody, 409, loses)
	w.want(t, "host", "network-latency/start", latencyBody, 409, loses)
	w.want(t, "host", "network-packet-loss/stop", "", 200, isStopped)
	if !w.clean() {
		t.Errorf("left: %v", w.qdiscs)
	}
}

// TestEveryFailedCommandLeavesNothing lets each command of a start fail in turn.
func TestEveryFailedCommandLeavesNothing(t *testing.T) {
	for path, body := range map[string]string{"network-blackhole-port": blackholeBody, "network-latency": latencyBody, "network-packet-loss": lossBody} {
		w := newWorld("")
		w.devices = []string{"eth0", "eth1"}
		w.want(t, "host", path+"/start", body, 200, isRunning)
		commands := w.commands
		for n, command := range commands {
			w := newWorld("")
			w.devices = []string{"eth0", "eth1"}
			failed := false
			w.fail = func(c string) error {
				if c == command && !failed {
					failed = true
					return exit(4, "no")
				}
				return nil
			}
			if strings.HasPrefix(command, "ip6tables") {
				w.want(t, "host", path+"/start", body, 200, isRunning) // a host without IPv6
				w.want(t, "host", path+"/stop", body, 200, isStopped)
				continue
			}
			w.want(t, "host", path+"/start", body, 500, isBroken)
			if !w.clean() || len(w.injector.ledger.all()) > 0 {
				t.Errorf("%s, command %d: left: %v %v %v", path, n, w.chains, w.qdiscs, w.injector.ledger.all())
			}
		}
	}
	w := newWorld("")
	w.fail = func(c string) error {
		if strings.Contains(c, "ip6tables -w 5 -A") {
			return exit(4, "no")
		}
		return nil
	}
	w.want(t, "own6", "network-blackhole-port/start", blackholeBody, 500, isBroken)
	if !w.clean() {
		t.Errorf("left: %v", w.chains)
	}
}

func TestAForeignQueueIsLeftAlone(t *testing.T) {
	w := newWorld("")
	w.qdiscs["eth0"] = []string{"root 8001: htb"}
	w.fail = func(c string) error {
		if strings.Contains(c, "qdisc del dev eth0 root handle 1:") {
			return exit(2, "Error: Invalid handle.")
		}
		return nil
	}
	w.want(t, "host", "network-latency/start", latencyBody, 500, isBroken)
	if fmt.Sprint(w.qdiscs) != "map[eth0:[root 8001: htb]]" {
		t.Error(w.qdiscs)
	}
}

func TestChecksThatCannotBeTrusted(t *testing.T) {
	for name, failure := range map[string]error{
		"no namespace": exit(1, "nsenter: cannot open /host/proc/4242/ns/net: No such file or directory"),
		"lock":         exit(4, "Another app is currently holding the xtables lock."),
		"not there":    errors.New(`exec: "iptables": executable file not found in $PATH`),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("")
			w.fail = func(string) error { return failure }
			for _, op := range []string{"start", "stop", "status"} {
				w.want(t, "own", "network-blackhole-port/"+op, blackholeBody, 500, isBroken)
				if len(w.commands) != 1 {
					t.Errorf("%s: went on: %q", op, w.commands)
				}
				w.commands = nil
			}
		})
	}
}

func TestSlowCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("")
		w.injector.run = func(ctx context.Context, _ []string, _ string) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for _, test := range []struct{ path, body, want string }{
			{"network-latency/start", latencyBody, "start network-latency"},
			{"network-latency/status", "", "check status network-latency"},
			{"network-blackhole-port/stop", blackholeBody, "stop network-blackhole-port"},
		} {
			start := time.Now()
			w.want(t, "host", test.path, test.body, 500, `{"Error":"`+test.want+`: request timed out"}`)
			if took := time.Since(start); took >= 5*time.Second {
				t.Errorf("took %v: the server's write timeout comes first", took)
			}
		}
		// The wait for another request in the same namespace counts.
		go w.post("/api/host/fault/v1/network-packet-loss/start", lossBody)
		synctest.Wait()
		start := time.Now()
		w.want(t, "host2", "network-latency/start", latencyBody, 500, `{"Error":"start network-latency: request timed out"}`)
		if took := time.Since(start); took >= 5*time.Second {
			t.Errorf("took %v", took)
		}
		synctest.Wait()
		if len(w.injector.locks.held) > 0 {
			t.Error("locks are kept")
		}
	})
}

func TestFaultsEndWithTheirTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWorld("")
		over := make(chan struct{})
		go func() { _ = w.injector.Run(ctx); close(over) }()
		w.want(t, "host", "network-blackhole-port/start", blackholeBody, 200, isRunning)
		w.want(t, "host2", "network-blackhole-port/start", blackholeBody, 200, isRunning)
		w.want(t, "host2", "network-packet-loss/start", lossBody, 200, isRunning)
		w.end("host")
		time.Sleep(2 * sweepInterval)
		w.want(t, "host2", "network-blackhole-port/status", blackholeBody, 200, isRunning) // host2 asked for it too
		w.end("host2")
		time.Sleep(2 * sweepInterval)
		if !w.clean() || len(w.injector.ledger.all()) > 0 {
			t.Errorf("left: %v %v %v", w.chains, w.qdiscs, w.injector.ledger.all())
		}
		cancel()
		<-over
	})
}

func TestAFaultThatCannotBeEndedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWorld("")
		over := make(chan struct{})
		go func() { _ = w.injector.Run(ctx); close(over) }()
		w.want(t, "host", "network-blackhole-port/start", blackholeBody, 200, isRunning)
		until := time.Now().Add(10 * time.Second)
		w.kernel.mu.Lock()
		w.fail = func(string) error {
			if time.Now().Before(until) {
				return exit(4, "locked")
			}
			return nil
		}
		w.kernel.mu.Unlock()
		w.end("host")
		time.Sleep(5 * time.Second)
		if w.clean() {
			t.Error("the test proves nothing")
		}
		time.Sleep(10 * time.Second)
		if !w.clean() || len(w.injector.ledger.all()) > 0 {
			t.Errorf("left: %v %v", w.chains, w.injector.ledger.all())
		}
		cancel()
		<-over
	})
}

func TestNamespaceOfAnEndedTaskIsNotEntered(t *testing.T) {
	w := newWorld("")
	w.want(t, "own", "network-blackhole-port/start", blackholeBody, 200, isRunning)
	w.end("own")
	w.commands = nil
	w.injector.sweep(t.Context())
	if len(w.commands) > 0 || len(w.injector.ledger.all()) > 0 {
		t.Errorf("%q, %v: the path may lead elsewhere by now", w.commands, w.injector.ledger.all())
	}
}

func TestRestartOfTheAgent(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(dir)
	w.want(t, "host", "network-blackhole-port/start", blackholeBody, 200, isRunning)
	w.want(t, "own", "network-latency/start", latencyBody, 200, isRunning)

	w.restart(dir)
	w.injector.sweep(t.Context())
	w.want(t, "host", "network-blackhole-port/status", blackholeBody, 200, isRunning)
	w.want(t, "own", "network-latency/status", "", 200, isRunning)
	w.want(t, "own", "network-packet-loss/start", lossBody, 409, `{"Error":"There is already one network latency fault running"}`)
	w.want(t, "own", "network-latency/stop", "", 200, isStopped)

	// Ended while no agent ran.
	w.end("host")
	w.restart(dir)
	w.injector.sweep(t.Context())
	if !w.clean() {
		t.Errorf("left: %v %v", w.chains, w.qdiscs)
	}
}

// TestKilledInTheMiddle ends the agent behind each command of a start.
func TestKilledInTheMiddle(t *testing.T) {
	for path, body := range map[string]string{"network-blackhole-port": blackholeBody, "network-packet-loss": lossBody} {
		for n := 1; ; n++ {
			dir := t.TempDir()
			w := newWorld(dir)
			left, killed := n, false
			w.fail = func(string) error {
				if left--; left < 0 {
					killed = true
					runtime.Goexit()
				}
				return nil
			}
			over := make(chan struct{})
			go func() {
				defer close(over)
				w.post("/api/host/fault/v1/"+path+"/start", body)
			}()
			<-over
			if !killed {
				break
			}
			w.fail = nil
			w.restart(dir)
			w.injector.sweep(t.Context())
			w.want(t, "host", path+"/status", body, 200, isNotRunning)
			if !w.clean() || len(w.injector.ledger.all()) > 0 {
				t.Fatalf("%s, behind %d commands: left: %v %v", path, n, w.chains, w.qdiscs)
			}
			w.want(t, "host", path+"/start", body, 200, isRunning)
		}
	}
}

func TestUnreadableLedger(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ledgerFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(dir)
	w.want(t, "host", "network-packet-loss/start", lossBody, 200, isRunning)
	w.restart(dir)
	if len(w.injector.ledger.all()) != 1 {
		t.Error(w.injector.ledger.all())
	}
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("")
		routes := &httpd.Router{}
		Register(routes, w.instance, w.injector)
		handler := httpd.TaskServer{Routes: routes, Limiter: httpd.NewLimiter(40, 60)}.Handler()
		post := func(path string) *httptest.ResponseRecorder {
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, httptest.NewRequest("POST", "/api/host/fault/v1/"+path, nil))
			return rec
		}
		first := post("network-latency/status")
		if first.Code != 200 || fmt.Sprint(first.Header()["X-Rate-Limit-Limit"], first.Header()["X-Rate-Limit-Duration"], len(first.Header()["X-Rate-Limit-Request-Remote-Addr"]), len(first.Header()["X-Rate-Limit-Request-Forwarded-For"])) != "[40.00 0.20] [1 1] 2 2" {
			t.Errorf("%d %v", first.Code, first.Header())
		}
		if got := post("network-latency/status"); got.Code != 429 || got.Body.String() != "You have reached maximum request limit" || got.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%d %v %s", got.Code, got.Header(), got.Body)
		}
		for _, other := range []string{"network-latency/stop", "network-packet-loss/status"} {
			if got := post(other); got.Code != 200 {
				t.Errorf("%s: %d", other, got.Code)
			}
		}
		time.Sleep(5 * time.Second)
		if got := post("network-latency/status"); got.Code != 200 {
			t.Errorf("after 5 s: %d", got.Code)
		}
		if got := httptest.NewRecorder(); true {
			handler.ServeHTTP(got, httptest.NewRequest("GET", "/api/host/fault/v1/network-latency/status", nil))
			if got.Code != 405 {
				t.Error(got.Code)
			}
		}
	})
}

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// Limits of what the agent adds to the work of the engine. Times may be slack times longer before a test fails, so that a
// busy machine does not fail it; calls are counted.
const (
	maxCallsPerLaunch = 4 // create, start, an inspect, and one to spare (an image that is looked at once)
	maxCallsPerStop   = 2 // stop, inspect
	maxCPUPerLaunch   = 4 * time.Millisecond
	maxOverhead       = 25 * time.Millisecond // of one launch
	maxShare          = 1.05                  // of the plain client's time for many launches at once
	maxRestart        = 700 * time.Millisecond
	maxTasksAnswer    = 10 * time.Millisecond
)

// benchmarking is set by `make bench`: more tasks and more rounds, and the machine has nothing else to do.
var benchmarking = os.Getenv("E2E_BENCH") != ""

// TestCost measures the agent against a plain Docker client that makes the same create and start calls with the same
// concurrency.
func TestCost(t *testing.T) {
	tasks, rounds := 10, 1
	if benchmarking {
		tasks, rounds = 50, 5
	}
	h := newHost(t)
	h.throughProxy()
	h.start()
	d := h.register(oneContainer("serve"))
	h.await("RUNNING", h.runTask(d)) // what is done once per image is done
	plain := newPlainClient(t, h.proxy)

	var single, singlePlain, many, manyPlain []time.Duration
	var cpu []time.Duration
	var launchCalls, stopCalls int
	for range rounds {
		single = append(single, h.timeToRunning(d))
		singlePlain = append(singlePlain, plain.again(h.creates()))

		h.rest()
		before := h.cpu()
		took, arns := h.timeToStarted(d, tasks)
		many = append(many, took)
		h.rest()
		cpu = append(cpu, (h.cpu()-before)/time.Duration(tasks))
		launchCalls = h.engineCalls()
		creates := h.creates()

		h.proxy.Forget()
		for _, arn := range arns {
			h.must(h.Stop(h.ctx(), arn, "measured"))
		}
		h.await("STOPPED", arns...)
		h.rest()
		stopCalls = h.engineCalls()
		manyPlain = append(manyPlain, plain.again(creates))
	}

	_, arns := h.timeToStarted(d, tasks)
	h.terminate()
	h.proxy.Forget()
	restart := h.timeToKnown(arns)
	h.rest()
	restartCalls := h.engineCalls()
	var answers []time.Duration
	for range 50 {
		began := time.Now()
		_, err := rig.Tasks(h.ctx())
		h.must(err)
		answers = append(answers, time.Since(began))
	}

	overhead := median(single) - median(singlePlain)
	share := float64(median(many)) / float64(median(manyPlain))
	callsPerLaunch, callsPerStop := float64(launchCalls)/float64(tasks), float64(stopCalls)/float64(tasks)
	fmt.Printf(`
cost (median of %d)                    agent  plain client
  one launch, request to RUNNING    %7d ms    %7d ms   (more: %d ms, limit %d)
  %2d launches, request to started   %7d ms    %7d ms   (ratio: %.3f, limit %.2f)
  engine calls per launch           %7.2f        2.00      (limit %d)
  engine calls per stop             %7.2f        1.00      (limit %d)
  CPU of the agent per launch       %7.2f ms                (limit %d)
  restart with %2d tasks             %7d ms                (limit %d), %d engine calls
  /v1/tasks                         %7.2f ms                (limit %d)

`, rounds, median(single).Milliseconds(), median(singlePlain).Milliseconds(), overhead.Milliseconds(), maxOverhead.Milliseconds(),
		tasks, median(many).Milliseconds(), median(manyPlain).Milliseconds(), share, maxShare,
		callsPerLaunch, maxCallsPerLaunch, callsPerStop, maxCallsPerStop, milliseconds(median(cpu)), maxCPUPerLaunch.Milliseconds(),
		tasks, restart.Milliseconds(), maxRestart.Milliseconds(), restartCalls, milliseconds(median(answers)), maxTasksAnswer.Milliseconds())

	if callsPerLaunch > maxCallsPerLaunch || callsPerStop > maxCallsPerStop || restartCalls > tasks+20 {
		t.Errorf("engine calls: %.2f per launch, %.2f per stop, %d for the restart", callsPerLaunch, callsPerStop, restartCalls)
	}
	if benchmarking && (overhead > slack*maxOverhead || median(cpu) > slack*maxCPUPerLaunch || restart > slack*maxRestart || median(answers) > slack*maxTasksAnswer) {
		t.Errorf("one launch costs %v more than with a plain client and %v of CPU, a restart takes %v, /v1/tasks %v", overhead, median(cpu), restart, median(answers))
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// rest waits until the agent has nothing more to do for what happened so far.
func (h *host) rest() { h.stays(500 * time.Millisecond) }

// timeToRunning starts a task and waits until the service knows that it runs; then the task is stopped. The service is not
// asked before the agent has looked at the started container: whoever asks takes time from the engine.
func (h *host) timeToRunning(definition string) time.Duration {
	h.t.Helper()
	h.proxy.Forget()
	began := time.Now()
	arn := h.runTask(definition)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(h.proxy.Calls(`^GET /containers/[^/]+/json$`)) == 0 && time.Since(began) < patience {
		<-tick.C
	}
	for {
		tasks, err := h.Tasks(h.ctx(), arn)
		h.must(err)
		if tasks[0].LastStatus == "RUNNING" {
			break
		}
		<-tick.C
	}
	took := time.Since(began)
	h.must(h.Stop(h.ctx(), arn, "measured"))
	h.await("STOPPED", arn)
	return took
}

// timeToStarted starts tasks and gives the time until the engine had started the last of them.
func (h *host) timeToStarted(definition string, n int) (took time.Duration, arns []string) {
	h.t.Helper()
	h.proxy.Forget()
	began := time.Now()
	for len(arns) < n {
		more, err := h.RunMany(h.ctx(), definition, min(10, n-len(arns)))
		h.must(err)
		arns = append(arns, more...)
	}
	// Whoever looks takes time from the engine: the service is not asked meanwhile, and the proxy not often.
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var last time.Time
	for started := 0; started < n; <-tick.C {
		started = 0
		for _, c := range h.proxy.Calls(`/start$`) {
			if c.Done.IsZero() {
				continue
			}
			started++
			if c.Done.After(last) {
				last = c.Done
			}
		}
		if time.Since(began) > patience {
			h.t.Fatalf("%d of %d containers were started within %v", started, n, patience)
		}
	}
	h.await("RUNNING", arns...)
	return last.Sub(began), arns
}

// timeToKnown starts the agent and waits until it shows the tasks as running.
func (h *host) timeToKnown(arns []string) time.Duration {
	h.t.Helper()
	began := time.Now()
	h.launch()
	running := func() int {
		_, body, err := rig.Get(h.ctx(), rig.Introspection+"/v1/tasks")
		if err != nil {
			return 0 // not yet
		}
		return bytes.Count(body, []byte(`"KnownStatus":"RUNNING"`))
	}
	for running() < len(arns) {
		if !h.agent.Running() || time.Since(began) > patience {
			h.t.Fatalf("tasks are not known again; the agent's last words:\n%s", h.agent.LastWords())
		}
		time.Sleep(2 * time.Millisecond)
	}
	took := time.Since(began)
	_, err := h.AwaitAgent(h.ctx())
	h.must(err)
	return took
}

// engineCalls counts the calls since the last Forget, without those that watch.
func (h *host) engineCalls() int {
	return len(h.proxy.Calls(`.`)) - len(h.proxy.Calls(`^GET (/events|/_ping|/containers/[^/]+/stats)$`))
}

// creates are the requests of the containers created since the last Forget.
func (h *host) creates() (bodies [][]byte) {
	for _, c := range h.proxy.Calls(`^POST /containers/create$`) {
		bodies = append(bodies, c.Body)
	}
	return bodies
}

// cpu is the processor time the agent has used.
func (h *host) cpu() time.Duration {
	h.t.Helper()
	var at unix.Timespec
	clock := int32(^h.agent.Pid()<<3) | 2 // clock_getcpuclockid(3)
	h.must(unix.ClockGettime(clock, &at))
	return time.Duration(at.Nano())
}

// plainClient makes the agent's create and start calls without an agent, through the same proxy.
type plainClient struct {
	t    *testing.T
	http http.Client
}

func newPlainClient(t *testing.T, proxy *rig.Proxy) *plainClient {
	c := &plainClient{t: t}
	c.http.Transport = &http.Transport{MaxIdleConnsPerHost: 100, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", proxy.Socket)
	}}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// again creates and starts containers, all at once, and gives the time until the last was started. They are removed then.
func (c *plainClient) again(bodies [][]byte) time.Duration {
	c.t.Helper()
	ids := make([]string, len(bodies))
	var all sync.WaitGroup
	began := time.Now()
	for i, body := range bodies {
		all.Go(func() {
			ids[i] = c.create(body)
			c.call(http.MethodPost, "/containers/"+ids[i]+"/start", nil)
		})
	}
	all.Wait()
	took := time.Since(began)
	for id := range slices.Values(ids) {
		all.Go(func() { c.call(http.MethodDelete, "/containers/"+id+"?force=true", nil) })
	}
	all.Wait()
	return took
}

func (c *plainClient) create(body []byte) string {
	var out struct{ Id string }
	if err := json.Unmarshal(c.call(http.MethodPost, "/containers/create", body), &out); err != nil {
		c.t.Error(err)
	}
	return out.Id
}

func (c *plainClient) call(method, path string, body []byte) []byte {
	req, err := http.NewRequestWithContext(c.t.Context(), method, "http://docker/v1.41"+path, bytes.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return nil
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(req)
	if err != nil {
		c.t.Error(err)
		return nil
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil || answer.StatusCode >= 400 {
		c.t.Errorf("%s %s: %s %s %v", method, path, answer.Status, &text, err)
	}
	return text.Bytes()
}

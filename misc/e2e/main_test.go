//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

const (
	exampleImage = "amazon/ecs-example-web:latest"
	repository   = "../.."
	// patience bounds every wait; a sound agent needs a fraction of it.
	patience = 90 * time.Second
)

var (
	agentBinary, controlBinary string
	docker                     *rig.Docker
)

func TestMain(m *testing.M) {
	code, err := prepareAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// prepareAndRun builds the programs and the example image once. E2E_AGENT names another agent to test.
func prepareAndRun(m *testing.M) (code int, err error) {
	if docker, err = rig.NewDocker(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := docker.Ping(ctx); err != nil {
		return 0, fmt.Errorf("no Docker engine answers at %s: %w", docker.Host, err)
	}
	if err := rig.CheckPorts(); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	agentBinary, controlBinary = os.Getenv("E2E_AGENT"), filepath.Join(dir, "local-ecs")
	if err := build(ctx, controlBinary, "./misc/local-ecs"); err != nil {
		return 0, err
	}
	if agentBinary == "" {
		agentBinary = filepath.Join(dir, "agent")
		if err := build(ctx, agentBinary, "./agent"); err != nil {
			return 0, err
		}
	}
	present, err := docker.HasImage(ctx, exampleImage)
	if err != nil {
		return 0, err
	}
	if err := run(ctx, "misc/example-web/build.sh", exampleImage); err != nil {
		return 0, err
	}
	if !present {
		defer func() { err = errors.Join(err, docker.RemoveImage(context.Background(), exampleImage)) }()
	}
	return m.Run(), nil
}

func build(ctx context.Context, out, pkg string) error {
	return run(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, pkg)
}

func run(ctx context.Context, command string, args ...string) error {
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Dir, cmd.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
	if strings.Contains(command, "/") {
		cmd.Path = filepath.Join(repository, command)
		if abs, err := filepath.Abs(cmd.Path); err == nil {
			cmd.Path = abs
		}
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, text)
	}
	return nil
}

// host is a control plane of a test's own, with a cluster of its own, and the agent in it.
type host struct {
	*rig.Control
	t     *testing.T
	dir   string
	agent *rig.Program
	proxy *rig.Proxy        // nil unless asked for
	env   map[string]string // of the agent, besides the usual
}

// newHost starts local-ecs, with more flags if need be; agents come with start. Everything is gone when the test ends.
func newHost(t *testing.T, flags ...string) *host {
	t.Helper()
	var random [6]byte
	_, _ = rand.Read(random[:])
	h := &host{t: t, dir: t.TempDir()}
	cluster := "e2e-" + hex.EncodeToString(random[:])
	control, err := rig.StartControl(h.ctx(), rig.ControlOptions{Binary: controlBinary, Dir: h.dir, Cluster: cluster, Faults: true, Args: flags})
	if err != nil {
		t.Fatal(err)
	}
	h.Control = control
	t.Cleanup(h.close)
	return h
}

// throughProxy puts a recording proxy between the agent and Docker. To be called before start.
func (h *host) throughProxy() {
	h.t.Helper()
	if docker.Socket() == "" {
		h.t.Skipf("needs a Docker engine on a unix socket, not %s", docker.Host)
	}
	proxy, err := rig.StartProxy(filepath.Join(h.dir, "docker.sock"), docker.Socket())
	if err != nil {
		h.t.Fatal(err)
	}
	h.proxy = proxy
	h.t.Cleanup(proxy.Down)
}

func (h *host) options() rig.AgentOptions {
	dockerHost := docker.Host
	if h.proxy != nil {
		dockerHost = h.proxy.Host()
	}
	return rig.AgentOptions{Binary: agentBinary, Dir: h.dir, Endpoint: h.Endpoint, Cluster: h.Cluster, DockerHost: dockerHost, Env: h.env}
}

// launch starts the agent without waiting for anything.
func (h *host) launch() {
	h.t.Helper()
	agent, err := rig.StartAgent(h.options())
	if err != nil {
		h.t.Fatal(err)
	}
	h.agent = agent
}

// start starts the agent, again after an end, and waits until it is connected.
func (h *host) start() rig.Instance {
	h.t.Helper()
	h.launch()
	ctx, cancel := context.WithCancel(h.ctx())
	defer cancel()
	go func() { // an agent that ends is not waited for
		select {
		case <-h.agent.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	instance, err := h.AwaitAgent(ctx)
	if err != nil {
		h.t.Fatalf("%v; the agent's last words:\n%s", err, h.agent.LastWords())
	}
	return instance
}

// terminate sends SIGTERM and checks how the agent ends.
func (h *host) terminate() (took time.Duration) {
	h.t.Helper()
	code, took, err := h.agent.Terminate(15 * time.Second)
	if err != nil || code != 0 {
		h.t.Fatalf("SIGTERM: exit code %d, %v; the agent's last words:\n%s", code, err, h.agent.LastWords())
	}
	return took
}

func (h *host) close() {
	if h.agent != nil && h.agent.Running() {
		h.agent.Kill()
	}
	h.Kill()
	list, err := docker.Containers(context.Background(), h.part())
	if err != nil {
		h.t.Error(err)
	}
	defer removeCgroups(list)
	if err := docker.RemoveAll(context.Background(), h.part()); err != nil {
		h.t.Error(err)
	}
	if !h.t.Failed() {
		return
	}
	for _, log := range []string{"agent.log", "local-ecs.log"} {
		if text, err := os.ReadFile(filepath.Join(h.dir, log)); err == nil {
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			h.t.Logf("end of %s:\n%s", log, strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	}
}

// removeCgroups removes the cgroups of tasks that the agent did not get to clean up. Those that systemd keeps go with the
// next start of the host.
func removeCgroups(list []rig.RealContainer) {
	for _, c := range list {
		arn := c.TaskARN()
		found, _ := filepath.Glob("/sys/fs/cgroup/*/ecs/" + arn[strings.LastIndexByte(arn, '/')+1:])
		for _, dir := range found {
			_ = os.Remove(dir)
		}
	}
}

// part is in the ARNs of this host's tasks and of nobody else's.
func (h *host) part() string { return ":task/" + h.Cluster + "/" }

// ctx gives up after patience.
func (h *host) ctx() context.Context {
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	h.t.Cleanup(cancel)
	return ctx
}

func (h *host) must(err error) {
	h.t.Helper()
	if ended := (*rig.TaskEnded)(nil); errors.As(err, &ended) {
		h.t.Logf("the agent's log about the task:\n%s", h.logLines(ended.ID()))
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// logLines are the lines of the agent's log that contain text.
func (h *host) logLines(text string) string {
	h.t.Helper()
	log, err := os.ReadFile(h.agent.Log)
	if err != nil {
		h.t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, text) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// definition is a small task definition; change it before it is registered.
type definition map[string]any

func oneContainer(command ...string) definition {
	return definition{"family": "e2e", "networkMode": "bridge", "containerDefinitions": []any{container("main", command...)}}
}

func container(name string, command ...string) map[string]any {
	return map[string]any{"name": name, "image": exampleImage, "cpu": 8, "memory": 16, "command": command, "stopTimeout": 5}
}

func (h *host) register(d any) string {
	h.t.Helper()
	name, err := h.Register(h.ctx(), d)
	h.must(err)
	return name
}

// runTask starts a task and gives its ARN.
func (h *host) runTask(definition string) string {
	h.t.Helper()
	arn, err := h.Run(h.ctx(), definition, nil)
	h.must(err)
	return arn
}

// await waits for all tasks to have a status.
func (h *host) await(status string, arns ...string) []rig.Task {
	h.t.Helper()
	tasks, err := h.AwaitStatus(h.ctx(), status, arns...)
	h.must(err)
	return tasks
}

// containers are the real containers of a task, by their name in the task definition.
func (h *host) containers(arn string) map[string]rig.RealContainer {
	h.t.Helper()
	list, err := docker.Containers(h.ctx(), arn)
	h.must(err)
	out := map[string]rig.RealContainer{}
	for _, c := range list {
		if other, twice := out[c.Name()]; twice {
			h.t.Errorf("task %s has two containers %q: %s and %s", arn, c.Name(), other.ID, c.ID)
		}
		out[c.Name()] = c
	}
	return out
}

// poll waits for a condition.
func (h *host) poll(what string, ready func() (bool, error)) {
	h.t.Helper()
	h.must(rig.Poll(h.ctx(), what, ready))
}

// submission is something an agent told the service.
type submission struct {
	Number    int
	Operation string
	Outcome   string
	Body      json.RawMessage
}

// submissions gives what agents told, as far as it contains text.
func (h *host) submissions(text string) []submission {
	h.t.Helper()
	_, body, err := rig.Get(h.ctx(), h.Endpoint+"/_local/submissions?contains="+text)
	h.must(err)
	var list []submission
	if err := json.Unmarshal(body, &list); err != nil {
		var wrapped struct{ Submissions []submission }
		h.must(json.Unmarshal(body, &wrapped))
		list = wrapped.Submissions
	}
	return list
}

// noRegressions fails when a report said less than one before it.
func (h *host) noRegressions() {
	h.t.Helper()
	for _, s := range h.submissions("") {
		if s.Outcome == "regression" {
			h.t.Errorf("%s went backwards: %s", s.Operation, s.Body)
		}
	}
}

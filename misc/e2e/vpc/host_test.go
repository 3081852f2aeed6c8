//go:build e2e

package vpc

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// host is a lab with a control plane and an agent.
type host struct {
	*rig.Control
	t      *testing.T
	dir    string
	imds   string
	agent  *rig.Program
	before []string // what there was in the namespaces before the first task
}

// newHost makes the lab and starts local-ecs and the agent, with more settings if need be.
func newHost(t *testing.T, env map[string]string) *host {
	t.Helper()
	h := newLab(t)
	h.start(env)
	return h
}

// newLab makes the lab, with more flags if need be, and starts local-ecs.
func newLab(t *testing.T, flags ...string) *host {
	t.Helper()
	h := makeLab(t, flags...)
	h.serve()
	return h
}

// makeLab makes the lab alone.
func makeLab(t *testing.T, flags ...string) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir()}
	data := filepath.Join(h.dir, "local-ecs")
	err := run(h.ctx(), filepath.Join(programs, "local-ecs"), append([]string{"lab", "up", "--data-dir", data}, flags...)...)
	if err != nil && strings.Contains(err.Error(), "this kernel knows no VLANs") {
		t.Skip("this kernel knows no VLANs (8021q); scripts/test-in-vm.sh has one that does")
	}
	h.must(err)
	t.Cleanup(func() {
		if err := run(context.Background(), filepath.Join(programs, "local-ecs"), "lab", "down", "--data-dir", data); err != nil {
			t.Error(err)
		}
	})
	h.must(run(h.ctx(), "ip", "route", "add", "default", "via", "10.200.0.1")) // as hosts have one
	return h
}

// serve starts local-ecs, with more flags if need be.
func (h *host) serve(flags ...string) {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	h.must(err)
	h.imds = l.Addr().String()
	h.must(l.Close())
	control, err := rig.StartControl(h.ctx(), rig.ControlOptions{Binary: filepath.Join(programs, "local-ecs"), Dir: h.dir, Cluster: "vpc", Faults: true, Args: append(flags, "--imds", h.imds)})
	h.must(err)
	h.Control = control
	h.t.Cleanup(h.close)
	h.before = h.view()
}

// start starts the agent, again after an end, and waits until it is connected.
func (h *host) start(env map[string]string) {
	h.t.Helper()
	agent := h.launchAgent(env)
	ctx, cancel := context.WithCancel(h.ctx())
	defer cancel()
	go func() { // an agent that ends is not waited for
		select {
		case <-agent.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	if _, err := h.AwaitAgent(ctx); err != nil {
		h.t.Fatalf("%v; the agent's last words:\n%s", err, agent.LastWords())
	}
}

// launchAgent starts the agent without waiting for anything.
func (h *host) launchAgent(env map[string]string) *rig.Program {
	h.t.Helper()
	file := filepath.Join(h.dir, "config.json")
	h.must(os.WriteFile(file, fmt.Appendf(nil, `{"PauseContainerTarballPath": %q}`, filepath.Join(programs, "pause.tar")), 0o600))
	settings := map[string]string{
		"ECS_EXTERNAL": "", "ECS_ENABLE_TASK_ENI": "true", "ECS_CNI_PLUGINS_PATH": filepath.Join(programs, "cni"), "ECS_AGENT_CONFIG_FILE_PATH": file,
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://" + h.imds, "IPAM_DB_PATH": h.database(), "ECS_CNI_LOG_FILE": filepath.Join(h.dir, "cni.log"),
		"ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION": "1h",
	}
	for name, value := range env {
		settings[name] = value
	}
	agent, err := rig.StartAgent(rig.AgentOptions{Binary: filepath.Join(programs, "agent"), Dir: h.dir, Endpoint: h.Endpoint, Cluster: h.Cluster, DockerHost: docker.Host, Env: settings})
	h.must(err)
	h.agent = agent
	return agent
}

func (h *host) close() {
	if h.agent != nil && h.agent.Running() {
		h.agent.Kill()
	}
	h.Kill()
	if err := docker.RemoveAll(context.Background(), ":task/vpc/"); err != nil {
		h.t.Error(err)
	}
	if !h.t.Failed() {
		return
	}
	for _, log := range []string{"agent.log", "local-ecs.log", "cni.log"} {
		if text, err := os.ReadFile(filepath.Join(h.dir, log)); err == nil {
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			h.t.Logf("end of %s:\n%s", log, strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	}
}

func (h *host) ctx() context.Context {
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	h.t.Cleanup(cancel)
	return ctx
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// definition is that of a task with a web server, with more members if need be.
func definition(more map[string]any) map[string]any {
	d := map[string]any{"family": "vpc", "networkMode": "awsvpc", "containerDefinitions": []any{webContainer(nil)}}
	maps.Copy(d, more)
	return d
}

// webContainer is its container, with more members if need be.
func webContainer(more map[string]any) map[string]any {
	c := map[string]any{"name": "web", "image": exampleImage, "cpu": 4, "memory": 32, "command": []string{"serve"}, "stopTimeout": 5}
	maps.Copy(c, more)
	return c
}

// run starts tasks in a subnet and waits until they run.
func (h *host) run(subnet string, n int) []*vpcTask {
	h.t.Helper()
	return h.awaitRunning(h.launch(subnet, n))
}

// define registers a task definition for a network mode.
func (h *host) define(mode string) string {
	h.t.Helper()
	name, err := h.Register(h.ctx(), definition(map[string]any{"networkMode": mode}))
	h.must(err)
	return name
}

// launch starts tasks in a subnet.
func (h *host) launch(subnet string, n int) []string {
	h.t.Helper()
	return h.launchOf(definition(nil), subnet, n)
}

// launchOf starts tasks of a definition in a subnet.
func (h *host) launchOf(definition map[string]any, subnet string, n int) (arns []string) {
	h.t.Helper()
	name, err := h.Register(h.ctx(), definition)
	h.must(err)
	for n > 0 {
		some, err := h.RunInSubnet(h.ctx(), name, subnet, min(n, 10))
		h.must(err)
		arns, n = append(arns, some...), n-len(some)
	}
	return arns
}

func (h *host) awaitRunning(arns []string) (tasks []*vpcTask) {
	h.t.Helper()
	states, err := h.AwaitStatus(h.ctx(), "RUNNING", arns...)
	h.must(err)
	for _, state := range states {
		tasks = append(tasks, h.enter(state))
	}
	return tasks
}

// stop stops tasks and waits for their end.
func (h *host) stop(tasks ...*vpcTask) {
	h.t.Helper()
	var arns []string
	for _, task := range tasks {
		h.must(h.Stop(h.ctx(), task.ARN, "seen enough"))
		arns = append(arns, task.ARN)
	}
	h.awaitStopped(arns)
}

func (h *host) awaitStopped(arns []string) {
	h.t.Helper()
	_, err := h.AwaitStatus(h.ctx(), "STOPPED", arns...)
	h.must(err)
}

// someReach waits until at least n of the tasks have the status.
func (h *host) someReach(status string, n int, arns []string) {
	h.t.Helper()
	h.must(rig.Poll(h.ctx(), fmt.Sprintf("%d tasks to be %s", n, status), func() (bool, error) {
		tasks, err := h.Tasks(h.ctx(), arns...)
		count := 0
		for _, task := range tasks {
			if task.LastStatus == status {
				count++
			}
		}
		return count >= n, err
	}))
}

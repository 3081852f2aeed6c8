//go:build e2e

package vpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

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

// newLab makes the lab and starts local-ecs.
func newLab(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir()}
	data := filepath.Join(h.dir, "local-ecs")
	h.must(run(h.ctx(), filepath.Join(programs, "local-ecs"), "lab", "up", "--data-dir", data))
	t.Cleanup(func() {
		if err := run(context.Background(), filepath.Join(programs, "local-ecs"), "lab", "down", "--data-dir", data); err != nil {
			t.Error(err)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	h.must(err)
	h.imds = l.Addr().String()
	h.must(l.Close())
	control, err := rig.StartControl(h.ctx(), rig.ControlOptions{Binary: filepath.Join(programs, "local-ecs"), Dir: h.dir, Cluster: "vpc", Faults: true, Args: []string{"--imds", h.imds}})
	h.must(err)
	h.Control = control
	t.Cleanup(h.close)
	h.before = h.view()
	return h
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

// run starts tasks in a subnet and waits until they run.
func (h *host) run(subnet string, n int) []*vpcTask {
	h.t.Helper()
	return h.awaitRunning(h.launch(subnet, n))
}

// define registers a task definition for a network mode.
func (h *host) define(mode string) string {
	h.t.Helper()
	definition, err := h.Register(h.ctx(), map[string]any{"family": "vpc", "networkMode": mode, "containerDefinitions": []any{
		map[string]any{"name": "web", "image": exampleImage, "cpu": 4, "memory": 16, "command": []string{"serve"}, "stopTimeout": 5}}})
	h.must(err)
	return definition
}

// launch starts tasks in a subnet.
func (h *host) launch(subnet string, n int) (arns []string) {
	h.t.Helper()
	definition := h.define("awsvpc")
	for n > 0 {
		some, err := h.RunInSubnet(h.ctx(), definition, subnet, min(n, 10))
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

// vpcTask is a running task, with its namespace.
type vpcTask struct {
	rig.Task
	host *host
	pid  int // of its container
	web  string
}

func (h *host) enter(state rig.Task) *vpcTask {
	h.t.Helper()
	task := &vpcTask{Task: state, host: h}
	containers, err := docker.Containers(h.ctx(), state.ARN)
	h.must(err)
	for _, c := range containers {
		if c.Name() == "web" {
			task.web = c.ID
		}
	}
	out, err := exec.CommandContext(h.ctx(), "docker", "inspect", "-f", "{{.State.Pid}}", task.web).Output()
	h.must(err)
	_, err = fmt.Sscan(string(out), &task.pid)
	h.must(err)
	return task
}

func (task *vpcTask) ip() string {
	return task.Containers[0].Interfaces[0].IPv4
}

// file reads a file that the task's container sees.
func (task *vpcTask) file(path string) string {
	task.host.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/root%s", task.pid, path))
	task.host.must(err)
	return string(text)
}

// in runs f on a thread in the task's namespace.
func (task *vpcTask) in(f func() error) error {
	return ns.WithNetNSPath(fmt.Sprintf("/proc/%d/ns/net", task.pid), func(ns.NetNS) error { return f() })
}

// get fetches a URL from inside the task's namespace.
func (task *vpcTask) get(url string) (body string, err error) {
	err = task.in(func() error {
		// The dialer's own goroutines would run outside; a connection made here is used as it is.
		address := strings.TrimPrefix(url, "http://")
		address, path, _ := strings.Cut(address, "/")
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), "80")
		}
		conn, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
		resp, err := client.Get("http://" + address + "/" + path)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", resp.Status, text)
		}
		body = string(text)
		return err
	})
	return body, err
}

func (task *vpcTask) mustGet(url string) string {
	task.host.t.Helper()
	body, err := task.get(url)
	if err != nil {
		task.host.t.Errorf("from %s to %s: %v", task.ID(), url, err)
	}
	return body
}

// environment is a variable of the container.
func (task *vpcTask) environment(name string) string {
	task.host.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", task.pid))
	task.host.must(err)
	for _, entry := range strings.Split(string(text), "\x00") {
		if value, is := strings.CutPrefix(entry, name+"="); is {
			return value
		}
	}
	return ""
}

// view is what there is in the host's namespace and in the lab: links, addresses, routes, packet filters, named namespaces.
func (h *host) view() []string {
	h.t.Helper()
	var lines []string
	look := func(where string) error {
		links, err := netlinksafe.LinkList()
		if err != nil {
			return err
		}
		names := map[int]string{}
		for _, l := range links {
			names[l.Attrs().Index] = l.Attrs().Name
			addresses, err := netlinksafe.AddrList(l, 0)
			if err != nil {
				return err
			}
			line := where + ": " + l.Type() + " " + l.Attrs().Name
			for _, a := range addresses {
				if !a.IP.IsLinkLocalUnicast() || a.IP.To4() != nil {
					line += " " + a.IPNet.String()
				}
			}
			lines = append(lines, line)
		}
		routes, err := netlinksafe.RouteList(nil, 0)
		for _, r := range routes {
			if r.Dst.String() != "fe80::/64" {
				lines = append(lines, fmt.Sprintf("%s: route %v %v %s", where, r.Dst, r.Gw, names[r.LinkIndex]))
			}
		}
		return err
	}
	h.must(look("host"))
	h.must(ns.WithNetNSPath("/run/netns/ecs-lab", func(ns.NetNS) error { return look("lab") }))
	filters, err := exec.CommandContext(h.ctx(), "iptables-save").Output()
	h.must(err)
	for line := range strings.Lines(string(filters)) {
		if strings.HasPrefix(line, "-A") {
			lines = append(lines, "filter: "+strings.TrimSpace(line))
		}
	}
	entries, err := os.ReadDir("/run/netns")
	h.must(err)
	for _, e := range entries {
		lines = append(lines, "namespace: "+e.Name())
	}
	slices.Sort(lines)
	// The bridge to the agent comes with the first task and stays.
	return slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "ecs-bridge") })
}

// nothingIsLeft waits until the namespaces are as they were and no address is leased.
func (h *host) nothingIsLeft() {
	h.t.Helper()
	diff := ""
	err := rig.Poll(h.ctx(), "everything to be gone", func() (bool, error) {
		diff = cmp.Diff(h.before, h.view()) + cmp.Diff([]string(nil), h.leases())
		return diff == "", nil
	})
	if err != nil {
		h.t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

func (h *host) database() string { return filepath.Join(h.dir, "eni-ipam.db") }

// leases are the addresses on the bridge that have an owner.
func (h *host) leases() (owned []string) {
	h.t.Helper()
	if _, err := os.Stat(h.database()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	db, err := bolt.Open(h.database(), 0o644, &bolt.Options{ReadOnly: true, Timeout: 5 * time.Second})
	h.must(err)
	defer func() { _ = db.Close() }()
	h.must(db.View(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte("IPAM"))
		if bucket == nil {
			return nil // nothing was ever leased
		}
		return bucket.ForEach(func(k, v []byte) error {
			if owner := string(v[8:]); owner != "GateWay" && !strings.HasPrefix(string(k), "last") {
				owned = append(owned, string(k)+" "+owner)
			}
			return nil
		})
	}))
	return owned
}

// networkMetadata is what a container is told about its network.
type networkMetadata struct {
	NetworkMode                  string
	IPv4Addresses, IPv6Addresses []string
	MACAddress                   string
}

// metadata asks the task endpoint, from inside the task, about the task and the network of its container.
func (task *vpcTask) metadata() (arn string, network networkMetadata) {
	task.host.t.Helper()
	body := task.mustGet(task.environment("ECS_CONTAINER_METADATA_URI_V4") + "/task")
	var m struct {
		TaskARN    string
		Containers []struct {
			Name     string
			Networks []networkMetadata
		}
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		task.host.t.Errorf("task metadata %q: %v", body, err)
	}
	for _, c := range m.Containers {
		if c.Name == "web" && len(c.Networks) == 1 {
			network = c.Networks[0]
		}
	}
	return m.TaskARN, network
}

// knowsItself checks that the task endpoint tells the task about itself.
func (task *vpcTask) knowsItself() {
	task.host.t.Helper()
	arn, n := task.metadata()
	address := func(list []string) string { return strings.Join(list, ",") }
	want := task.Containers[0].Interfaces[0]
	if arn != task.ARN || n.NetworkMode != "awsvpc" || address(n.IPv4Addresses) != want.IPv4 || address(n.IPv6Addresses) != want.IPv6 {
		task.host.t.Errorf("metadata of task %s with %+v: %s, %+v", task.ID(), want, arn, n)
	}
}

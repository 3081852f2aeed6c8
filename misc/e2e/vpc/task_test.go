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
	"strings"
	"time"

	"github.com/containernetworking/plugins/pkg/ns"
	"golang.org/x/sys/unix"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

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
func (task *vpcTask) get(url string) (string, error) {
	status, body, err := task.request(http.MethodGet, url, "")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", status, body)
	}
	return body, err
}

// request sends a request from inside the task's namespace.
func (task *vpcTask) request(method, url, text string) (status int, body string, err error) {
	err = task.in(func() error {
		// The dialer's own goroutines would run outside; a connection made here is used as it is.
		address := strings.TrimPrefix(url, "http://")
		address, path, _ := strings.Cut(address, "/")
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), "80")
		}
		conn, err := net.DialTimeout("tcp", address, 4*time.Second)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
		req, err := http.NewRequest(method, "http://"+address+"/"+path, strings.NewReader(text))
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		answer, err := io.ReadAll(resp.Body)
		status, body = resp.StatusCode, string(answer)
		return err
	})
	return status, body, err
}

// mustGet is get from a server that has to answer, if it runs; one that was just started may not listen yet.
func (task *vpcTask) mustGet(url string) (body string) {
	task.host.t.Helper()
	err := rig.Poll(task.host.ctx(), url, func() (bool, error) {
		var err error
		if body, err = task.get(url); errors.Is(err, unix.ECONNREFUSED) {
			return false, nil
		}
		return true, err
	})
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

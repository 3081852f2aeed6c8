//go:build e2e

package vpc

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// faultEnv lets the agent offer network faults although the kernel may know no emulation, which black holes do not need.
func faultEnv(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "modinfo"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"PATH": dir + ":" + os.Getenv("PATH")}
}

// fault asks the agent, from inside the task, to do something about a network fault, and gives its answer. Each operation may
// be asked for every few seconds only.
func (task *vpcTask) fault(operation, body string) (status int, answer string) {
	task.host.t.Helper()
	url := task.environment("ECS_AGENT_URI") + "/fault/v1/" + operation
	err := rig.Poll(task.host.ctx(), operation, func() (bool, error) {
		var err error
		status, answer, err = task.request(http.MethodPost, url, body)
		return err == nil && status != http.StatusTooManyRequests, err
	})
	task.host.must(err)
	return status, answer
}

func (task *vpcTask) wantFault(operation, body, want string) {
	task.host.t.Helper()
	status, text := task.fault(operation, body)
	var answer struct{ Status, Error string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK || answer.Status != want {
		task.host.t.Errorf("%s from %s: %d %s, want %s", operation, task.ID(), status, text, want)
	}
}

const (
	blackHoleStart  = "network-blackhole-port/start"
	blackHoleStop   = "network-blackhole-port/stop"
	blackHoleStatus = "network-blackhole-port/status"
	webPortIn       = `{"Port": 8080, "Protocol": "tcp", "TrafficType": "ingress"}`
)

// A black hole in one task is felt by those who talk to it, and by nobody else. It is there for the next agent as for the one
// that made it, until the task ends it or ends itself.
func TestBlackHoleOfATask(t *testing.T) {
	env := faultEnv(t)
	h := newHost(t, env)
	tasks := h.awaitRunning(h.launchOf(definition(map[string]any{"enableFaultInjection": true}), "subnet-lab", 2))
	a, b := tasks[0], tasks[1]
	swallowed := func(want bool, when string) {
		t.Helper()
		var timeout net.Error
		_, err := b.get("http://" + a.ip() + ":8080/env")
		if got := errors.As(err, &timeout) && timeout.Timeout(); got != want || !want && err != nil {
			t.Errorf("%s: a request to the task: %v, swallowed: want %t", when, err, want)
		}
		a.mustGet("http://" + b.ip() + ":8080/env")
		a.knowsItself()
	}
	b.mustGet("http://" + a.ip() + ":8080/env") // the server listens
	swallowed(false, "before")
	a.wantFault(blackHoleStatus, webPortIn, "not-running")
	a.wantFault(blackHoleStart, webPortIn, "running")
	b.wantFault(blackHoleStatus, webPortIn, "not-running")
	swallowed(true, "with the black hole")

	h.agent.Kill()
	swallowedWithout := func() {
		t.Helper()
		if _, err := b.get("http://" + a.ip() + ":8080/env"); err == nil {
			t.Error("the black hole ended with the agent")
		}
	}
	swallowedWithout()
	h.start(env)
	a.wantFault(blackHoleStatus, webPortIn, "running")
	a.wantFault(blackHoleStart, `{"Port": 8080, "Protocol": "tcp", "TrafficType": "ingress", "SourcesToFilter": ["`+b.ip()+`"]}`, "running")
	swallowed(true, "with the next agent, asked for once more")
	a.wantFault(blackHoleStop, webPortIn, "stopped")
	swallowed(false, "after its end")

	a.wantFault(blackHoleStart, webPortIn, "running") // this one ends with the task
	h.stop(a, b)
	h.noFaultIsLeft()
	h.nothingIsLeft()
}

func TestBlackHoleOfATaskWithIPv6Alone(t *testing.T) {
	h := newHost(t, faultEnv(t))
	tasks := h.awaitRunning(h.launchOf(definition(map[string]any{"enableFaultInjection": true}), "subnet-lab-ipv6", 2))
	a, b := tasks[0], tasks[1]
	url := "http://[" + a.Containers[0].Interfaces[0].IPv6 + "]:8080/env"
	b.mustGet(url)
	a.wantFault(blackHoleStart, webPortIn, "running")
	if _, err := b.get(url); err == nil {
		t.Error("a request got through the black hole")
	}
	a.knowsItself() // over IPv4
	a.wantFault(blackHoleStop, webPortIn, "stopped")
	b.mustGet(url)
	h.stop(a, b)
	h.noFaultIsLeft()
	h.nothingIsLeft()
}

// The host's network outlives its tasks: what they asked for is taken away when they end, by whichever agent is there.
func TestBlackHoleOfTheHost(t *testing.T) {
	env := faultEnv(t)
	h := newHost(t, env)
	// On the host there is one web server for each port.
	inHost := func(port string) []string {
		t.Helper()
		name, err := h.Register(h.ctx(), definition(map[string]any{"networkMode": "host", "enableFaultInjection": true,
			"containerDefinitions": []any{webContainer(map[string]any{"command": []string{"serve", "--listen", ":" + port}})}}))
		h.must(err)
		arn, err := h.Run(h.ctx(), name, nil)
		h.must(err)
		return []string{arn}
	}
	a, b := h.awaitRunning(inHost("8081"))[0], h.awaitRunning(inHost("8082"))[0]
	const hole = `{"Port": 4711, "Protocol": "udp", "TrafficType": "egress"}`
	a.wantFault(blackHoleStart, hole, "running")
	b.wantFault(blackHoleStatus, hole, "running") // they share the network
	if !slices.ContainsFunc(h.view(), func(line string) bool { return strings.Contains(line, "egress-udp-4711") }) {
		t.Error("nothing is to be seen of the black hole")
	}
	h.agent.Kill()
	h.start(env)
	h.stop(a)
	h.noFaultIsLeft()
	b.wantFault(blackHoleStatus, hole, "not-running")
	h.stop(b)
	h.nothingIsLeft()
}

// A task that did not ask for it in its definition gets none.
func TestFaultsThatAreNotAllowed(t *testing.T) {
	h := newHost(t, faultEnv(t))
	task := h.run("subnet-lab", 1)[0]
	if status, answer := task.fault(blackHoleStart, webPortIn); status != http.StatusBadRequest || !strings.Contains(answer, "enableFaultInjection is not enabled for task: "+task.ARN) {
		t.Errorf("%d %s", status, answer)
	}
	h.stop(task)
	h.nothingIsLeft()
}

// noFaultIsLeft waits until the agent's list of faults is empty.
func (h *host) noFaultIsLeft() {
	h.t.Helper()
	h.must(rig.Poll(h.ctx(), "the faults to end", func() (bool, error) {
		text, err := os.ReadFile(filepath.Join(h.dir, "data", "network-faults.json"))
		return err == nil && (string(text) == "[]" || string(text) == "null"), err
	}))
}

// Latency and packet loss end to end, where the kernel can emulate networks.
func TestImpairmentsOfATask(t *testing.T) {
	h := newHost(t, faultEnv(t))
	tasks := h.awaitRunning(h.launchOf(definition(map[string]any{"enableFaultInjection": true}), "subnet-lab", 2))
	a, b := tasks[0], tasks[1]
	latency := `{"DelayMilliseconds": 1000, "JitterMilliseconds": 0, "Sources": ["` + b.ip() + `"]}`
	if err := run(h.ctx(), "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"); err != nil {
		// It says so, and leaves nothing half made.
		if status, answer := a.fault("network-latency/start", latency); status != http.StatusInternalServerError || !strings.Contains(answer, "internal error") {
			t.Errorf("without network emulation: %d %s", status, answer)
		}
		a.wantFault("network-latency/status", "", "not-running")
		a.mustGet("http://" + b.ip() + ":8080/env")
		h.noFaultIsLeft()
		h.stop(tasks...)
		h.nothingIsLeft()
		t.Skip("the kernel cannot emulate networks (sch_netem); scripts/test-in-vm.sh has one that can")
	}
	h.must(run(h.ctx(), "tc", "qdisc", "del", "dev", "lo", "root"))
	rtt := func() time.Duration {
		t.Helper()
		began := time.Now()
		a.mustGet("http://" + b.ip() + ":8080/env")
		return time.Since(began)
	}
	a.wantFault("network-latency/start", latency, "running")
	if took := rtt(); took < time.Second {
		t.Errorf("a request took %v only", took)
	}
	loss := `{"LossPercent": 6, "Sources": ["` + b.ip() + `"]}`
	if status, answer := a.fault("network-packet-loss/start", loss); status != http.StatusConflict || !strings.Contains(answer, "There is already one network latency fault running") {
		t.Errorf("packet loss beside it: %d %s", status, answer)
	}
	a.wantFault("network-latency/stop", "", "stopped")
	h.must(rig.Poll(h.ctx(), "quick requests after the end of the fault", func() (bool, error) { return rtt() < time.Second, nil }))
	a.wantFault("network-packet-loss/start", loss, "running")
	h.stop(tasks...)
	h.noFaultIsLeft()
	h.nothingIsLeft()
}

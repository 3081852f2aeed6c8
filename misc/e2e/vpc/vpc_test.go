//go:build e2e

package vpc

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Two tasks talk to one another and to the agent, and to nobody they must not; the agent's death changes nothing of it; and
// nothing of them is left in the end.
func TestTasksWithInterfacesOfTheirOwn(t *testing.T) {
	env := map[string]string{"ECS_AWSVPC_BLOCK_IMDS": "true", "ECS_AWSVPC_ADDITIONAL_LOCAL_ROUTES": `["10.9.0.0/16"]`}
	h := newHost(t, env)
	tasks := h.run("subnet-lab", 2)
	a, b := tasks[0], tasks[1]
	if a.ip() == "" || a.ip() == b.ip() || a.Attachments[0].Status != "ATTACHED" {
		t.Fatalf("addresses %q and %q, attachments %+v", a.ip(), b.ip(), a.Attachments)
	}
	for _, task := range tasks {
		name := "ip-" + strings.ReplaceAll(task.ip(), ".", "-") + ".lab.internal"
		for path, want := range map[string]string{"/etc/hosts": task.ip() + "\t" + name, "/etc/resolv.conf": "nameserver 10.200.0.1", "/etc/hostname": name} {
			if text := task.file(path); !strings.Contains(text, want) {
				t.Errorf("%s has no %q:\n%s", path, want, text)
			}
		}
		if text := task.file("/etc/resolv.conf"); !strings.Contains(text, "search lab.internal") {
			t.Errorf("no search list in /etc/resolv.conf:\n%s", text)
		}
		task.knowsItself()
		if _, err := task.get("http://169.254.169.254/latest/meta-data/"); !errors.Is(err, unix.EINVAL) {
			t.Errorf("the instance metadata service is not blocked: %v", err)
		}
	}
	talk := func(when string) {
		t.Helper()
		for _, pair := range [][2]*vpcTask{{a, b}, {b, a}} {
			if body := pair[0].mustGet("http://" + pair[1].ip() + ":8080/env"); !strings.Contains(body, "ECS_CONTAINER_METADATA_URI_V4=") {
				t.Errorf("%s: the other task answers %q", when, body)
			}
		}
	}
	talk("with the agent")

	h.agent.Kill()
	talk("without the agent")
	h.start(env)
	for _, task := range tasks {
		now, err := h.Task(h.ctx(), task.ARN)
		h.must(err)
		if again := h.enter(*now); now.LastStatus != "RUNNING" || again.pid != task.pid {
			t.Errorf("after the restart: %s, process %d, was %d", now.LastStatus, again.pid, task.pid)
		}
		task.knowsItself()
	}
	talk("with the next agent")

	h.stop(a)
	b.knowsItself() // not disturbed
	h.stop(b)
	h.nothingIsLeft()
	ended, err := h.Task(h.ctx(), a.ARN)
	h.must(err)
	if ended.Attachments[0].Status != "DELETED" || ended.StoppedReason != "seen enough" {
		t.Errorf("ended task: %+v, %s", ended.Attachments, ended.StoppedReason)
	}
}

func TestTasksWithIPv6(t *testing.T) {
	h := newHost(t, nil)
	only, dual := h.run("subnet-lab-ipv6", 2), h.run("subnet-lab-dual", 1)[0]
	for _, task := range only {
		n := task.Containers[0].Interfaces[0]
		if n.IPv4 != "" || n.IPv6 == "" {
			t.Fatalf("addresses: %+v", n)
		}
		task.knowsItself()
		if text := task.file("/etc/hosts"); !strings.Contains(text, n.IPv6+"\t") {
			t.Errorf("/etc/hosts has no %s:\n%s", n.IPv6, text)
		}
	}
	only[0].mustGet("http://[" + only[1].Containers[0].Interfaces[0].IPv6 + "]:8080/env")
	dual.mustGet("http://[" + only[1].Containers[0].Interfaces[0].IPv6 + "]:8080/env")
	only[1].mustGet("http://[" + dual.Containers[0].Interfaces[0].IPv6 + "]:8080/env")
	h.stop(append(only, dual)...)
	h.nothingIsLeft()
}

func TestManyTasksAtOnce(t *testing.T) {
	const n = 20
	h := newHost(t, nil)
	started := time.Now()
	tasks := h.run("subnet-lab", n)
	t.Logf("%d tasks run after %v", n, time.Since(started).Round(time.Millisecond))
	if leases := h.leases(); len(leases) != n {
		t.Errorf("%d leases for %d tasks: %v", len(leases), n, leases)
	}
	var all sync.WaitGroup
	for i, task := range tasks {
		next := tasks[(i+1)%n]
		all.Go(func() {
			task.mustGet("http://" + next.ip() + ":8080/env")
			task.knowsItself()
		})
	}
	all.Wait()
	h.stop(tasks...)
	h.nothingIsLeft()
}

// The agent is killed while tasks are being started, and again while they are being stopped.
func TestKilledInTheMiddle(t *testing.T) {
	const n = 8
	h := newHost(t, nil)
	arns := h.launch("subnet-lab", n)
	for _, running := range []int{1, 4} {
		h.someReach("RUNNING", running, arns)
		h.agent.Kill()
		h.start(nil)
	}
	tasks := h.awaitRunning(arns)
	for i, task := range tasks {
		task.knowsItself()
		task.mustGet("http://" + tasks[(i+1)%n].ip() + ":8080/env")
	}
	for _, arn := range arns {
		h.must(h.Stop(h.ctx(), arn, "seen enough"))
	}
	for _, stopped := range []int{1, 4} {
		h.someReach("STOPPED", stopped, arns)
		h.agent.Kill()
		h.start(nil)
	}
	h.awaitStopped(arns)
	h.nothingIsLeft()
}

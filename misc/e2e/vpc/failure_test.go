//go:build e2e

package vpc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// otherPlugins is a directory with the plugins, one of them replaced by a shell script. A script of "" stands for none.
func (h *host) otherPlugins(name, script string) map[string]string {
	h.t.Helper()
	dir := h.t.TempDir()
	entries, err := os.ReadDir(filepath.Join(programs, "cni"))
	h.must(err)
	for _, e := range entries {
		switch {
		case e.Name() != name:
			h.must(os.Symlink(filepath.Join(programs, "cni", e.Name()), filepath.Join(dir, e.Name())))
		case script != "":
			// What agents ask at their start is answered by the real one.
			text := fmt.Sprintf("#!/bin/sh\n[ $# -gt 0 ] && exec %s \"$@\"\n%s\n", filepath.Join(programs, "cni", name), script)
			h.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
		}
	}
	return map[string]string{"ECS_CNI_PLUGINS_PATH": dir}
}

// A plugin that fails: the task ends soon, with the plugin's words for a reason, and what the plugins before it made is gone.
func TestPluginThatFails(t *testing.T) {
	h := newLab(t)
	h.start(h.otherPlugins("ecs-bridge", `[ "$CNI_COMMAND" = DEL ] && exit; echo '{"code": 100, "msg": "no bridge today"}'; exit 1`))
	started := time.Now()
	arns := h.launch("subnet-lab", 1)
	h.awaitStopped(arns)
	task, err := h.Task(h.ctx(), arns[0])
	h.must(err)
	const want = "ContainerNetworkingError: container resource provisioning: failed to setup network namespace: add network failed: no bridge today"
	if task.StopCode != "TaskFailedToStart" || task.StoppedReason != want {
		t.Errorf("stopped: %s: %q\nwant %q", task.StopCode, task.StoppedReason, want)
	}
	if took := time.Since(started); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	h.nothingIsLeft()
}

// Without a plugin the agent does not promise what it cannot keep.
func TestPluginThatIsMissing(t *testing.T) {
	h := newLab(t)
	agent := h.launchAgent(h.otherPlugins("ecs-ipam", ""))
	code, err := agent.Wait(h.ctx())
	h.must(err)
	if words := agent.LastWords(); code != 5 || !strings.Contains(words, "ecscni: unable to describe file info for") {
		t.Errorf("exit code %d, want 5; the agent's last words:\n%s", code, words)
	}
}

// Where instance metadata can never be asked, starting the agent over and over is of no use: it ends for good, soon, and says
// what to set.
func TestNoInstanceMetadata(t *testing.T) {
	h := newLab(t)
	for name, env := range map[string]map[string]string{
		"switched off":         {"AWS_EC2_METADATA_DISABLED": "true"},
		"an external instance": {"ECS_EXTERNAL": "true"},
	} {
		started := time.Now()
		agent := h.launchAgent(env)
		code, err := agent.Wait(h.ctx())
		h.must(err)
		if words := agent.LastWords(); code != 5 || !strings.Contains(words, "set ECS_ENABLE_TASK_ENI=false") {
			t.Errorf("%s: exit code %d, want 5; the agent's last words:\n%s", name, code, words)
		}
		if took := time.Since(started); took > 10*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}

// An interface that is announced and never comes: the service gives the task up in time, and so does the agent, which never
// hears of the task.
func TestInterfaceThatNeverComes(t *testing.T) {
	h := makeLab(t)
	h.must(run(h.ctx(), "ip", "netns", "exec", "ecs-lab", "ip", "link", "del", "vpc")) // nothing can be plugged in any more
	const limit = 4 * time.Second
	h.serve("--attach-limit", limit.String())
	h.start(nil)
	started := time.Now()
	arns := h.launch("subnet-lab", 1)
	h.awaitStopped(arns)
	task, err := h.Task(h.ctx(), arns[0])
	h.must(err)
	if task.StopCode != "TaskFailedToStart" || task.StoppedReason != "Timeout waiting for network interface provisioning to complete." {
		t.Errorf("stopped: %s: %q", task.StopCode, task.StoppedReason)
	}
	if took := time.Since(started); took < limit || took > limit+10*time.Second {
		t.Errorf("it took %v with a limit of %v", took, limit)
	}
	h.must(rig.Poll(h.ctx(), "the agent to give the interface up", func() (bool, error) {
		log, err := os.ReadFile(filepath.Join(h.dir, "agent.log"))
		return strings.Contains(string(log), "Timed out waiting for ENI ack; removing ENI attachment record"), err
	}))
	if known, err := rig.Tasks(h.ctx()); err != nil || len(known) != 0 {
		t.Errorf("the agent has tasks %v, %v", known, err)
	}
}

// A pause container that dies takes the network of its task along: the task ends, nothing is left, and the next one has all it
// needs.
func TestPauseContainerThatDies(t *testing.T) {
	h := newHost(t, nil)
	task := h.run("subnet-lab", 1)[0]
	containers, err := docker.Containers(h.ctx(), task.ARN)
	h.must(err)
	for _, c := range containers {
		if c.Name() != "web" {
			h.must(run(h.ctx(), "docker", "kill", c.ID))
		}
	}
	h.awaitStopped([]string{task.ARN})
	h.nothingIsLeft()
	again := h.run("subnet-lab", 1)[0]
	again.knowsItself()
	h.stop(again)
	h.nothingIsLeft()
}

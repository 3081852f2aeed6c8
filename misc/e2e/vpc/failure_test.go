//go:build e2e

package vpc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

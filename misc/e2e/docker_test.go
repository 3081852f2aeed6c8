//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestNoDockerAtStart(t *testing.T) {
	h := newHost(t)
	h.throughProxy()
	h.proxy.Down()
	h.launch()
	code, err := h.agent.Wait(h.ctx())
	h.must(err)
	words := h.agent.LastWords()
	if code != 1 {
		t.Errorf("exit code %d, want 1: something that may go away", code)
	}
	if !strings.Contains(words, h.proxy.Socket) || !strings.Contains(words, "Docker") {
		t.Errorf("the log does not say what is missing:\n%s", words)
	}
	h.must(h.proxy.Up())
	h.start()
}

func TestDockerGoesAndComesBackUnderLoad(t *testing.T) {
	h := newHost(t)
	h.throughProxy()
	h.start()
	d := h.register(oneContainer("serve"))
	var steady []string
	for range 5 {
		steady = append(steady, h.runTask(d))
	}
	h.await("RUNNING", steady...)

	// Work is under way when the engine goes.
	var fresh []string
	for range 5 {
		fresh = append(fresh, h.runTask(d))
	}
	victim := h.containers(steady[0])["main"].ID
	h.proxy.Down()
	h.must(docker.Kill(h.ctx(), victim, "KILL")) // nobody hears of it
	h.must(h.Stop(h.ctx(), steady[1], "while Docker is away"))
	h.stays(3 * time.Second)
	h.must(h.proxy.Up())

	if code := h.await("STOPPED", steady[0])[0].Containers[0].ExitCode; code == nil || *code != 137 {
		t.Errorf("a container that died meanwhile: exit code %v, want 137", code)
	}
	h.await("STOPPED", steady[1])
	if c := h.containers(steady[1])["main"]; c.State != "exited" {
		t.Errorf("the task stopped meanwhile is reported STOPPED, its container is %s", c.State)
	}
	h.await("RUNNING", steady[2:]...)
	// A task caught in the middle may fail, with a reason; it may not hang, and nothing of it may run on.
	h.poll("the tasks caught in the middle to settle", func() (bool, error) {
		tasks, err := h.Tasks(h.ctx(), fresh...)
		if err != nil {
			return false, err
		}
		for _, task := range tasks {
			if task.LastStatus != "RUNNING" && task.LastStatus != "STOPPED" {
				return false, nil
			}
		}
		return true, nil
	})
	tasks, err := h.Tasks(h.ctx(), fresh...)
	h.must(err)
	for _, task := range tasks {
		h.checkContainers(task)
		if task.LastStatus == "STOPPED" && task.StoppedReason == "" {
			t.Errorf("task %s failed without a reason", task.ID())
		}
	}
	// And new work is done.
	h.await("RUNNING", h.runTask(d))
	h.noRegressions()
}

// stays watches the agent for a while: it must not end.
func (h *host) stays(d time.Duration) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), d)
	defer cancel()
	if code, err := h.agent.Wait(ctx); err == nil {
		h.t.Fatalf("the agent ended with %d; its last words:\n%s", code, h.agent.LastWords())
	}
}

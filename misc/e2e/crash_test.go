//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// launches is how many tasks the crash test starts; about half of them are stopped again.
const launches = 30

// TestKilledAtAnyMoment kills the agent at random moments while tasks are launched and stopped. E2E_SEED repeats a run
// as far as the choices go; the moments depend on the machine.
func TestKilledAtAnyMoment(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("E2E_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("E2E_SEED: %v", err)
		}
	}
	t.Logf("E2E_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	h := newHost(t)
	instance := h.start()
	d := h.register(definition{"family": "e2e", "containerDefinitions": []any{container("main", "serve"), container("side", "serve")}})
	wanted := map[string]string{} // ARN → status it must end in
	var running []string
	crashes := 0
	for len(wanted) < launches {
		// A few operations, then a crash at some point of their handling.
		for range 1 + random.IntN(3) {
			if len(running) > 0 && random.IntN(3) == 0 {
				i := random.IntN(len(running))
				h.must(h.Stop(h.ctx(), running[i], "crash test"))
				wanted[running[i]] = "STOPPED"
				running = append(running[:i], running[i+1:]...)
				continue
			}
			arn := h.runWhenConnected(d)
			wanted[arn] = "RUNNING"
			running = append(running, arn)
		}
		h.crashAfter(time.Duration(random.IntN(400)) * time.Millisecond)
		crashes++
		if after := h.start(); after.ARN != instance.ARN {
			t.Fatalf("registered as %s, was %s", after.ARN, instance.ARN)
		}
	}
	t.Logf("%d tasks, %d crashes", len(wanted), crashes)

	byStatus := map[string][]string{}
	for arn, status := range wanted {
		byStatus[status] = append(byStatus[status], arn)
	}
	for status, arns := range byStatus {
		for _, task := range h.await(status, arns...) {
			h.checkContainers(task)
		}
	}
	h.noRegressions()
	list, err := docker.Containers(h.ctx(), h.part())
	h.must(err)
	for _, c := range list {
		if wanted[c.TaskARN()] == "" {
			t.Errorf("container %s belongs to a task nobody asked for: %s", c.ID, c.TaskARN())
		}
	}
}

// crashAfter kills the agent after d, or at its own end, which must not come.
func (h *host) crashAfter(d time.Duration) {
	h.t.Helper()
	select {
	case <-time.After(d):
		h.agent.Kill()
	case <-h.agent.Done():
		h.t.Fatalf("the agent ended by itself; its last words:\n%s", h.agent.LastWords())
	}
}

// checkContainers compares a settled task with Docker: nothing runs twice, nothing is forgotten.
func (h *host) checkContainers(task rig.Task) {
	h.t.Helper()
	real := h.containers(task.ARN) // complains about doubles
	for _, c := range task.Containers {
		found, exists := real[c.Name]
		switch {
		case task.LastStatus == "RUNNING" && (!exists || found.State != "running" || found.ID != c.RuntimeID):
			h.t.Errorf("RUNNING task %s: container %q is reported as %.12s and in Docker is %+v", task.ID(), c.Name, c.RuntimeID, found)
		case task.LastStatus == "STOPPED" && exists && found.State == "running":
			h.t.Errorf("STOPPED task %s: container %q still runs", task.ID(), c.Name)
		case task.LastStatus == "STOPPED" && exists && found.State == "exited" && c.ExitCode == nil && fmt.Sprint(c.Reason) == "":
			h.t.Errorf("STOPPED task %s: container %q ended without exit code or reason", task.ID(), c.Name)
		}
	}
}

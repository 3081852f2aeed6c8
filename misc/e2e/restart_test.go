//go:build e2e

package e2e

import (
	"testing"
	"time"
)

func TestRestartWithManyTasks(t *testing.T) {
	for name, end := range map[string]func(h *host){
		"SIGTERM": func(h *host) { h.terminate() },
		"SIGKILL": func(h *host) { h.agent.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			const tasks = 20
			h := newHost(t)
			h.throughProxy()
			before := h.start()
			d := h.register(oneContainer("serve"))
			var arns []string
			for range tasks {
				arns = append(arns, h.runTask(d))
			}
			ids := map[string]string{}
			for _, task := range h.await("RUNNING", arns...) {
				ids[task.ARN] = task.Containers[0].RuntimeID
			}

			end(h)
			// Three end while nobody looks.
			codes := map[string]int{arns[0]: 137, arns[1]: 137, arns[2]: 0}
			for arn, code := range codes {
				signal := "KILL"
				if code == 0 {
					signal = "TERM"
				}
				h.must(docker.Kill(h.ctx(), ids[arn], signal))
			}
			for arn := range codes {
				h.poll("the container to end", func() (bool, error) { return h.containers(arn)["main"].State == "exited", nil })
			}
			h.proxy.Forget()

			after := h.start()
			if after.ARN != before.ARN {
				t.Errorf("registered as %s, was %s", after.ARN, before.ARN)
			}
			for arn, want := range codes {
				if code := h.await("STOPPED", arn)[0].Containers[0].ExitCode; code == nil || *code != want {
					t.Errorf("exit code of a task that ended meanwhile: %v, want %d", code, want)
				}
			}
			for _, task := range h.await("RUNNING", arns[len(codes):]...) {
				if c := h.containers(task.ARN)["main"]; c.ID != ids[task.ARN] || c.State != "running" {
					t.Errorf("task %s: container %s is %s, was %s", task.ID(), c.ID, c.State, ids[task.ARN])
				}
			}
			if calls := h.proxy.Calls(`^POST /containers/`); len(calls) != 0 {
				t.Errorf("the restart touched containers: %v", calls)
			}
			h.noRegressions()

			// The restored ones can still be stopped.
			h.must(h.Stop(h.ctx(), arns[5], "after the restart"))
			h.await("STOPPED", arns[5])
		})
	}
}

func TestTerminationIsQuickAndLeavesTasksAlone(t *testing.T) {
	// The image's docker stop has 10 s; people notice more than 2.
	const limit = 2 * time.Second
	h := newHost(t)
	h.start()
	d := h.register(oneContainer("serve"))
	var arns []string
	for range 10 {
		arns = append(arns, h.runTask(d))
	}
	h.await("RUNNING", arns...)
	if took := h.terminate(); took > limit {
		t.Errorf("the end took %v with %d tasks, want at most %v", took, len(arns), limit)
	}
	for _, arn := range arns {
		if c := h.containers(arn)["main"]; c.State != "running" {
			t.Errorf("a container is %s after the agent's end", c.State)
		}
	}
}

func TestTerminationDuringEveryPhase(t *testing.T) {
	t.Run("while starting tasks", func(t *testing.T) {
		h := newHost(t)
		h.start()
		d := h.register(oneContainer("serve"))
		var arns []string
		for range 5 {
			arns = append(arns, h.runTask(d))
		}
		h.terminate()
		h.start()
		h.await("RUNNING", arns...)
	})
	t.Run("without a service", func(t *testing.T) {
		h := newHost(t)
		h.Kill()
		h.launch()
		h.poll("the agent's log", func() (bool, error) { return h.logged("Starting Amazon ECS Agent"), nil })
		if took := h.terminate(); took > 2*time.Second {
			t.Errorf("the end took %v", took)
		}
	})
}

//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// editState changes the agent's database while no agent runs.
func (h *host) editState(edit func(tx *bolt.Tx) error) {
	h.t.Helper()
	db, err := bolt.Open(filepath.Join(h.dir, "data", "agent.db"), 0o600, &bolt.Options{Timeout: 5 * time.Second})
	h.must(err)
	h.must(db.Update(edit))
	h.must(db.Close())
}

// TestUnreadableRecords loses the records of some tasks. What is in Docker is taken over by its labels: one that runs goes on,
// one that ended is reported with its exit code. Of a task without a container ECS hears why.
func TestUnreadableRecords(t *testing.T) {
	h := newHost(t)
	before := h.start()
	d := h.register(oneContainer("serve"))
	good, runs, died, gone := h.runTask(d), h.runTask(d), h.runTask(d), h.runTask(d)
	tasks := h.await("RUNNING", good, runs, died, gone)
	h.agent.Kill()
	h.editState(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte("tasks"))
		for _, lost := range tasks[1:] {
			key := []byte(lost.ID())
			record := bucket.Get(key)
			if err := bucket.Put(key, append([]byte(nil), record[:len(record)/2]...)); err != nil {
				return err
			}
		}
		return nil
	})
	h.must(docker.Kill(h.ctx(), tasks[2].Containers[0].RuntimeID, "KILL"))
	h.must(docker.Remove(h.ctx(), tasks[3].Containers[0].RuntimeID))
	h.poll("the container to end", func() (bool, error) { return h.containers(died)["main"].State == "exited", nil })

	if after := h.start(); after.ARN != before.ARN {
		t.Errorf("registered as %s, was %s", after.ARN, before.ARN)
	}
	if stopped := h.await("STOPPED", gone)[0]; !strings.Contains(stopped.StoppedReason, "saved state") {
		t.Errorf("reason of the task nothing is left of: %q", stopped.StoppedReason)
	}
	if code := h.await("STOPPED", died)[0].Containers[0].ExitCode; code == nil || *code != 137 {
		t.Errorf("exit code of the task that ended meanwhile: %v, want 137", code)
	}
	for i, task := range h.await("RUNNING", good, runs) {
		if c := h.containers(task.ARN)["main"]; c.ID != tasks[i].Containers[0].RuntimeID || c.State != "running" {
			t.Errorf("task %s was container %s, is %+v", task.ID(), tasks[i].Containers[0].RuntimeID, c)
		}
		h.must(h.Stop(h.ctx(), task.ARN, "enough"))
		h.await("STOPPED", task.ARN)
		if c := h.containers(task.ARN)["main"]; c.State != "exited" {
			t.Errorf("the container of a stopped task is %s", c.State)
		}
	}
	if !h.logged("could not be read") {
		t.Error("the log does not tell about the records")
	}
	h.noRegressions()
}

func TestUnreadableFileIsNoObstacle(t *testing.T) {
	h := newHost(t)
	h.start()
	h.terminate()
	db := filepath.Join(h.dir, "data", "agent.db")
	h.must(os.WriteFile(db, []byte(strings.Repeat("no database\n", 5000)), 0o600))
	h.start()
	arn := h.runWhenConnected(h.register(oneContainer("serve")))
	h.await("RUNNING", arn)
	if aside, _ := filepath.Glob(db + ".damaged-*"); len(aside) != 1 {
		t.Errorf("the unreadable file was not kept: %v", aside)
	}
}

func TestSecondAgentIsTurnedAway(t *testing.T) {
	h := newHost(t)
	h.start()
	first := h.agent
	defer first.Kill()
	h.launch()
	code, err := h.agent.Wait(h.ctx())
	h.must(err)
	if words := h.agent.LastWords(); code != 1 || !strings.Contains(words, "another process has held its lock") {
		t.Errorf("exit code %d, it says:\n%s", code, words)
	}
	if !first.Running() {
		t.Error("the first agent ended")
	}
}

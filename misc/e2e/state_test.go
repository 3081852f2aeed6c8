//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
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

// TestUnreadableRecords loses the records of some tasks. One that still runs is taken over by its labels and can be stopped;
// of one that ended, or whose container is gone, ECS hears why.
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
	h.await("STOPPED", died, gone)
	reports := h.submissions("saved+state")
	for _, arn := range []string{died, gone} {
		if !slices.ContainsFunc(reports, func(s submission) bool { return strings.Contains(string(s.Body), arn) }) {
			t.Errorf("nobody told why %s ended", arn)
		}
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

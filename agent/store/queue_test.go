package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// stall keeps the disk busy: the writer waits for the transaction to end.
func stall(t *testing.T, s *Store) (release func()) {
	t.Helper()
	tx, err := s.db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = tx.Rollback() }
}

func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending.len()
}

func TestSavesNeitherBlockNorPileUpWhileTheDiskIsBusy(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	release := stall(t, s)
	defer release()
	tk := newTask("a", "web")
	for i := range 10000 {
		tk = tk.Clone()
		tk.Revision = fmt.Sprint(i)
		c := tk.Edit(0)
		c.RuntimeID = fmt.Sprint(i)
		s.SaveTask(tk)
		s.SaveContainer(c)
	}
	if n := s.queue.waiting(); n > 1 {
		t.Errorf("%d tasks wait to be written, want at most 1", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Sync on a busy disk: %v", err)
	}
	release()
	mustSync(t, s)
	closeStore(t, s)
	state := load(t, openStore(t, dir))
	if got := state.Tasks[0]; got.Revision != "9999" || got.Containers[0].RuntimeID != "9999" {
		t.Errorf("came back as revision %s, container %s", got.Revision, got.Containers[0].RuntimeID)
	}
}

func TestFailedWritesAreKeptAndDoneLater(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	// Without its bucket no task can be written.
	if err := s.db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(bucketTasks)) }); err != nil {
		t.Fatal(err)
	}
	s.SaveTask(newTask("a", "web"))
	if err := s.Sync(t.Context()); err == nil {
		t.Fatal("Sync reports success for a task that is not on disk")
	}
	newer := newTask("a", "web")
	newer.Family = "newer"
	s.SaveTask(newer)
	s.SaveTask(newTask("b"))
	if err := s.db.Update(createBuckets); err != nil {
		t.Fatal(err)
	}
	mustSync(t, s)
	closeStore(t, s)
	state := load(t, openStore(t, dir))
	if len(state.Tasks) != 2 || state.Tasks[0].Family != "newer" {
		t.Errorf("came back: %+v", state.Tasks)
	}
}

func TestFailedWritesAreTriedAgainWithoutBeingAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		q.init()
		q.add(func(b *batch) { b.change("a", "arn").task = newTask("a") })
		b, _ := q.next(0)
		q.finished(b, b, errors.New("disk full"))
		start := time.Now()
		again, _ := q.next(3 * time.Second)
		if waited := time.Since(start); waited != 3*time.Second || again.tasks["a"] == nil {
			t.Errorf("waited %v, got %+v", waited, again)
		}
		q.finished(again, again, errors.New("disk full"))
		go func() { _ = q.sync(t.Context()) }()
		synctest.Wait()
		start = time.Now()
		again, _ = q.next(time.Hour)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("somebody waits, and the next attempt came after %v", waited)
		}
		q.finished(again, nil, nil)
	})
}

func TestSavesWaitForOthersUnlessSomebodyWaitsForThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		q.init()
		start := time.Now()
		go func() {
			for _, id := range []string{"a", "b", "c"} {
				q.add(func(b *batch) { b.change(id, id).task = newTask(id) })
				time.Sleep(gatherTime / 4)
			}
		}()
		b, _ := q.next(0)
		if waited := time.Since(start); waited != gatherTime || b.len() != 3 {
			t.Errorf("waited %v for %d records", waited, b.len())
		}
		q.finished(b, nil, nil)

		q.add(func(b *batch) { b.change("d", "d").task = newTask("d") })
		go func() {
			time.Sleep(gatherTime / 4)
			_ = q.sync(t.Context())
		}()
		start = time.Now()
		b, _ = q.next(0)
		if waited := time.Since(start); waited != gatherTime/4 {
			t.Errorf("somebody waits, and the batch came after %v", waited)
		}
		q.finished(b, nil, nil)
	})
}

func TestNewerChangesLieOnTopOfFailedOnes(t *testing.T) {
	old, newer := newTask("a", "web", "log"), newTask("a", "web", "log")
	tests := map[string]struct {
		failed, queued taskChange
		want           taskChange
	}{
		"newer task, older container": {
			taskChange{task: old, containers: map[string]*task.Container{"web": old.Containers[0]}},
			taskChange{task: newer},
			taskChange{task: newer, containers: map[string]*task.Container{"web": old.Containers[0]}},
		},
		"newer container": {
			taskChange{task: old, containers: map[string]*task.Container{"web": old.Containers[0], "log": old.Containers[1]}},
			taskChange{containers: map[string]*task.Container{"web": newer.Containers[0]}},
			taskChange{task: old, containers: map[string]*task.Container{"web": newer.Containers[0], "log": old.Containers[1]}},
		},
		"removed since":           {taskChange{task: old}, taskChange{remove: true}, taskChange{remove: true}},
		"accepted again, removed": {taskChange{remove: true}, taskChange{task: newer}, taskChange{remove: true, task: newer}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var q queue
			q.init()
			q.add(func(b *batch) { b.tasks["a"] = &tc.failed })
			b, _ := q.next(0)
			q.add(func(b *batch) { b.tasks["a"] = &tc.queued })
			q.finished(b, b, errors.New("disk full"))
			got := q.pending.tasks["a"]
			if got.remove != tc.want.remove || got.task != tc.want.task || len(got.containers) != len(tc.want.containers) {
				t.Fatalf("got %+v, want %+v", got, tc.want)
			}
			for name, c := range tc.want.containers {
				if got.containers[name] != c {
					t.Errorf("container %s is the wrong one", name)
				}
			}
		})
	}
}

func TestManyTasksAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			tk := newTask(fmt.Sprintf("task%02d", i), "web")
			for _, known := range []task.ContainerStatus{task.ContainerPulled, task.ContainerCreated, task.ContainerRunning} {
				tk = tk.Clone()
				c := tk.Edit(0)
				c.Known = known
				s.SaveTask(tk)
				s.SaveContainer(c)
				if err := s.Sync(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	closeStore(t, s)
	state := load(t, openStore(t, dir))
	if len(state.Tasks) != 20 {
		t.Fatalf("%d tasks", len(state.Tasks))
	}
	for _, tk := range state.Tasks {
		if tk.Containers[0].Known != task.ContainerRunning {
			t.Errorf("%s is %v", tk.ID(), tk.Containers[0].Known)
		}
	}
}

func TestNothingIsTakenAfterClose(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	closeStore(t, s)
	s.SaveTask(newTask("late"))
	if err := s.Sync(t.Context()); err != nil {
		t.Errorf("Sync after Close: %v", err)
	}
	closeStore(t, s)
}

func TestPausesBetweenFailuresGrow(t *testing.T) {
	var f failures
	if f.wait() != 0 {
		t.Errorf("pause of %v without a failure", f.wait())
	}
	for _, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, lastRetry, lastRetry} {
		f.note("agent.db", newBatch(), errors.New("disk full"))
		if f.wait() != want {
			t.Errorf("pause %v, want %v", f.wait(), want)
		}
	}
	f.note("agent.db", nil, nil)
	if f.wait() != 0 {
		t.Errorf("pause of %v after success", f.wait())
	}
}

package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Store, id, status string) {
	t.Helper()
	err := s.Update(func(tx *Tx) error {
		tx.Tasks.Put(id, &Task{ID: id, InstanceID: "i", Acked: "RUNNING", Task: ecs.Task{LastStatus: status}})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStateSurvives(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a", ecs.Running)
	put(t, s, "b", ecs.Stopped)
	put(t, s, "c", ecs.Pending)
	if err := s.Update(func(tx *Tx) error { tx.Tasks.Delete("b"); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	s.View(func(tx *Tx) {
		if got := fmt.Sprint(tx.Tasks.Keys()); got != "[a c]" {
			t.Errorf("tasks %s", got)
		}
		if a := tx.Tasks.Get("a"); a.LastStatus != ecs.Running || a.Acked != "RUNNING" || a.ID != "a" {
			t.Errorf("%+v", a)
		}
		if n := len(tx.TasksOn("i")); n != 2 {
			t.Errorf("%d tasks on the instance", n)
		}
	})
}

// What Update has returned is in the file, whatever happens to the process.
func TestNothingIsLostWithoutClose(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	put(t, s, "a", ecs.Running)
	data, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, fileName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, other)
	defer c.Close()
	c.View(func(tx *Tx) {
		if tx.Tasks.Get("a") == nil {
			t.Error("the task is not in the file")
		}
	})
}

func TestFailedUpdateChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	put(t, s, "a", ecs.Running)
	failure := errors.New("no")
	err := s.Update(func(tx *Tx) error {
		tx.Tasks.Delete("a")
		tx.Tasks.Put("b", &Task{})
		if fmt.Sprint(tx.Tasks.Keys(), len(tx.Tasks.All())) != "[b] 1" {
			t.Error("changes are not visible inside")
		}
		return failure
	})
	if err != failure {
		t.Errorf("%v", err)
	}
	s.View(func(tx *Tx) {
		if fmt.Sprint(tx.Tasks.Keys()) != "[a]" {
			t.Errorf("%v", tx.Tasks.Keys())
		}
	})
}

func TestManyWriters(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				put(t, s, fmt.Sprintf("%d-%d", w, i), ecs.Running)
			}
		})
	}
	wg.Wait()
	s.Close()
	s = open(t, dir)
	defer s.Close()
	s.View(func(tx *Tx) {
		if n := len(tx.Tasks.Keys()); n != 160 {
			t.Errorf("%d tasks on disk", n)
		}
	})
}

func TestWatch(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	changed, stop := s.Watch()
	put(t, s, "a", ecs.Running)
	put(t, s, "b", ecs.Running)
	<-changed
	if err := s.Update(func(*Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
		t.Error("told about an update without changes")
	default:
	}
	stop()
	put(t, s, "c", ecs.Running)
	select {
	case <-changed:
		t.Error("told after stop")
	default:
	}
}

func TestOpenFailures(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "another local-ecs is using this data directory") {
		t.Errorf("second process: %v", err)
	}
	err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(metaBkt)).Put([]byte("schema"), []byte(`"99"`)) })
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), `has schema "99"`) {
		t.Errorf("newer file: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "data directory") {
		t.Errorf("a file as directory: %v", err)
	}
}

func TestFailedWriteIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.db.Close()
	if err := s.Update(func(tx *Tx) error { tx.Tasks.Put("a", &Task{ID: "a"}); return nil }); err == nil {
		t.Fatal("no error")
	}
	db, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.db = db
	put(t, s, "b", ecs.Running)
	s.Close()
	s = open(t, dir)
	defer s.Close()
	s.View(func(tx *Tx) {
		if fmt.Sprint(tx.Tasks.Keys()) != "[a b]" {
			t.Errorf("%v", tx.Tasks.Keys())
		}
	})
}

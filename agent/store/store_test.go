package store

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const arnPrefix = "arn:aws:ecs:us-west-2:111122223333:task/default/"

func newTask(id string, containers ...string) *task.Task {
	t := &task.Task{ARN: arnPrefix + id, Family: "web", Revision: "1", Desired: task.Running}
	for _, name := range containers {
		t.Containers = append(t.Containers, &task.Container{Name: name, TaskARN: t.ARN, Image: "web:1", Desired: task.ContainerRunning})
	}
	return t
}

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := open(dir, 200*time.Millisecond)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func load(t testing.TB, s *Store) *State {
	t.Helper()
	state, err := s.Load()
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return state
}

func mustSync(t testing.TB, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Sync(ctx); err != nil {
		t.Fatalf("Sync: %v", err)
	}
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// contents reads a closed database without the store.
func contents(t testing.TB, dir string) map[string]map[string]json.RawMessage {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, fileName), 0o600, &bolt.Options{Timeout: time.Second, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	out := map[string]map[string]json.RawMessage{}
	err = db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			records := map[string]json.RawMessage{}
			out[string(name)] = records
			return b.ForEach(func(k, v []byte) error {
				records[string(k)] = append(json.RawMessage(nil), v...)
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fill writes records into a database without the store.
func fill(t testing.TB, dir string, records map[string]map[string]json.RawMessage) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, fileName), 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bolt.Tx) error {
		for name, list := range records {
			b, err := tx.CreateBucketIfNotExists([]byte(name))
			if err != nil {
				return err
			}
			for key, value := range list {
				if err := b.Put([]byte(key), value); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpenNeedsAnExistingDirectory(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := Open(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("missing directory: got error %v, want one that names it", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || err.Error() != "path "+file+" is not a valid directory" {
		t.Errorf("file in place of the directory: got error %v", err)
	}
}

func TestFileIsPrivateAndHasTheBucketsOtherAgentsExpect(t *testing.T) {
	dir := t.TempDir()
	closeStore(t, openStore(t, dir))
	info, err := os.Stat(filepath.Join(dir, "agent.db"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
	found := contents(t, dir)
	for _, name := range []string{"images", "containers", "tasks", "eniattachments", "resattachments", "metadata"} {
		if found[name] == nil {
			t.Errorf("bucket %s is missing", name)
		}
	}
}

func TestSecondProcessIsToldWhoIsInTheWay(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir)
	started := time.Now()
	_, err := open(dir, 150*time.Millisecond)
	if err == nil {
		t.Fatal("two stores on one file")
	}
	for _, part := range []string{filepath.Join(dir, "agent.db"), "another process", "ECS_DATADIR"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not mention %q", err, part)
		}
	}
	if waited := time.Since(started); waited > 5*time.Second {
		t.Errorf("waited %v for the lock", waited)
	}
}

func TestStoreWithoutCheckpointingKeepsNothing(t *testing.T) {
	s := Off()
	tk := newTask("a", "web")
	s.SaveTask(tk)
	s.SaveContainer(tk.Containers[0])
	s.DeleteTask(tk)
	s.SaveMetadata(Metadata{Cluster: "c"})
	s.DeleteImage("sha256:1")
	for name, err := range map[string]error{
		"Sync": s.Sync(t.Context()), "SaveImage": s.SaveImage("", nil), "SaveManifestSequence": s.SaveManifestSequence(t.Context(), 1),
		"Wipe": s.Wipe(), "LoadImages": s.LoadImages(nil), "FinalSave": s.FinalSave([]*task.Task{tk}), "Close": s.Close(),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	state := load(t, s)
	if len(state.Tasks) != 0 || state.ManifestSequence != -1 || s.Enabled() {
		t.Errorf("state %+v, enabled %v", state, s.Enabled())
	}
}

func TestSavedStateComesBack(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	tk := newTask("a", "web", "log")
	s.SaveTask(tk)
	web := tk.Clone().Edit(0)
	web.RuntimeID, web.RuntimeName, web.Known = "0123", "ecs-web-1-web-aa", task.ContainerCreated
	s.SaveContainer(web)
	named := tk.Clone().Edit(1)
	named.RuntimeName = "ecs-web-1-log-bb"
	s.SaveContainer(named)
	s.SaveMetadata(Metadata{"1.0.0", "us-west-2a", "default", "arn:ci", "i-1"})
	if err := s.SaveManifestSequence(t.Context(), 42); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)

	state := load(t, openStore(t, dir))
	if want := (Metadata{"1.0.0", "us-west-2a", "default", "arn:ci", "i-1"}); state.Metadata != want {
		t.Errorf("metadata %+v, want %+v", state.Metadata, want)
	}
	if state.ManifestSequence != 42 {
		t.Errorf("manifest sequence %d, want 42", state.ManifestSequence)
	}
	if len(state.Tasks) != 1 || len(state.Lost) != 0 {
		t.Fatalf("%d tasks, lost %v", len(state.Tasks), state.Lost)
	}
	got := state.Tasks[0]
	if c := got.Containers[0]; c.RuntimeID != "0123" || c.RuntimeName != "ecs-web-1-web-aa" || c.Known != task.ContainerCreated {
		t.Errorf("web came back as %+v", c)
	}
	if c := got.Containers[1]; c.RuntimeID != "" || c.RuntimeName != "ecs-web-1-log-bb" {
		t.Errorf("the name chosen before the create call was lost: %+v", c)
	}
}

func TestTasksComeBackInTheOrderOfAcceptance(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, id := range []string{"c", "a", "b"} {
		tk := newTask(id)
		tk.AcceptedAt = start.Add(time.Duration(i) * time.Second)
		s.SaveTask(tk)
	}
	closeStore(t, s)
	var order []string
	for _, tk := range load(t, openStore(t, dir)).Tasks {
		order = append(order, tk.ID())
	}
	if got := strings.Join(order, ""); got != "cab" {
		t.Errorf("order %s, want cab", got)
	}
}

func TestDeletedTaskLeavesNoRecord(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	gone, kept := newTask("abc", "web", "log"), newTask("abc-1", "web")
	for _, tk := range []*task.Task{gone, kept} {
		s.SaveTask(tk)
		for _, c := range tk.Containers {
			s.SaveContainer(c)
		}
	}
	mustSync(t, s)
	s.DeleteTask(gone)
	s.SaveContainer(gone.Containers[0]) // a late step result must not bring it back
	closeStore(t, s)
	found := contents(t, dir)
	if len(found["tasks"]) != 1 || found["tasks"]["abc-1"] == nil {
		t.Errorf("tasks %v", keys(found["tasks"]))
	}
	if len(found["containers"]) != 1 || found["containers"]["abc-1-web"] == nil {
		t.Errorf("containers %v, want only abc-1-web", keys(found["containers"]))
	}
}

func keys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

func TestContainerIsNotSavedWithoutItsTask(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	s.SaveContainer(newTask("a", "web").Containers[0])
	closeStore(t, s)
	if found := contents(t, dir)["containers"]; len(found) != 0 {
		t.Errorf("containers %v without a task", keys(found))
	}
}

func TestUnsavableRecordsFailTheirSyncOnly(t *testing.T) {
	tests := map[string]struct {
		task *task.Task
		want string
	}{
		"bad ARN":     {&task.Task{ARN: "nonsense"}, "failed to generate database id: failed to get task id: task arn format invalid: nonsense"},
		"no JSON":     {&task.Task{ARN: arnPrefix + "b", Volumes: []task.Volume{{Name: "v", Type: task.VolumeAttachment}}}, "attachment placeholder cannot be saved"},
		"endless key": {&task.Task{ARN: arnPrefix + strings.Repeat("x", 40000)}, "too long"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir)
			good := newTask("good")
			s.SaveTask(good)
			s.SaveTask(tc.task)
			if err := s.Sync(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Sync: %v, want %q", err, tc.want)
			}
			s.SaveTask(newTask("next"))
			mustSync(t, s)
			closeStore(t, s)
			found := contents(t, dir)["tasks"]
			if len(found) != 2 || found["good"] == nil || found["next"] == nil {
				t.Errorf("saved %v, want good and next", keys(found))
			}
		})
	}
}

func TestWipeLeavesNothingOfTheOtherHost(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, reference(t))
	s := openStore(t, dir)
	load(t, s)
	s.SaveTask(newTask("queued"))
	if err := s.Wipe(); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	found := contents(t, dir)
	for name, records := range found {
		if name != "metadata" && len(records) != 0 {
			t.Errorf("bucket %s still holds %v", name, keys(records))
		}
	}
	// Without it an old state file would be taken for this host's at the next start.
	if len(found["metadata"]) != 1 || found["metadata"]["agent-version"] == nil {
		t.Errorf("metadata %v, want agent-version alone", keys(found["metadata"]))
	}
}

func TestImagesBelongToTheirOwner(t *testing.T) {
	type image struct{ Name string }
	dir := t.TempDir()
	s := openStore(t, dir)
	record := &image{"one"}
	if err := s.SaveImage("sha256:1", record); err != nil {
		t.Fatal(err)
	}
	record.Name = "changed after the save"
	for _, id := range []string{"sha256:2", "sha256:3"} {
		if err := s.SaveImage(id, image{id}); err != nil {
			t.Fatal(err)
		}
	}
	s.DeleteImage("sha256:2")
	if err := s.SaveImage("", image{}); err == nil || err.Error() != "failed to generate database image id" {
		t.Errorf("empty id: %v", err)
	}
	closeStore(t, s)

	s = openStore(t, dir)
	load(t, s)
	found := map[string]string{}
	decode := func(id string, record []byte) error {
		var i image
		if err := json.Unmarshal(record, &i); err != nil {
			return err
		}
		if id == "sha256:3" {
			return fmt.Errorf("not to my taste")
		}
		found[id] = i.Name
		return nil
	}
	if err := s.LoadImages(decode); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found["sha256:1"] != "one" {
		t.Errorf("loaded %v", found)
	}
	closeStore(t, s)
	after := contents(t, dir)
	if after["images"]["sha256:3"] != nil || after["quarantine"]["images/sha256:3"] == nil {
		t.Error("the record that was refused is not in quarantine")
	}
}

func TestFinalSaveWritesEveryTask(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	tk := newTask("a", "web", "not-created")
	tk.Containers[0].RuntimeID = "0123"
	if err := s.FinalSave([]*task.Task{tk}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	found := contents(t, dir)
	if len(found["tasks"]) != 1 || len(found["containers"]) != 1 {
		t.Errorf("tasks %v, containers %v", keys(found["tasks"]), keys(found["containers"]))
	}
}

package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// manyTasks makes a database with a tree of several pages: 60 tasks with a container each.
func manyTasks(t testing.TB, dir string) {
	t.Helper()
	s := openStore(t, dir)
	load(t, s)
	s.SaveMetadata(Metadata{AgentVersion: "1.0.0", Cluster: "prod", ContainerInstanceARN: "arn:ci"})
	for i := range 60 {
		tk := newTask(fmt.Sprintf("task%03d", i), "web")
		tk.Family = strings.Repeat("f", 300)
		tk.Containers[0].RuntimeID = fmt.Sprint(i)
		s.SaveTask(tk)
		s.SaveContainer(tk.Containers[0])
		if i%20 == 0 {
			mustSync(t, s)
		}
	}
	closeStore(t, s)
}

func dbPath(dir string) string { return filepath.Join(dir, fileName) }

func damaged(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(dbPath(dir) + ".damaged-*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSoundFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	manyTasks(t, dir)
	if state := load(t, openStore(t, dir)); len(state.Tasks) != 60 {
		t.Errorf("%d tasks", len(state.Tasks))
	}
	if d := damaged(t, dir); len(d) != 0 {
		t.Errorf("a sound file was put aside: %v", d)
	}
}

// pageOf finds a page in use that holds text.
func pageOf(t *testing.T, file []byte, flags byte, text string) int {
	t.Helper()
	size := os.Getpagesize()
	pages := pagesOf(t, file)
	for id := range pages.walk(pages.metas[0], nil).used {
		at := int(id) * size
		if file[at+8] == flags && bytes.Contains(file[at:at+size], []byte(text)) {
			return at
		}
	}
	t.Fatalf("no page with flags %d holds %q", flags, text)
	return 0
}

func pagesOf(t *testing.T, file []byte) *dbFile {
	t.Helper()
	pages, err := openPages(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func TestDamagedFilesCostWhatIsDamagedOnly(t *testing.T) {
	pageSize := os.Getpagesize()
	tests := map[string]struct {
		damage func(t *testing.T, file []byte) []byte
		least  int // tasks that must come back
	}{
		"leaf overwritten": {func(t *testing.T, f []byte) []byte {
			at := pageOf(t, f, flagLeaf, `:task/default/task030"`)
			copy(f[at:], bytes.Repeat([]byte{0xFF}, pageSize))
			return f
		}, 40},
		"branch points at itself": {func(t *testing.T, f []byte) []byte {
			// An endless recursion in bbolt.
			at := pageOf(t, f, flagBranch, "task0")
			le.PutUint64(f[at+pageHeader+8:], le.Uint64(f[at:]))
			return f
		}, 1},
		"list of free pages overwritten": {func(t *testing.T, f []byte) []byte {
			for at := 2 * pageSize; at < len(f); at += pageSize {
				if f[at+8] == flagFreelist {
					copy(f[at:], bytes.Repeat([]byte{0xEE}, pageSize))
				}
			}
			return f
		}, 60},
		"a used page is listed as free": {func(t *testing.T, f []byte) []byte {
			pages := pagesOf(t, f)
			at := int(pages.metas[0].freelist) * pageSize
			le.PutUint16(f[at+10:], 1)
			le.PutUint64(f[at+pageHeader:], pages.metas[0].root)
			return f
		}, 60},
		"newest meta page lost": {func(t *testing.T, f []byte) []byte {
			pages := pagesOf(t, f)
			at := int(pages.metas[0].txid%2) * pageSize
			f[at+pageHeader+20] ^= 1
			return f
		}, 40},
		"cut off": {func(t *testing.T, f []byte) []byte { return f[:int(pagesOf(t, f).metas[0].end)/2*pageSize] }, 0},
		"both meta pages lost": {func(t *testing.T, f []byte) []byte {
			copy(f, make([]byte, 2*pageSize))
			return f
		}, 0},
		"a few bytes":   {func(*testing.T, []byte) []byte { return []byte("hello") }, 0},
		"another file":  {func(*testing.T, []byte) []byte { return bytes.Repeat([]byte("not a database\n"), 5000) }, 0},
		"zero from end": {func(t *testing.T, f []byte) []byte { return append(f[:pageSize*4], make([]byte, len(f)-pageSize*4)...) }, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			manyTasks(t, dir)
			file, err := os.ReadFile(dbPath(dir))
			if err != nil {
				t.Fatal(err)
			}
			file = tc.damage(t, file)
			if err := os.WriteFile(dbPath(dir), file, 0o600); err != nil {
				t.Fatal(err)
			}
			s := openStore(t, dir)
			state := load(t, s)
			if len(state.Tasks) < tc.least {
				t.Errorf("%d tasks came back, want at least %d", len(state.Tasks), tc.least)
			}
			s.SaveTask(newTask("next"))
			mustSync(t, s)
			closeStore(t, s)
			if name == "newest meta page lost" {
				return // bbolt itself falls back to the other one
			}
			aside := damaged(t, dir)
			if len(aside) != 1 {
				t.Fatalf("put aside: %v", aside)
			}
			if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, file) {
				t.Errorf("the damaged file was changed (%v)", err)
			}
		})
	}
}

func TestDamageFoundOnlyWhileReadingIsRepaired(t *testing.T) {
	dir := t.TempDir()
	manyTasks(t, dir)
	s := openStore(t, dir)
	// The file shrinks under the memory map: reading it faults.
	if err := os.Truncate(dbPath(dir), int64(4*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	load(t, s)
	s.SaveTask(newTask("next"))
	mustSync(t, s)
	if len(damaged(t, dir)) != 1 {
		t.Error("the damaged file was not put aside")
	}
}

func TestOnlyAFewDamagedFilesAreKept(t *testing.T) {
	dir := t.TempDir()
	for i := range keepDamaged + 3 {
		if err := os.WriteFile(dbPath(dir), fmt.Appendf(nil, "no database %d", i), 0o600); err != nil {
			t.Fatal(err)
		}
		closeStore(t, openStore(t, dir))
	}
	kept := damaged(t, dir)
	if len(kept) != keepDamaged {
		t.Fatalf("%d files kept, want %d", len(kept), keepDamaged)
	}
	if last, _ := os.ReadFile(kept[len(kept)-1]); string(last) != "no database 5" {
		t.Errorf("newest kept file holds %q", last)
	}
}

func TestDirectoryInPlaceOfTheFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dbPath(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	load(t, openStore(t, dir))
}

func TestEmptyFileIsAFreshStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dbPath(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if state := load(t, openStore(t, dir)); len(state.Tasks)+len(state.Lost)+len(damaged(t, dir)) != 0 {
		t.Errorf("state %+v", state)
	}
}

func TestNestedBucketsAndFilesWithoutFreelistAreSound(t *testing.T) {
	dir := t.TempDir()
	db, err := bolt.Open(dbPath(dir), 0o600, &bolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		outer, err := tx.CreateBucket([]byte("of others"))
		if err != nil {
			return err
		}
		inner, err := outer.CreateBucket([]byte("inner"))
		if err != nil {
			return err
		}
		for i := range 500 {
			if err := inner.Put(fmt.Appendf(nil, "%04d", i), bytes.Repeat([]byte{1}, 100)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	load(t, openStore(t, dir))
	if d := damaged(t, dir); len(d) != 0 {
		t.Errorf("put aside: %v", d)
	}
}

func TestNoFalseAlarm(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(t.TempDir(), rapid.StringMatching(`[a-z]{12}`).Draw(rt, "name"))
		db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true, NoFreelistSync: rapid.Bool().Draw(rt, "no freelist")})
		if err != nil {
			rt.Fatal(err)
		}
		defer db.Close()
		for range rapid.IntRange(1, 30).Draw(rt, "transactions") {
			err := db.Update(func(tx *bolt.Tx) error {
				for range rapid.IntRange(1, 40).Draw(rt, "writes") {
					b, err := tx.CreateBucketIfNotExists([]byte(rapid.SampledFrom(buckets[:3]).Draw(rt, "bucket")))
					if err != nil {
						return err
					}
					key := fmt.Appendf(nil, "%d", rapid.IntRange(1, 100).Draw(rt, "key"))
					if rapid.Bool().Draw(rt, "delete") {
						err = b.Delete(key)
					} else {
						err = b.Put(key, make([]byte, rapid.IntRange(0, 9000).Draw(rt, "size")))
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				rt.Fatal(err)
			}
			info, err := f.Stat()
			if err != nil {
				rt.Fatal(err)
			}
			pages, err := openPages(f, info.Size())
			if err == nil {
				err = pages.check()
			}
			_ = f.Close()
			if err != nil {
				rt.Fatalf("a sound file is called damaged: %v", err)
			}
		}
	})
}

func TestOldStateFileIsNotImportedAfterDamage(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, "testdata/legacy-v25.json", filepath.Join(dir, legacyName))
	if err := os.WriteFile(dbPath(dir), []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	state := load(t, openStore(t, dir))
	if len(state.Tasks) != 0 || state.Metadata.ContainerInstanceARN != "" {
		t.Errorf("tasks of years ago came back: %+v", state)
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzDamage overwrites parts of a sound file: whatever is in it, the agent starts and can save.
func FuzzDamage(f *testing.F) {
	dir := f.TempDir()
	manyTasks(f, dir)
	sound, err := os.ReadFile(dbPath(dir))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte{0}, uint32(0))
	f.Add(uint32(4096+40), []byte{1, 2, 3}, uint32(100))
	f.Add(uint32(3*4096+8), []byte{1}, uint32(0))
	f.Add(uint32(5*4096+16), bytes.Repeat([]byte{0xFF}, 64), uint32(70000))
	f.Fuzz(func(t *testing.T, at uint32, with []byte, cut uint32) {
		file := bytes.Clone(sound)
		copy(file[int(at)%len(file):], with)
		file = file[:len(file)-int(cut)%len(file)]
		startsAndSaves(t, file)
	})
}

// FuzzFile takes anything for a database.
func FuzzFile(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xED, 0x0C, 0xDA, 0xED}, 2048))
	f.Fuzz(func(t *testing.T, file []byte) { startsAndSaves(t, file) })
}

func startsAndSaves(t *testing.T, file []byte) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dbPath(dir), file, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dir)
	load(t, s)
	s.SaveTask(newTask("next", "web"))
	mustSync(t, s)
	closeStore(t, s)
}

// FuzzRecord takes anything for a task's or container's record.
func FuzzRecord(f *testing.F) {
	for bucket, records := range reference(f) {
		for _, value := range records {
			f.Add(bucket == "tasks", []byte(value))
		}
	}
	f.Fuzz(func(t *testing.T, isTask bool, record []byte) {
		if isTask {
			if tk, err := decodeTask(record); err == nil {
				if _, err := json.Marshal(tk); err != nil && !strings.Contains(err.Error(), "attachment placeholder") {
					t.Errorf("a task that was read cannot be saved: %v", err)
				}
			}
			return
		}
		tk, err := decodeTask(reference(t)["tasks"][orders])
		if err != nil {
			t.Fatal(err)
		}
		l := loader{state: &State{}, byARN: map[string]*task.Task{tk.ARN: tk}}
		_ = l.loadContainer("key", record)
	})
}

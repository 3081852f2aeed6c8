package logger

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mustWrite(t *testing.T, f *File, s string) {
	t.Helper()
	if n, err := f.Write([]byte(s)); err != nil || n != len(s) {
		t.Fatalf("write %q: %d, %v", s, n, err)
	}
}

func TestSizeRotationKeepsTheNewestFilesUnderGrowingNumbers(t *testing.T) {
	dir := t.TempDir()
	f := NewFile(filepath.Join(dir, "new", "agent.log"), Rotation{Type: RolloverSize, MaxBytes: 4, MaxFiles: 2})
	defer f.Close()
	for i := range 6 {
		mustWrite(t, f, fmt.Sprintf("%d234\n", i))
	}
	dir = filepath.Join(dir, "new")
	if got, want := names(t, dir), []string{"agent.log", "agent.log.4", "agent.log.5"}; !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	if got := content(t, filepath.Join(dir, "agent.log.5")); got != "4234\n" {
		t.Errorf("newest rotated file holds %q", got)
	}
}

func TestAnExistingFileIsAppendedToAndItsSizeCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := NewFile(path, Rotation{Type: RolloverSize, MaxBytes: 6, MaxFiles: 2})
	defer f.Close()
	mustWrite(t, f, "new\n")
	if got := content(t, path); got != "old\nnew\n" {
		t.Errorf("got %q", got)
	}
	mustWrite(t, f, "next\n")
	if got := content(t, path); got != "next\n" {
		t.Errorf("got %q", got)
	}
}

func TestAFullFileIsRotatedBeforeTheFirstRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	if err := os.WriteFile(path, []byte("full up\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := NewFile(path, Rotation{Type: RolloverSize, MaxBytes: 6, MaxFiles: 2})
	defer f.Close()
	mustWrite(t, f, "new\n")
	if got := content(t, path+".1"); got != "full up\n" {
		t.Errorf("got %q", got)
	}
}

func TestHourlyRotationNamesTheHourWritingStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		f := NewFile(filepath.Join(dir, "agent.log"), Rotation{Type: RolloverHourly, MaxFiles: 1})
		defer f.Close()
		var hours []string
		for range 3 {
			hours = append(hours, time.Now().Local().Format("2006-01-02-15"))
			mustWrite(t, f, "line\n")
			time.Sleep(time.Hour)
		}
		if got, want := names(t, dir), []string{"agent.log", "agent.log." + hours[1]}; !slices.Equal(got, want) {
			t.Errorf("files %v, want %v", got, want)
		}
	})
}

func TestNoRotation(t *testing.T) {
	dir := t.TempDir()
	f := NewFile(filepath.Join(dir, "agent.log"), Rotation{Type: RolloverNone, MaxBytes: 1, MaxFiles: 1})
	defer f.Close()
	for range 3 {
		mustWrite(t, f, "line\n")
	}
	if got := names(t, dir); !slices.Equal(got, []string{"agent.log"}) {
		t.Errorf("files %v", got)
	}
}

func TestAFailedRotationDoesNotEndLogging(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.log")
	f := NewFile(path, Rotation{Type: RolloverHourly})
	defer f.Close()
	mustWrite(t, f, "first\n")
	f.hour = "2018-10-01-01"
	blocker := path + "." + f.hour
	if err := os.Mkdir(blocker, 0o755); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Write([]byte("second\n")); n != len("second\n") || err == nil {
		t.Errorf("write: %d, %v; want all bytes and the error of the rotation", n, err)
	}
	mustWrite(t, f, "third\n")
	if got := content(t, path); got != "first\nsecond\nthird\n" {
		t.Errorf("got %q", got)
	}
}

func TestARotatedHourIsNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	f := NewFile(path, Rotation{Type: RolloverHourly})
	defer f.Close()
	for _, line := range []string{"one\n", "two\n"} {
		mustWrite(t, f, line)
		f.hour = "2018-10-01-01"
		_, _ = f.Write([]byte("next\n"))
	}
	if got := content(t, path+".2018-10-01-01"); got != "one\n" {
		t.Errorf("rotated file holds %q", got)
	}
	if got := content(t, path); got != "next\ntwo\nnext\n" {
		t.Errorf("current file holds %q", got)
	}
}

func TestNumbersAreOrderedAsNumbersAndForeignFilesStay(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"agent.log.9", "agent.log.10", "agent.log.bak", "agent.log.007", "agent.logs.1", "agent.log.2018-10-01-01"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := NewFile(filepath.Join(dir, "agent.log"), Rotation{Type: RolloverSize, MaxBytes: 1, MaxFiles: 2})
	defer f.Close()
	mustWrite(t, f, "1\n")
	mustWrite(t, f, "2\n")
	want := []string{"agent.log", "agent.log.007", "agent.log.10", "agent.log.11", "agent.log.2018-10-01-01", "agent.log.bak", "agent.logs.1"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
}

func TestRuntimeStatsLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "stats.log")
		f := NewFile(path, RuntimeStatsRotation(Rotation{Type: RolloverNone, MaxBytes: 1000, MaxFiles: 24}))
		defer f.Close()
		if f.rotation != (Rotation{Type: RolloverSize, MaxBytes: 1000, MaxFiles: 3}) {
			t.Errorf("rotation %+v", f.rotation)
		}
		ctx, cancel := contextWithTimeout(t, 5*time.Minute)
		defer cancel()
		if err := RunRuntimeStats(ctx, f); err != nil {
			t.Fatal(err)
		}
		text := content(t, path)
		line := `Time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, FreesCount=\d+, HeapMemoryAlloc=\d+, HeapMemoryInUse=\d+, HeapMemoryIdle=\d+, ` +
			`HeapMemoryReleased=\d+, MallocCount=\d+, StackMemoryInUse=\d+, GarbageCollectionCount=\d+, GarbageCollectionTime=[0-9.a-zµ]+, ` +
			`GCCPUFraction=[0-9.]+, GoroutineCount=\d+, UpTime=%s, ReadMemStatsOverhead=[0-9.a-zµ]+\n`
		want := fmt.Sprintf("^"+line+line+line+"$", "0s", "2m0s", "4m0s")
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("got\n%s", text)
		}
	})
}

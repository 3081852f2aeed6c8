//go:build linux

package kernelfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func write(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFilesStayOpenWithinTheBudget(t *testing.T) {
	budget := newBudget(1)
	path := write(t, []byte("1\n"))
	kept, reopened := New(path, budget), New(path, budget)
	var b Buffer
	read := func(f *File) string {
		t.Helper()
		text, err := f.Read(&b)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if read(kept) != "1\n" || read(reopened) != "1\n" || budget.Left() != 0 {
		t.Error(budget.Left())
	}
	// The same file later, and another one of the same name.
	if err := os.WriteFile(path, []byte("2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if read(kept) != "2\n" || read(reopened) != "2\n" {
		t.Error("old content")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if read(kept) != "2\n" {
		t.Error("was not kept")
	}
	if _, err := reopened.Read(&b); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	kept.Close()
	kept.Close()
	reopened.Close()
	if budget.Left() != 1 {
		t.Error(budget.Left())
	}
	if _, err := kept.Read(&b); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := New(path, nil).Read(&b); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestSizes(t *testing.T) {
	var b Buffer
	for _, size := range []int{0, 1, surelyWhole - 1, surelyWhole, 4096, firstSize, firstSize + 1, 100_000, maxSize - 1} {
		want := bytes.Repeat([]byte("x"), size)
		got, err := New(write(t, want), nil).Read(&b)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d, %v", size, len(got), err)
		}
	}
	if _, err := New(write(t, make([]byte, maxSize+1)), nil).Read(&b); err == nil {
		t.Error("read without a limit")
	}
}

func TestDir(t *testing.T) {
	path := write(t, []byte("text"))
	dir, err := OpenDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	var b Buffer
	if text, err := dir.Read("f", &b); err != nil || string(text) != "text" {
		t.Error(string(text), err)
	}
	if _, err := dir.Read("g", &b); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := OpenDir(path); err == nil {
		t.Error("a file is no directory")
	}
}

// A process that ended is not mistaken for what comes later.
func TestProcOfAProcess(t *testing.T) {
	dir, err := OpenDir("/proc/self")
	if err != nil {
		t.Skip(err)
	}
	defer dir.Close()
	var b Buffer
	text, err := dir.Read("net/dev", &b)
	if err != nil || !bytes.Contains(text, []byte("lo:")) {
		t.Error(string(text), err)
	}
}

func TestUint(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, " 12\n": 12, "18446744073709551615": 1<<64 - 1} {
		if n, ok := Uint([]byte(text)); !ok || n != want {
			t.Errorf("%q: %d, %t", text, n, ok)
		}
	}
	for _, text := range []string{"", " ", "-1", "1x", "1 2", "18446744073709551616", "000000000000000000001", "+1"} {
		if n, ok := Uint([]byte(text)); ok {
			t.Errorf("%q: %d", text, n)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("user 2\nsystem 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		length := 0
		for line, rest, more := NextLine(text); more; line, rest, more = NextLine(rest) {
			length += len(line)
			KeyValue(line)
			for field, after, ok := NextField(line); ok; field, after, ok = NextField(after) {
				Uint(field)
			}
		}
		if lines := bytes.Count(text, []byte("\n")); length != len(text)-lines {
			t.Errorf("%d of %d bytes in lines", length, len(text))
		}
	})
}

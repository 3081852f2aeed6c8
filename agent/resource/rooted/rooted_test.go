package rooted

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

func open(t *testing.T) (*Dir, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := Open(path, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d, path
}

func text(content string) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.WriteString(content)
		return err
	}
}

// names of everything below path.
func names(t *testing.T, path string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(path, p); rel != "." {
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAFileIsReplacedWhole(t *testing.T) {
	d, path := open(t)
	for _, content := range []string{"one", "two"} {
		if err := d.Write(t.Context(), File{Name: "f", Temp: "tmp", Mode: 0o644, Fill: text(content)}); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(path, "f"))
	if err != nil || info.Mode() != 0o644 {
		t.Error(info.Mode(), err)
	}
	failed := errors.New("no more")
	err = d.Write(t.Context(), File{Name: "f", Temp: "tmp", Mode: 0o600, Fill: func(f *os.File) error { _, _ = f.WriteString("three"); return failed }})
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	if got, _ := os.ReadFile(filepath.Join(path, "f")); string(got) != "two" {
		t.Errorf("%q", got)
	}
	if list := names(t, path); len(list) != 1 {
		t.Errorf("left over: %v", list)
	}
}

func TestNothingLeadsOut(t *testing.T) {
	d, path := open(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(path, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../f", "link/f", filepath.Join(outside, "f"), "a/../../f"} {
		if err := d.Write(t.Context(), File{Name: name, Temp: "tmp", Mode: 0o600, Fill: text("x")}); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	for _, name := range []string{"link/secret", "../x", filepath.Join(outside, "secret")} {
		if f, err := d.Open(name); err == nil {
			f.Close()
			t.Errorf("%s was opened", name)
		}
	}
	if err := d.MkdirAll("link/dir", 0o700); err == nil {
		t.Error("a directory was made")
	}
	if got := names(t, outside); len(got) != 1 {
		t.Errorf("outside: %v", got)
	}
	if got := names(t, path); len(got) != 1 {
		t.Errorf("inside: %v", got)
	}
}

// A directory in the way of a file is not waited for.
func TestADirectoryInTheWay(t *testing.T) {
	d, path := open(t)
	if err := d.MkdirAll("f/g", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), File{Name: "f", Temp: "tmp", Mode: 0o600, Fill: text("x")}); err == nil {
		t.Error("written")
	}
	if got := names(t, path); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestInside(t *testing.T) {
	for _, c := range []struct {
		elements []string
		want     string
	}{
		{[]string{"bucket", "app.env"}, "bucket/app.env"},
		{[]string{"bucket", "a/../app.env"}, "bucket/app.env"},
		{[]string{"bucket", "/etc/passwd"}, "bucket/etc/passwd"},
		{[]string{"bucket", "../other/k"}, "other/k"},
		{[]string{"bucket", "../../k"}, ""},
		{[]string{"bucket", ".."}, ""},
		{[]string{"..", "k"}, ""},
		{[]string{"", ""}, ""},
	} {
		got, err := Inside(c.elements...)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q, %v", c.elements, got, err)
		}
	}
}

func TestRemoveTakesEmptyDirectoriesAlong(t *testing.T) {
	base := t.TempDir()
	top := filepath.Join(base, "top")
	one, two := filepath.Join(top, "cluster", "one"), filepath.Join(top, "cluster", "two")
	for _, path := range []string{one, two} {
		d, err := Open(filepath.Join(path, "below"), 0o700)
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
	}
	for range 2 {
		if err := Remove(one, top); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, filepath.Join(top, "cluster")); len(got) != 2 {
		t.Errorf("%v, want the other one", got)
	}
	if err := Remove(two, top); err != nil {
		t.Fatal(err)
	}
	if got := names(t, base); len(got) != 0 {
		t.Errorf("left over: %v", got)
	}
	if _, err := os.Stat(base); err != nil {
		t.Error("removed too much")
	}

	// A link that somebody made in the place of the directory stays.
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, top); err != nil {
		t.Fatal(err)
	}
	if err := Remove(one, top); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(top); err != nil {
		t.Error("the link is gone")
	}
}

// Directories come and go at the same time.
func TestADirectoryIsNotRemovedWhileItIsMade(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			path := filepath.Join(top, "cluster", strconv.Itoa(i))
			for range 100 {
				d, err := Open(path, 0o700)
				if err != nil {
					t.Error(err)
					return
				}
				d.Close()
				if err := Remove(path, top); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if _, err := os.Stat(top); !errors.Is(err, fs.ErrNotExist) {
		t.Error("left over")
	}
}

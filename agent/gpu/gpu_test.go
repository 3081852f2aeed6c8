package gpu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "info.json")
	for text, want := range map[string]Info{
		`{"DriverVersion":"396.44","GPUIDs":["GPU-0123","GPU-1234"]}`: {"396.44", []string{"GPU-0123", "GPU-1234"}},
		`{}`: {},
	} {
		if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		got, err := Read(file)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if got, err := Read(filepath.Join(dir, "nothing")); err != nil || len(got.GPUIDs) > 0 {
		t.Errorf("no file: %+v, %v", got, err)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); err == nil || !strings.HasPrefix(err.Error(), "Could not initialize Nvidia GPU Manager: could not read GPU file content: ") {
		t.Errorf("a directory: %v", err)
	}
	for _, text := range []string{"", "not JSON", `{"GPUIDs":"GPU-0123"}`} {
		file := filepath.Join(dir, "info.json")
		if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(file); err == nil || !strings.HasPrefix(err.Error(), "Could not initialize Nvidia GPU Manager: could not unmarshal GPU file content: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

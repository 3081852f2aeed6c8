// Package hosttest makes the files of a host for tests.
package hosttest

import (
	"os"
	"path/filepath"
	"testing"
)

// Put writes a file below root, with the directories it needs.
func Put(t testing.TB, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

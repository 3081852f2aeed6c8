//go:build integration

package download

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	path := filepath.Join(dir, "ecs-agent.tar")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("x", 2<<20)
	m := newMirror(t, map[string]http.HandlerFunc{tar: text(big), tar + ".sha256": text(sha256Of(big))})
	other := newMirror(t, map[string]http.HandlerFunc{tar: text(big)})
	err := downloaderFrom(nil, m.URL, other.URL).Fetch(t.Context(), path)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("%v", err)
	}
	check(t, path, "old")
	if len(other.asked) > 0 {
		t.Errorf("asked another location although the disk is full: %v", other.asked)
	}
}

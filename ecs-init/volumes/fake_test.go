package volumes

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeMounts is a host whose mount and umount only change a table.
type fakeMounts struct {
	mu      sync.Mutex
	mounted []string // paths, one entry per mount
	ran     [][]string
	// before is called with each command; an error makes it fail.
	before func(ctx context.Context, line []string) error
	broken bool // the table cannot be read
}

func (f *fakeMounts) run(ctx context.Context, name string, args ...string) (string, error) {
	line := append([]string{name}, args...)
	f.mu.Lock()
	f.ran = append(f.ran, line)
	before := f.before
	f.mu.Unlock()
	if before != nil {
		if err := before(ctx, line); err != nil {
			return "", err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	path := args[len(args)-1]
	switch at := slices.Index(f.mounted, path); {
	case name == "mount":
		f.mounted = append(f.mounted, path)
	case at < 0:
		return "", failing("umount: " + path + ": not mounted.")
	default:
		f.mounted = slices.Delete(f.mounted, at, at+1)
	}
	return "", nil
}

func (f *fakeMounts) table() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return "", errors.New("no /proc")
	}
	var b strings.Builder
	b.WriteString("25 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n")
	for _, path := range f.mounted {
		b.WriteString("99 25 0:50 / " + strings.ReplaceAll(path, " ", `\040`) + " rw,relatime shared:7 - nfs4 127.0.0.1:/ rw\n")
	}
	return b.String(), nil
}

// take returns the commands since the last call.
func (f *fakeMounts) take() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	ran := f.ran
	f.ran = nil
	return ran
}

func failing(stderr string) error {
	return &command.Error{Command: "mount", Stderr: stderr, Cause: errors.New("exit status 32")}
}

// place is the directory of one plugin, for several lives of it.
type place struct {
	t    *testing.T
	root string
}

func newPlace(t *testing.T) place {
	t.Helper()
	// The mount table shows real paths.
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err == nil {
		err = os.MkdirAll(filepath.Join(root, stateDirectory), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return place{t, root}
}

func (p place) start(f *fakeMounts) *Plugin {
	p.t.Helper()
	plugin, err := p.tryStart(f)
	if err != nil {
		p.t.Fatal(err)
	}
	return plugin
}

func (p place) tryStart(f *fakeMounts) (*Plugin, error) {
	return load(stateAt(p.root), mounter{run: f.run, table: f.table}, p.directory())
}

func (p place) directory() string { return filepath.Join(p.root, mountDirectory) }

func (p place) path(volume string) string { return filepath.Join(p.directory(), volume) }

func (p place) state() string {
	p.t.Helper()
	content, err := os.ReadFile(stateAt(p.root).path)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.ReplaceAll(string(bytes.TrimSpace(content)), p.root, "")
}

func (p place) putState(content string) {
	p.t.Helper()
	if err := os.WriteFile(stateAt(p.root).path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// breakSaving makes every save fail until the returned function is called.
func (p place) breakSaving() (repair func()) {
	p.t.Helper()
	dir := filepath.Join(p.root, stateDirectory)
	if err := os.Rename(dir, dir+".away"); err != nil {
		p.t.Fatal(err)
	}
	return func() {
		p.t.Helper()
		if err := os.Rename(dir+".away", dir); err != nil {
			p.t.Fatal(err)
		}
	}
}

// Package rooted keeps files below one directory: no name, and no symbolic link, leads out of it. A file is written whole
// or not at all.
package rooted

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
)

// Dir is a directory that exists.
type Dir struct{ root *os.Root }

// making is held while directories are made, so that none of them is removed for being empty before the next is in it.
var making sync.Mutex

// Open makes the directory with its parents, if need be, and opens it.
func Open(path string, mode fs.FileMode) (*Dir, error) {
	making.Lock()
	err := os.MkdirAll(path, mode)
	making.Unlock()
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{root}, nil
}

// OpenExisting opens a directory that has to be there.
func OpenExisting(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{root}, nil
}

// Remove removes a directory with all that is in it, and then those above it that are empty, up to and including top. A
// directory that is gone is a success.
func Remove(path, top string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	Prune(filepath.Dir(path), top)
	return nil
}

// Prune removes a directory if it is empty, and then those above it, up to and including top.
func Prune(path, top string) {
	making.Lock()
	defer making.Unlock()
	for {
		below, err := filepath.Rel(top, path)
		if err != nil || !filepath.IsLocal(below) {
			return
		}
		if info, err := os.Lstat(path); err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
			return // a link to a directory is somebody's own
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
		path = filepath.Dir(path)
	}
}

// Close lets go of the directory.
func (d *Dir) Close() { _ = d.root.Close() }

// MkdirAll makes a directory in it, with its parents.
func (d *Dir) MkdirAll(name string, mode fs.FileMode) error { return d.root.MkdirAll(name, mode) }

// Open opens a file in it for reading.
func (d *Dir) Open(name string) (*os.File, error) { return d.root.Open(name) }

// File says how a file is written.
type File struct {
	Name string // relative; its directory has to exist
	// Temp is the beginning of the name that the file has in the directory itself while it is written.
	Temp string
	Mode fs.FileMode // exact, whatever the umask
	Fill func(*os.File) error
}

// Write makes the file, or replaces it.
func (d *Dir) Write(ctx context.Context, f File) (err error) {
	temp := f.Temp + rand.Text()
	file, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.Mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = d.root.Remove(temp)
		}
	}()
	err = f.Fill(file)
	if err == nil {
		err = file.Chmod(f.Mode)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return d.rename(ctx, temp, f.Name)
}

// A rename may fail for a moment while another program (a virus scanner on Windows) holds the file.
const renameTries = 5

var renameRetry = backoff.Policy{First: 500 * time.Millisecond, Longest: 5 * time.Second, Factor: 1.5}

func (d *Dir) rename(ctx context.Context, from, to string) error {
	pauses := renameRetry.Start()
	for try := 1; ; try++ {
		err := d.root.Rename(from, to)
		if err == nil || try == renameTries || !transient(err) {
			return err
		}
		if pauses.Sleep(ctx) != nil {
			return err
		}
	}
}

// RefillLimit is how much of a body a file takes, in bytes: far more than the environment of a process or the configuration
// of a log router has, and far less than a disk.
const RefillLimit = 16 << 20

var errTooLarge = fmt.Errorf("the file is larger than %d MiB", RefillLimit>>20)

// Refill gives a file that is being filled the content of body, whatever an earlier attempt left in it.
func Refill(file *os.File, body io.Reader) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(file, io.LimitReader(body, RefillLimit+1))
	if err == nil && n > RefillLimit {
		err = errTooLarge
	}
	return err
}

// Inside gives the cleaned relative path of the elements, which must not lead out of the directory or to the directory
// itself.
func Inside(elements ...string) (string, error) {
	path := filepath.Join(elements...)
	if path == "" || path == "." || !filepath.IsLocal(path) {
		return "", fmt.Errorf("path %q leads out of its directory", path)
	}
	return path, nil
}

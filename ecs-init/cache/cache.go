// Package cache is the directory with the images of the agent: the packaged or downloaded one, and those that the agent
// itself downloaded to update itself.
package cache

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	directory   = "/var/cache/ecs"
	imageName   = "ecs-agent.tar"
	stateName   = "state"
	desiredName = "desired-image"
	stagedName  = "*.ecs-update.tar"
)

// Status is the number in the state file.
type Status int

// Every number above ReloadNeeded is unknown.
const (
	Uncached Status = iota
	// Cached says that the image may be loaded when Docker has none.
	Cached
	// ReloadNeeded says that the image replaces the one in Docker; packages write it.
	ReloadNeeded
)

// Dir is the cache directory.
type Dir struct{ path string }

// At is the cache directory of the host whose file system is at root ("/").
func At(root string) Dir { return Dir{filepath.Join(root, directory)} }

// Path of the directory.
func (d Dir) Path() string { return d.path }

// Image is the path of the cached image; packages make it a link to the one they bring.
func (d Dir) Image() string { return filepath.Join(d.path, imageName) }

// Status tells what the cache is good for. Whatever cannot be read or understood counts as uncached.
func (d Dir) Status() Status {
	info, err := os.Stat(d.Image())
	if err != nil || info.Size() == 0 {
		return Uncached
	}
	content, err := os.ReadFile(filepath.Join(d.path, stateName))
	if err != nil {
		return Uncached
	}
	return parseStatus(string(content))
}

// parseStatus reads the decimal number at the beginning; what follows it does not matter.
func parseStatus(text string) Status {
	text = strings.TrimLeft(text, " \t\r\n")
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	number, err := strconv.ParseUint(text[:end], 10, 8)
	if err != nil {
		return Uncached
	}
	return Status(number)
}

// SetCached records that Docker has the image.
func (d Dir) SetCached() error {
	path := filepath.Join(d.path, stateName)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o700)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, strconv.Itoa(int(Cached)))
	return errors.Join(err, file.Sync(), file.Close())
}

// OpenImage opens the cached image.
func (d Dir) OpenImage() (*os.File, error) { return os.Open(d.Image()) }

// OpenDesired opens the image the agent wants to be replaced by. The name in the file never leads out of the directory.
func (d Dir) OpenDesired() (*os.File, error) {
	file, err := os.Open(filepath.Join(d.path, desiredName))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	line, err := bufio.NewReader(io.LimitReader(file, 4096)).ReadString('\n')
	if err != nil {
		return nil, err // io.EOF when the line does not end: the agent was still writing it
	}
	name := filepath.Base(strings.TrimSpace(line))
	return os.Open(filepath.Join(d.path, name))
}

// DropStaged removes what the agent downloaded for updates, after Docker has loaded it.
func (d Dir) DropStaged() error {
	staged, err := filepath.Glob(filepath.Join(d.path, stagedName))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range append(staged, filepath.Join(d.path, desiredName)) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

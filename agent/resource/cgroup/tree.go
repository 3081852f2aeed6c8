package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// parent is the cgroup above those of all tasks.
const parent = "/ecs"

// Tree is the host's cgroup file system, and who makes cgroups in it. Docker has to use the same driver.
type Tree struct {
	Mount   string // where it is mounted
	Unified bool   // cgroup v2
	Systemd bool   // systemd makes the cgroups (as slices), else the agent itself
	Bus     string // address of systemd's D-Bus; empty is the usual one
	// Contained is set in a container, which may see a part of the tree only.
	Contained bool
}

// Setup prepares the tree for the cgroups of tasks, and fails when they could not be made or limited. It may be repeated.
func (t *Tree) Setup(ctx context.Context, limitPids bool) error {
	wanted := []string{"cpu", "memory"}
	if limitPids {
		wanted = append(wanted, "pids")
	}
	if t.Contained && !t.whole() {
		return fmt.Errorf("%s shows the agent's own cgroup, not the host's; mount the host's /sys/fs/cgroup into the agent's container", t.Mount)
	}
	if t.Systemd {
		if err := t.checkSystemd(ctx); err != nil {
			return err
		}
	}
	if t.Unified {
		return t.setupUnified(wanted)
	}
	return t.setupHierarchies(wanted)
}

// whole reports whether the tree begins with the root cgroup: only there has the kernel no type (v2), and a file for who
// is told about empty cgroups (v1).
func (t *Tree) whole() bool {
	if t.Unified {
		_, err := os.Stat(filepath.Join(t.Mount, "cgroup.type"))
		return errors.Is(err, fs.ErrNotExist)
	}
	_, err := os.Stat(filepath.Join(t.Mount, "memory", "release_agent"))
	return err == nil
}

// Make makes a cgroup if it is not there, and sets its limits.
func (t *Tree) Make(ctx context.Context, root string, limits Limits) error {
	switch {
	case checkRoot(root) != nil:
		return checkRoot(root)
	case isSlice(root):
		return t.startSlice(ctx, root, limits)
	case t.Unified:
		return t.makeUnified(root, limits)
	}
	return t.makeInHierarchies(root, limits)
}

// has reports whether a cgroup is there.
func (t *Tree) has(root string) bool {
	top := t.Mount
	if !t.Unified {
		top = filepath.Join(top, "memory")
	}
	path := filepath.Join(top, root)
	if isSlice(root) {
		path = slicePath(top, root)
	}
	_, err := os.Stat(path)
	return err == nil
}

// Remove removes a cgroup and those below it. One that is gone is a success.
func (t *Tree) Remove(ctx context.Context, root string) error {
	switch {
	case checkRoot(root) != nil:
		return checkRoot(root)
	case isSlice(root):
		return t.stopSlice(ctx, root)
	case t.Unified:
		return removeAll(ctx, filepath.Join(t.Mount, root))
	}
	return t.removeFromHierarchies(ctx, root)
}

func isSlice(root string) bool { return strings.HasSuffix(root, ".slice") }

// checkRoot refuses names that no agent gives to the cgroup of a task.
func checkRoot(root string) error {
	name, isFile := strings.CutPrefix(root, parent+"/")
	if isSlice(root) {
		name, isFile = strings.CutPrefix(root, "ecstasks-")
		isFile = isFile && !strings.Contains(name, "/")
	}
	if !isFile || !filepath.IsLocal(name) || filepath.Clean(name) == "." {
		return fmt.Errorf("%q is no cgroup of a task", root)
	}
	return nil
}

// write sets a value in a file of the kernel; one that does not exist is not made.
func write(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// checkWritable fails where the file system is not there or read-only.
func checkWritable(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "cgroup.procs"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// The kernel may need a moment after the last process of a cgroup ended.
const removeTries = 5

var removePauses = backoff.Policy{First: 10 * time.Millisecond, Longest: time.Second, Factor: 2}

// removeAll removes a cgroup, those below it first.
func removeAll(ctx context.Context, dir string) error {
	for pauses := removePauses.Start(); ; {
		err := removeBelow(dir)
		if err == nil || pauses.Failures == removeTries-1 || pauses.Sleep(ctx) != nil {
			return err
		}
	}
}

func removeBelow(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, removeBelow(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return err
	}
	if err := os.Remove(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	logger.Debug("The cgroup is gone already", logger.F("cgroup", dir))
	return nil
}

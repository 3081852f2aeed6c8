package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Files of cgroup v2.
const (
	controllersFile = "cgroup.controllers"
	subtreeFile     = "cgroup.subtree_control"
)

func (t *Tree) setupUnified(wanted []string) error {
	if err := enable(t.Mount, wanted); err != nil {
		return err
	}
	if t.Systemd {
		return nil
	}
	dir := filepath.Join(t.Mount, parent)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := enable(dir, wanted); err != nil {
		return err
	}
	return checkWritable(dir)
}

// enable offers controllers of a cgroup to those below it.
func enable(dir string, wanted []string) error {
	if err := hasControllers(dir, wanted); err != nil {
		return err
	}
	if err := write(dir, subtreeFile, "+"+strings.Join(wanted, " +")); err != nil {
		return fmt.Errorf("enable the controllers %s: %w", strings.Join(wanted, ", "), err)
	}
	return nil
}

// hasControllers checks that a cgroup has all wanted controllers.
func hasControllers(dir string, wanted []string) error {
	file := filepath.Join(dir, controllersFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	have := strings.Fields(string(text))
	for _, w := range wanted {
		if !slices.Contains(have, w) {
			return fmt.Errorf("the controller %q is not in %s", w, file)
		}
	}
	return nil
}

// needed are the controllers that limits take.
func (l Limits) needed() []string {
	wanted := []string{"cpu", "memory"}
	if l.Pids != nil {
		wanted = append(wanted, "pids")
	}
	return wanted
}

func (t *Tree) makeUnified(root string, limits Limits) error {
	above, dir := filepath.Join(t.Mount, filepath.Dir(root)), filepath.Join(t.Mount, root)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := enableDownTo(t.Mount, above, limits.needed()); err != nil {
		return err
	}
	if err := hasControllers(dir, limits.needed()); err != nil {
		return err
	}
	if cpu := limits.CPU; cpu != nil && cpu.Quota != 0 {
		if err := write(dir, "cpu.max", fmt.Sprintf("%d %d", cpu.Quota, cpu.Period)); err != nil {
			return err
		}
	} else if cpu != nil && cpu.Shares != 0 {
		if err := write(dir, "cpu.weight", strconv.FormatUint(cpu.weight(), 10)); err != nil {
			return err
		}
	}
	if limits.Memory != nil {
		if err := write(dir, "memory.max", strconv.FormatInt(limits.Memory.Limit, 10)); err != nil {
			return err
		}
	}
	if limits.Pids != nil {
		return write(dir, "pids.max", strconv.FormatInt(limits.Pids.Limit, 10))
	}
	return nil
}

// enableDownTo offers controllers below each cgroup from mount to last.
func enableDownTo(mount, last string, wanted []string) error {
	if last != mount {
		if err := enableDownTo(mount, filepath.Dir(last), wanted); err != nil {
			return err
		}
	}
	return enable(last, wanted)
}

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// hierarchies of cgroup v1 in which a task has a cgroup, as far as they are mounted.
var hierarchies = []string{
	"systemd", "freezer", "pids", "net_cls", "net_prio", "perf_event", "cpuset", "cpu", "cpuacct", "memory", "blkio", "rdma", "devices", "hugetlb",
}

// mounted are the hierarchies that the host has.
func (t *Tree) mounted() []string {
	var found []string
	for _, h := range hierarchies {
		if _, err := os.Stat(filepath.Join(t.Mount, h, "cgroup.procs")); err == nil {
			found = append(found, h)
		}
	}
	return found
}

func (t *Tree) setupHierarchies(wanted []string) error {
	for _, h := range wanted {
		if _, err := os.Stat(filepath.Join(t.Mount, h, "cgroup.procs")); err != nil {
			return fmt.Errorf("the cgroup hierarchy %q is not at %s: %w", h, t.Mount, err)
		}
	}
	below := ""
	if !t.Systemd {
		below = parent
		if err := t.makeEverywhere(parent); err != nil {
			return err
		}
		// The kernel fills in the cpusets of tasks, for a tenth of what it costs to write them. Where it cannot they are
		// written.
		_ = write(filepath.Join(t.Mount, "cpuset", parent), "cgroup.clone_children", "1")
	}
	for _, h := range wanted {
		if err := checkWritable(filepath.Join(t.Mount, h, below)); err != nil {
			return err
		}
	}
	return nil
}

// makeEverywhere makes a cgroup in each hierarchy.
func (t *Tree) makeEverywhere(root string) error {
	for _, h := range t.mounted() {
		if err := makeAll(filepath.Join(t.Mount, h, root)); err != nil {
			return err
		}
		if h == "cpuset" {
			if err := inheritCPUSet(filepath.Join(t.Mount, h), root); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeAll is os.MkdirAll for a directory whose parent is there but the first time.
func makeAll(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(dir, 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// inheritCPUSet lets each cgroup of the path use what the one above it may: a new one may use nothing.
func inheritCPUSet(hierarchy, root string) error {
	above := hierarchy
	for name := range strings.SplitSeq(strings.Trim(root, "/"), "/") {
		dir := filepath.Join(above, name)
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			own, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				return err
			}
			if strings.TrimSpace(string(own)) != "" {
				continue
			}
			value, err := os.ReadFile(filepath.Join(above, file))
			if err != nil {
				return err
			}
			if err := write(dir, file, strings.TrimSpace(string(value))); err != nil {
				return err
			}
		}
		above = dir
	}
	return nil
}

// removeFromHierarchies removes a cgroup wherever it is. Containers have theirs in more hierarchies than the agent makes
// it in, those of cgroup v2 beside v1 too.
func (t *Tree) removeFromHierarchies(ctx context.Context, root string) error {
	all, err := os.ReadDir(t.Mount)
	errs := []error{err}
	for _, h := range all {
		errs = append(errs, removeAll(ctx, filepath.Join(t.Mount, h.Name(), root)))
	}
	return errors.Join(errs...)
}

func (t *Tree) makeInHierarchies(root string, limits Limits) error {
	if err := t.makeEverywhere(root); err != nil {
		return err
	}
	set := func(hierarchy, file, value string) error {
		return write(filepath.Join(t.Mount, hierarchy, root), file, value)
	}
	if cpu := limits.CPU; cpu != nil && cpu.Quota != 0 {
		if err := set("cpu", "cpu.cfs_period_us", strconv.FormatUint(cpu.Period, 10)); err != nil {
			return err
		}
		if err := set("cpu", "cpu.cfs_quota_us", strconv.FormatInt(cpu.Quota, 10)); err != nil {
			return err
		}
	} else if cpu != nil && cpu.Shares != 0 {
		if err := set("cpu", "cpu.shares", strconv.FormatUint(cpu.Shares, 10)); err != nil {
			return err
		}
	}
	if limits.Memory != nil {
		if err := set("memory", "memory.limit_in_bytes", strconv.FormatInt(limits.Memory.Limit, 10)); err != nil {
			return err
		}
	}
	if limits.Pids != nil {
		if err := set("pids", "pids.max", strconv.FormatInt(limits.Pids.Limit, 10)); err != nil {
			return err
		}
	}
	return set("memory", "memory.use_hierarchy", "1")
}

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ErrNotVisible says that the agent cannot see the cgroup of a container, although it sees cgroups.
var ErrNotVisible = errors.New("its cgroup is not visible here")

// controllers of cgroup v1 that hold counters.
var controllers = []string{"cpuacct", "cpu", "memory", "blkio", "pids"}

// membership is what the file cgroup of a process says: the path by controller; by the empty name for cgroup v2.
type membership map[string]string

// parseMembership reads lines like "4:cpu,cpuacct:/docker/<id>" and "0::/docker/<id>".
func parseMembership(text []byte) membership {
	m := membership{}
	for line := range strings.Lines(string(text)) {
		number, rest, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		names, where, ok2 := strings.Cut(rest, ":")
		if !ok || !ok2 || number == "" || !strings.HasPrefix(where, "/") {
			continue
		}
		for name := range strings.SplitSeq(names, ",") {
			m[name] = where
		}
	}
	return m
}

// candidates are the places where a container's cgroup may be, relative to the root of a hierarchy. where is the path the
// kernel gives for it: relative to the agent's own cgroup namespace, which the mounted tree need not be.
func candidates(where, id string) []string {
	var list []string
	inside := strings.TrimPrefix(path.Clean(where), "/")
	outside := inside
	for strings.HasPrefix(outside, "../") {
		outside = strings.TrimPrefix(outside, "../")
	}
	if outside == inside && strings.Contains(inside, id) {
		list = append(list, inside)
	}
	if outside != inside && strings.Contains(outside, id) {
		list = append(list, outside, path.Join("docker", outside), path.Join("system.slice", outside))
	}
	return append(list, path.Join("docker", id), path.Join("system.slice", "docker-"+id+".scope"))
}

// locate finds the directories of a container's cgroups: one per controller, or one alone under the empty name (v2).
func (h *Host) locate(m membership, id string) (map[string]string, error) {
	if h.version == 2 {
		dir, err := firstDir(h.root, candidates(m[""], id))
		if err != nil {
			return nil, err
		}
		return map[string]string{"": dir}, nil
	}
	dirs := map[string]string{}
	for _, controller := range controllers {
		hierarchies := h.hierarchies[controller]
		if len(hierarchies) == 0 {
			continue
		}
		places := candidates(m[controller], id)
		dir, err := firstDir(hierarchies[0], places)
		for _, other := range hierarchies[1:] {
			if err != nil {
				dir, err = firstDir(other, places)
			}
		}
		switch {
		case err == nil:
			dirs[controller] = dir
		case controller == "cpuacct" || controller == "memory":
			return nil, fmt.Errorf("%s: %w", controller, err)
		}
	}
	return dirs, nil
}

func firstDir(root string, places []string) (string, error) {
	for _, place := range places {
		dir := filepath.Join(root, filepath.FromSlash(place))
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, nil
		}
	}
	return "", ErrNotVisible
}

// findHierarchies finds where each controller of cgroup v1 may be mounted: a directory or link of its name, and a directory
// that is named after several ("cpu,cpuacct"). The one of its name comes first; any of them may be an empty leftover.
func findHierarchies(root string) (map[string][]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		for name := range strings.SplitSeq(e.Name(), ",") {
			if name == e.Name() {
				found[name] = append([]string{dir}, found[name]...)
			} else {
				found[name] = append(found[name], dir)
			}
		}
	}
	for _, needed := range []string{"cpuacct", "memory"} {
		if _, ok := found[needed]; !ok {
			return nil, fmt.Errorf("%s: %w", filepath.Join(root, needed), fs.ErrNotExist)
		}
	}
	return found, nil
}

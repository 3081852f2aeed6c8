package volumes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	stateDirectory = "/var/lib/ecs/data"
	stateName      = "ecs_volume_plugin.json"
)

// stateFile keeps the volumes over restarts of the plugin.
type stateFile struct{ path string }

func stateAt(root string) stateFile { return stateFile{filepath.Join(root, stateDirectory, stateName)} }

// savedState is the file's content:
//
//	{"volumes": {"<name>": {"type", "path", "options", "createdAt", "mounts": {"<mount id>": <count>}}}}
type savedState struct {
	Volumes map[string]savedVolume `json:"volumes,omitempty"`
}

type savedVolume struct {
	Type      string            `json:"type,omitempty"`
	Path      string            `json:"path,omitempty"`
	Options   map[string]string `json:"options,omitempty"`
	CreatedAt string            `json:"createdAt,omitempty"`
	Mounts    map[string]*int   `json:"mounts,omitempty"`
}

// CorruptError is a state file that cannot be understood.
type CorruptError struct {
	Path  string
	Cause error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("Could not unmarshal existing state; corrupted data: %v. Please remove statefile at %s", e.Cause, e.Path)
}

func (e *CorruptError) Unwrap() error { return e.Cause }

// load reads the volumes; none when there is no file.
func (s stateFile) load() (map[string]*volume, error) {
	volumes := map[string]*volume{}
	content, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return volumes, nil
	}
	if err != nil {
		return nil, err
	}
	var saved savedState
	if err := json.Unmarshal(content, &saved); err != nil {
		return nil, &CorruptError{Path: s.path, Cause: err}
	}
	for name, from := range saved.Volumes {
		v := newVolume()
		v.kind, v.path, v.options, v.createdAt, v.loaded = from.Type, from.Path, from.Options, from.CreatedAt, true
		for id, count := range from.Mounts {
			// Files written before mounts were counted say null.
			v.uses[id] = 1
			if count != nil {
				v.uses[id] = max(1, *count)
			}
		}
		volumes[name] = v
	}
	return volumes, nil
}

func newVolume() *volume {
	return &volume{lock: make(chan struct{}, 1), uses: map[string]int{}}
}

// save replaces the file in one step: a crash leaves the old or the new one.
func (s stateFile) save(volumes map[string]*volume) error {
	content, err := encode(volumes)
	if err != nil {
		return err
	}
	dir := filepath.Dir(s.path)
	file, err := os.CreateTemp(dir, "tmp_ecs_volume_plugin*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), s.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncDirectory(dir)
}

func encode(volumes map[string]*volume) ([]byte, error) {
	saved := savedState{Volumes: map[string]savedVolume{}}
	for name, v := range volumes {
		to := savedVolume{Type: v.kind, Path: v.path, Options: v.options, CreatedAt: v.createdAt}
		for id, count := range v.uses {
			if to.Mounts == nil {
				to.Mounts = map[string]*int{}
			}
			to.Mounts[id] = &count
		}
		saved.Volumes[name] = to
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "\t")
	err := encoder.Encode(saved)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

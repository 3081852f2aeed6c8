// Package settings reads the configuration of ecs-init: its own process environment, and the environment files whose
// content becomes the environment of the agent's container.
package settings

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

// The environment files. The user's overrides the one of the instance (AMI, ECS Anywhere installer).
const (
	instanceFile = "/var/lib/ecs/ecs.config"
	userFile     = "/etc/ecs/ecs.config"
)

// GPU support is asked for with exactly this value.
const (
	gpuName = "ECS_ENABLE_GPU_SUPPORT"
	gpuOn   = "true"
)

// The devices of GPUs may appear late during boot.
const (
	gpuRetries = 10
	gpuWait    = 3 * time.Second
)

// Files are the merged variables of the environment files.
type Files map[string]string

// GPU reports whether GPU support is on.
func (f Files) GPU() bool { return f[gpuName] == gpuOn }

// Load reads the environment files below root ("/" on a host). GPU support is dropped when the host has no NVIDIA
// device.
func Load(root string) Files {
	files := read(root)
	if files.GPU() && !HasNVIDIA(root) {
		dropGPU(files)
	}
	return files
}

// LoadWaiting is Load for the time when the host boots: with GPU support it gives the devices half a minute to appear.
func LoadWaiting(ctx context.Context, root string) Files {
	files := read(root)
	if !files.GPU() {
		return files
	}
	for try := 1; !HasNVIDIA(root); try++ {
		if try > gpuRetries || ctx.Err() != nil {
			dropGPU(files)
			break
		}
		log.Warnf("NVIDIA GPU devices are not yet present, retrying (attempt %d/%d) in %d nanoseconds", try, gpuRetries, int64(gpuWait))
		select {
		case <-time.After(gpuWait):
		case <-ctx.Done():
		}
	}
	return files
}

func dropGPU(files Files) {
	log.Warnf("No GPU devices found, ignoring the GPU support config")
	delete(files, gpuName)
}

// HasNVIDIA reports whether the host has a device /dev/nvidia*.
func HasNVIDIA(root string) bool {
	found, _ := filepath.Glob(filepath.Join(root, "/dev/nvidia*"))
	return len(found) > 0
}

func read(root string) Files {
	files := Files{}
	for _, name := range []string{instanceFile, userFile} {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				log.Warnf("could not read %s, going on without it: %v", name, err)
			}
			continue
		}
		variables, notes := parse(string(content))
		for _, note := range notes {
			log.Infof("%s: %s", name, note)
		}
		maps.Copy(files, variables)
	}
	return files
}

// parse reads NAME=value lines. Lines without = and lines that begin with # are skipped, blanks around a line are
// dropped, and so is one pair of matching quotes around a whole value, because systemd reads the same files and does so
// too. Nothing else has a meaning; a later line wins. The notes name what lost its quotes, never a value.
func parse(text string) (variables map[string]string, notes []string) {
	variables = map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		line = strings.TrimSpace(line)
		name, value, found := strings.Cut(line, "=")
		if !found || strings.HasPrefix(line, "#") {
			continue
		}
		if plain, quoted := unquote(value); quoted {
			value = plain
			notes = append(notes, "removed the quotes around the value of "+name)
		}
		variables[name] = value
	}
	return variables, notes
}

func unquote(value string) (plain string, quoted bool) {
	last := len(value) - 1
	if last < 1 || value[0] != value[last] || value[0] != '"' && value[0] != '\'' {
		return value, false
	}
	return value[1:last], true
}

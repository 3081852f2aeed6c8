package registration

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// PluginLister asks Docker for the enabled managed plug-ins that are volume drivers ("name:tag").
type PluginLister interface {
	VolumePlugins(ctx context.Context) ([]string, error)
}

// VolumePlugins names the plug-ins of the host for [Facts], with root as os.DirFS("/"). Plug-ins that cannot be listed are
// not worth failing for: they are logged and left out.
func VolumePlugins(ctx context.Context, root fs.FS, docker PluginLister) (legacy, managed []string) {
	legacy, err := legacyPluginNames(root)
	if err != nil {
		logger.Warn("Could not look for legacy Docker plug-ins everywhere", logger.Err(err))
	}
	managed, err = docker.VolumePlugins(ctx)
	if err != nil {
		logger.Warn("Could not list the managed Docker plug-ins", logger.Err(err))
	}
	return legacy, managed
}

// pluginPlace is a directory where legacy plug-ins announce themselves with a file named after them, directly or in a
// directory of their name.
type pluginPlace struct {
	dir      string
	suffixes []string
	// sockets says that the files are sockets.
	sockets bool
}

var pluginPlaces = []pluginPlace{
	{"run/docker/plugins", []string{".sock"}, true},
	{"etc/docker/plugins", []string{".spec", ".json"}, false},
	{"usr/lib/docker/plugins", []string{".spec", ".json"}, false},
}

// legacyPluginNames finds legacy plug-ins, each once, in the order of the places and of the alphabet. It goes on after an
// error: the names found come with all errors.
func legacyPluginNames(root fs.FS) ([]string, error) {
	var names []string
	var failed []error
	for _, place := range pluginPlaces {
		entries, err := fs.ReadDir(root, place.dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
		for _, entry := range entries {
			name, err := place.plugin(root, entry.Name())
			switch {
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				failed = append(failed, err)
			case err == nil && name != "" && !slices.Contains(names, name):
				names = append(names, name)
			}
		}
	}
	return names, errors.Join(failed...)
}

// plugin returns the name of the plug-in that an entry of the directory announces, "" for none.
func (p pluginPlace) plugin(root fs.FS, entry string) (string, error) {
	info, err := fs.Stat(root, path.Join(p.dir, entry))
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return p.announced(info), nil
	}
	for _, suffix := range p.suffixes {
		info, err := fs.Stat(root, path.Join(p.dir, entry, entry+suffix))
		if err == nil && p.announced(info) == entry {
			return entry, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

// announced returns the name of the plug-in that a file announces, "" for none.
func (p pluginPlace) announced(info fs.FileInfo) string {
	if info.IsDir() || p.sockets != (info.Mode().Type() == fs.ModeSocket) {
		return ""
	}
	for _, suffix := range p.suffixes {
		if name, found := strings.CutSuffix(info.Name(), suffix); found {
			return name
		}
	}
	return ""
}

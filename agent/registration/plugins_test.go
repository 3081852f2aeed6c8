package registration

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestLegacyPlugins(t *testing.T) {
	socket, file := &fstest.MapFile{Mode: fs.ModeSocket}, &fstest.MapFile{}
	for _, c := range []struct {
		name string
		root fstest.MapFS
		want []string
	}{
		{name: "no directories"},
		{name: "sockets, alone and in a directory", root: fstest.MapFS{
			"run/docker/plugins/b.sock":   socket,
			"run/docker/plugins/a/a.sock": socket,
		}, want: []string{"a", "b"}},
		{name: "no sockets", root: fstest.MapFS{
			"run/docker/plugins/file.sock":  file,
			"run/docker/plugins/other":      socket,
			"run/docker/plugins/a/b.sock":   socket,
			"run/docker/plugins/c/c.spec":   file,
			"run/docker/plugins/d.sock/x":   file,
			"run/docker/plugins/.sock":      socket,
			"run/docker/plugins/e/e.sock/x": file,
		}},
		{name: "specs and JSON files", root: fstest.MapFS{
			"etc/docker/plugins/z.spec":       file,
			"etc/docker/plugins/a.json":       file,
			"etc/docker/plugins/s/s.spec":     file,
			"etc/docker/plugins/j/j.json":     file,
			"usr/lib/docker/plugins/lib.spec": file,
			"usr/lib/docker/plugins/l/l.json": file,
			"etc/docker/plugins/n.sock":       socket,
			"etc/docker/plugins/m.txt":        file,
			"var/docker/plugins/other.spec":   file,
		}, want: []string{"a", "j", "s", "z", "l", "lib"}},
		{name: "one plug-in in several places", root: fstest.MapFS{
			"run/docker/plugins/p.sock":       socket,
			"etc/docker/plugins/p.spec":       file,
			"etc/docker/plugins/p.json":       file,
			"usr/lib/docker/plugins/p/p.spec": file,
			"usr/lib/docker/plugins/p/p.json": file,
		}, want: []string{"p"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := legacyPluginNames(c.root)
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

// refusing is a file system with a directory that cannot be read.
type refusing struct{ fs.FS }

func (r refusing) Open(name string) (fs.File, error) {
	if name == "etc/docker/plugins" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return r.FS.Open(name)
}

type lister struct {
	names []string
	err   error
}

func (l lister) VolumePlugins(context.Context) ([]string, error) { return l.names, l.err }

func TestPluginsThatCannotBeListed(t *testing.T) {
	root := refusing{fstest.MapFS{"usr/lib/docker/plugins/a.spec": {}, "etc/docker/plugins/b.spec": {}}}
	if _, err := legacyPluginNames(root); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
	legacy, managed := VolumePlugins(t.Context(), root, lister{nil, errors.New("CannotListPluginsError: away")})
	if len(legacy) != 1 || legacy[0] != "a" || managed != nil {
		t.Errorf("got %q, %q", legacy, managed)
	}
	if _, managed = VolumePlugins(t.Context(), root, lister{[]string{"p:latest"}, nil}); len(managed) != 1 {
		t.Errorf("got %q", managed)
	}
}

func TestLegacyPluginsOfAHost(t *testing.T) {
	t.Chdir(t.TempDir()) // a short path for the socket
	for _, dir := range []string{"run/docker/plugins", "etc/docker/plugins", "elsewhere"} {
		if err := os.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("unix", filepath.FromSlash("run/docker/plugins/vol.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := os.WriteFile(filepath.FromSlash("elsewhere/linked.spec"), []byte("tcp://localhost:1"), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"linked.spec": "../../../elsewhere/linked.spec", "dangling.spec": "../nowhere"} {
		if err := os.Symlink(target, filepath.Join("etc", "docker", "plugins", link)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := legacyPluginNames(os.DirFS("."))
	if diff := cmp.Diff([]string{"vol", "linked"}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

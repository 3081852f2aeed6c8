package image

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

type badLoader struct{ *fakeHost }

func (badLoader) LoadImage(context.Context, io.Reader) error { return errors.New("not a tar") }

func TestLoadTar(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pause.tar")
	h := &fakeHost{}
	err := LoadTar(t.Context(), h, path, task.PauseImage)
	if !errors.Is(err, fs.ErrNotExist) || text(err) != "container load: failed to read container image: "+path+" : open "+path+": no such file or directory" {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("tar"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := LoadTar(t.Context(), badLoader{h}, path, task.PauseImage); text(err) != "container load: failed to load container image: "+path+" : not a tar" {
		t.Error(err)
	}
	if err := LoadTar(t.Context(), h, path, task.PauseImage); text(err) != "container load: failed to inspect image: "+task.PauseImage+", : Error response from daemon: No such image: "+task.PauseImage {
		t.Error(err)
	}
	h.images = []docker.Image{{ID: "sha256:1", Tags: []string{task.PauseImage}}}
	if err := LoadTar(t.Context(), h, path, task.PauseImage); err != nil || string(h.loaded) != "tar" {
		t.Errorf("%v, loaded %q", err, h.loaded)
	}
	if loaded, err := Loaded(t.Context(), h, task.PauseImage); !loaded || err != nil {
		t.Errorf("%v, %v", loaded, err)
	}
}

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/ecs-init/cache"
)

// fakeDocker has images by name. Loading an archive gives the agent's image an id made from the archive's content.
type fakeDocker struct {
	images  map[string]string
	loadErr error
	tagErr  error
}

func (d *fakeDocker) InspectImage(_ context.Context, name string) (docker.Image, error) {
	if id, ok := d.images[name]; ok {
		return docker.Image{ID: id}, nil
	}
	return docker.Image{}, fmt.Errorf("no such image %s: %w", name, errdefs.ErrNotFound)
}

func (d *fakeDocker) LoadImage(_ context.Context, tar io.Reader) error {
	content, err := io.ReadAll(tar)
	if err == nil && d.loadErr == nil {
		d.images[name] = "id of " + string(content)
	}
	return errors.Join(err, d.loadErr)
}

func (d *fakeDocker) TagImage(_ context.Context, source, target string) error {
	id, ok := d.images[source]
	if !ok {
		id = source
	}
	if d.tagErr == nil {
		d.images[target] = id
	}
	return d.tagErr
}

func (d *fakeDocker) RemoveImage(_ context.Context, name string) error {
	if _, ok := d.images[name]; !ok {
		return errdefs.ErrNotFound
	}
	delete(d.images, name)
	return nil
}

func storeWith(t *testing.T, d *fakeDocker, files map[string]string) Store {
	t.Helper()
	if d.images == nil {
		d.images = map[string]string{}
	}
	c := cache.At(t.TempDir())
	if err := os.MkdirAll(c.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(c.Path(), name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Store{Docker: d, Cache: c}
}

func (s Store) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(s.Cache.Path())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestLoaded(t *testing.T) {
	s := storeWith(t, &fakeDocker{images: map[string]string{name: "a"}}, nil)
	if ok, err := s.Loaded(t.Context()); !ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
	s = storeWith(t, &fakeDocker{}, nil)
	if ok, err := s.Loaded(t.Context()); ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
}

func TestLoadCached(t *testing.T) {
	d := &fakeDocker{images: map[string]string{previous: "older"}}
	s := storeWith(t, d, map[string]string{"ecs-agent.tar": "new", "state": "2"})
	if err := s.LoadCached(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.images[name] != "id of new" || s.Cache.Status() != cache.Cached || s.OnTrial(t.Context()) {
		t.Errorf("images %v, status %d", d.images, s.Cache.Status())
	}
}

func TestLoadCachedFails(t *testing.T) {
	s := storeWith(t, &fakeDocker{}, nil)
	if err := s.LoadCached(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "could not load Amazon Elastic Container Service Agent from cache: open ") {
		t.Errorf("%v", err)
	}
	d := &fakeDocker{loadErr: errors.New("boom")}
	s = storeWith(t, d, map[string]string{"ecs-agent.tar": "new", "state": "2"})
	if err := s.LoadCached(t.Context()); err == nil || err.Error() != "could not load Amazon Elastic Container Service Agent into Docker: boom" {
		t.Errorf("%v", err)
	}
	if s.Cache.Status() != cache.ReloadNeeded {
		t.Errorf("status %d", s.Cache.Status())
	}
}

func TestUpgradeAndBack(t *testing.T) {
	d := &fakeDocker{images: map[string]string{name: "old"}}
	s := storeWith(t, d, map[string]string{"desired-image": "n.ecs-update.tar\n", "n.ecs-update.tar": "new", "o.ecs-update.tar": "", "ecs-agent.tar": "packaged"})
	if err := s.Upgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.images[name] != "id of new" || d.images[previous] != "old" || !s.OnTrial(t.Context()) {
		t.Errorf("images %v", d.images)
	}
	if got := s.files(t); !slices.Equal(got, []string{"ecs-agent.tar", "state"}) || s.Cache.Status() != cache.Cached {
		t.Errorf("files %v, status %d", got, s.Cache.Status())
	}
	if err := s.FallBack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.images[name] != "old" || s.OnTrial(t.Context()) {
		t.Errorf("images %v", d.images)
	}
}

func TestKeepEndsTheTrial(t *testing.T) {
	d := &fakeDocker{images: map[string]string{name: "new", previous: "old"}}
	s := storeWith(t, d, nil)
	for range 2 {
		s.Keep(t.Context())
		if s.OnTrial(t.Context()) || d.images[name] != "new" {
			t.Errorf("images %v", d.images)
		}
	}
}

func TestUpgradeFails(t *testing.T) {
	d := &fakeDocker{images: map[string]string{name: "old"}}
	s := storeWith(t, d, nil)
	if err := s.Upgrade(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "could not upgrade agent: open ") {
		t.Errorf("%v", err)
	}
	d.loadErr = errors.New("boom")
	s = storeWith(t, d, map[string]string{"desired-image": "n.tar\n", "n.tar": "new"})
	if err := s.Upgrade(t.Context()); err == nil || err.Error() != "could not upgrade agent: could not load Amazon Elastic Container Service Agent into Docker: boom" {
		t.Errorf("%v", err)
	}
	if s.OnTrial(t.Context()) || d.images[name] != "old" {
		t.Errorf("images %v", d.images)
	}
}

func TestAnArchiveWithAnotherNameIsNoTrial(t *testing.T) {
	d := &fakeDocker{images: map[string]string{name: "id of same"}}
	s := storeWith(t, d, map[string]string{"desired-image": "n.tar\n", "n.tar": "same"})
	if err := s.Upgrade(t.Context()); err != nil || s.OnTrial(t.Context()) {
		t.Errorf("%v, images %v", err, d.images)
	}
}

func TestUpgradeWithoutAnImageBefore(t *testing.T) {
	d := &fakeDocker{}
	s := storeWith(t, d, map[string]string{"desired-image": "n.tar\n", "n.tar": "new"})
	if err := s.Upgrade(t.Context()); err != nil || s.OnTrial(t.Context()) || d.images[name] != "id of new" {
		t.Errorf("%v, images %v", err, d.images)
	}
	d.tagErr = errors.New("boom")
	if err := s.FallBack(t.Context()); err == nil || err.Error() != "could not go back to the agent's previous image: boom" {
		t.Errorf("%v", err)
	}
}

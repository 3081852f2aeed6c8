package image

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestManifestsWithoutUsableDigest(t *testing.T) {
	for name, answer := range map[string]func() (docker.Manifest, error){
		"schema 1": func() (docker.Manifest, error) { return docker.Manifest{Digest: digestA, MediaType: manifestV1}, nil },
		"signed schema 1": func() (docker.Manifest, error) {
			return docker.Manifest{Digest: digestA, MediaType: manifestV1Signed}, nil
		},
		"old daemon": func() (docker.Manifest, error) {
			return docker.Manifest{}, fmt.Errorf("old: %w", errors.ErrUnsupported)
		},
	} {
		h := &fakeHost{manifest: func(context.Context, string, docker.Auth) (docker.Manifest, error) { return answer() }}
		p, _ := newPuller(h)
		ts, c := oneTask("app")
		m, err := p.ResolveManifest(t.Context(), ts, c)
		if err != nil || m.Digest != "" || h.count("manifest app") != 1 {
			t.Errorf("%s: %+v, %v, calls %v", name, m, err, h.made())
		}
		if _, err := p.Pull(t.Context(), ts, c); err != nil || h.count("pull app") != 1 {
			t.Errorf("%s: %v, calls %v", name, err, h.made())
		}
	}
}

func TestLocalManifest(t *testing.T) {
	for _, tt := range []struct {
		name    string
		image   docker.Image
		err     error
		digest  string
		wantErr string
	}{
		{name: "built here", image: docker.Image{ID: "sha256:1"}},
		{name: "matching", image: docker.Image{RepoDigests: []string{"app@" + digestA}}, digest: digestA},
		{name: "not matching", image: docker.Image{RepoDigests: []string{"other@" + digestA}},
			wantErr: "CannotPullImageManifestError: failed to find a repo digest matching 'app'"},
		{name: "inspect failed", err: errors.New("boom"), wantErr: "CannotPullImageManifestError: boom"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &fakeHost{inspect: func(string) (docker.Image, error) { return tt.image, tt.err }}
			p, _ := newPuller(h, behaviour(config.ImagePullOnce))
			p.records.use("app", docker.Image{ID: "sha256:1"}, true, time.Now())
			ts, c := oneTask("app")
			m, err := p.ResolveManifest(t.Context(), ts, c)
			if m.Digest != tt.digest || text(err) != tt.wantErr {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

func TestImpossibleDigest(t *testing.T) {
	h := &fakeHost{}
	p, _ := newPuller(h)
	ts, c := oneTask("app")
	c.ImageDigest = "nonsense"
	_, err := p.Pull(t.Context(), ts, c)
	want := "CannotPullContainerError: failed to prepare a canonical reference with image 'app' and digest 'nonsense': failed to parse image digest 'nonsense': invalid checksum digest format"
	if text(err) != want || h.count("pull app") > 0 {
		t.Errorf("%v, calls %v", err, h.made())
	}
}

func TestDigestOfTheHost(t *testing.T) {
	h := &fakeHost{
		images: []docker.Image{{ID: "sha256:9", Tags: []string{"app:1"}, RepoDigests: []string{"other@" + digestA, "app@" + digestB}}},
		pull: func(context.Context, docker.PullRequest) error {
			return task.NewError(task.ErrCannotPullContainer, errors.New("unauthorized: no"))
		},
	}
	p, _ := newPuller(h)
	ts, c := oneTask("app:1")
	if got, _ := p.Pull(t.Context(), ts, c); got.Digest != digestB {
		t.Errorf("%+v", got)
	}
	c.ImageDigest = digestA
	if got, _ := p.Pull(t.Context(), ts, c); got.Digest != "" {
		t.Errorf("%+v: the registry's digest is known", got)
	}
}

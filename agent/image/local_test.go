package image

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
)

func TestLocalAnswersAreShortLived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{images: []docker.Image{{ID: "sha256:1", Tags: []string{"app"}, RepoDigests: []string{"app@" + digestA}}}}
		p, _ := newPuller(h, behaviour(config.ImagePullPreferCached))
		for range 10 {
			ts, c := oneTask("app")
			if _, err := p.ResolveManifest(t.Context(), ts, c); err != nil {
				t.Error(err)
			}
			if _, err := p.Pull(t.Context(), ts, c); err != nil {
				t.Error(err)
			}
			if p.SetsRegion(c) {
				t.Error("wrong facts")
			}
		}
		if n := h.count("inspect app"); n != 1 {
			t.Errorf("%d inspects", n)
		}
		time.Sleep(localFresh)
		if _, c := oneTask("app"); p.SetsRegion(c) || h.count("inspect app") != 1 {
			t.Error("recorded variables were asked for again")
		}
		if _, err := p.local.inspect(t.Context(), "app"); err != nil || h.count("inspect app") != 2 {
			t.Errorf("%v, %d inspects", err, h.count("inspect app"))
		}
		if _, c := oneTask("nosuch"); p.SetsRegion(c) || len(p.local.recent) != 1 {
			t.Error("facts about an image that is not there")
		}
	})
}

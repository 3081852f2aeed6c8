package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestResolveAndPull(t *testing.T) {
	h := &fakeHost{}
	p, store := newPuller(h)
	ts, c := oneTask("registry:5000/app:1")
	m, err := p.ResolveManifest(t.Context(), ts, c)
	if err != nil || m.Digest != digestA {
		t.Fatalf("%+v, %v", m, err)
	}
	c.ImageDigest = m.Digest
	before := time.Now()
	got, err := p.Pull(t.Context(), ts, c)
	if err != nil || got.ImageID != "sha256:1" || got.StartedAt.Before(before) || got.FinishedAt.Before(got.StartedAt) {
		t.Fatalf("%+v, %v", got, err)
	}
	byDigest := "registry:5000/app@" + digestA
	want := []string{"manifest registry:5000/app:1", "pull " + byDigest, "tag " + byDigest + " registry:5000/app:1", "inspect registry:5000/app:1"}
	if diff := cmp.Diff(want, h.made()); diff != "" {
		t.Error(diff)
	}
	if saved := store.saved["sha256:1"]; !strings.Contains(saved, `"Names":["registry:5000/app:1"],"Size":5`) || !strings.Contains(saved, `"PullSucceeded":true`) {
		t.Errorf("record %s", saved)
	}
	if !p.SetsRegion(c) {
		t.Error("wrong variables")
	}
	if len(h.made()) != len(want) {
		t.Errorf("further calls %v", h.made()[len(want):])
	}
}

func TestReferenceWithADigest(t *testing.T) {
	h := &fakeHost{}
	p, _ := newPuller(h)
	ts, c := oneTask("app:1@" + digestB)
	m, err := p.ResolveManifest(t.Context(), ts, c)
	if err != nil || m.Digest != digestB || len(h.made()) > 0 {
		t.Fatalf("%+v, %v, calls %v", m, err, h.made())
	}
	c.ImageDigest = m.Digest
	if _, err := p.Pull(t.Context(), ts, c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"pull app@" + digestB, "inspect app:1@" + digestB}, h.made()); diff != "" {
		t.Error(diff)
	}
}

func TestInternalContainersNeedNoCalls(t *testing.T) {
	h := &fakeHost{}
	p, store := newPuller(h)
	ts, c := oneTask("pause:1")
	c.Type = task.CNIPause
	m, err := p.ResolveManifest(t.Context(), ts, c)
	got, pullErr := p.Pull(t.Context(), ts, c)
	if err != nil || pullErr != nil || m != (task.Manifest{}) || got != (task.PullResult{}) || len(h.made()) > 0 || store.saves > 0 {
		t.Errorf("%+v %v, %+v %v, calls %v", m, err, got, pullErr, h.made())
	}
}

func TestPullBehaviours(t *testing.T) {
	local := docker.Image{ID: "sha256:1", Tags: []string{"app:1"}, RepoDigests: []string{"other@" + digestB, "docker.io/library/app@" + digestA}}
	for _, tt := range []struct {
		name           string
		behaviour      config.ImagePullBehavior
		tracked, local bool
		pulls          bool
	}{
		{"default pulls", config.ImagePullDefault, true, true, true},
		{"always pulls", config.ImagePullAlways, true, true, true},
		{"once, not pulled by the agent yet", config.ImagePullOnce, false, true, true},
		{"once, pulled before", config.ImagePullOnce, true, true, false},
		{"prefer-cached, on the host", config.ImagePullPreferCached, false, true, false},
		{"prefer-cached, not on the host", config.ImagePullPreferCached, false, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &fakeHost{}
			p, _ := newPuller(h, behaviour(tt.behaviour))
			if tt.local {
				h.images = []docker.Image{local}
			}
			if tt.tracked {
				p.records.use("app:1", local, true, time.Now())
			}
			ts, c := oneTask("app:1")
			m, err := p.ResolveManifest(t.Context(), ts, c)
			if err != nil || m.Digest != digestA {
				t.Errorf("manifest %+v, %v", m, err)
			}
			got, err := p.Pull(t.Context(), ts, c)
			if err != nil || got.ImageID != "sha256:1" {
				t.Errorf("%+v, %v", got, err)
			}
			if asked := h.count("manifest app:1") == 1; asked != tt.pulls || h.count("pull app:1") == 1 != tt.pulls || got.StartedAt.IsZero() == tt.pulls {
				t.Errorf("calls %v, started %s", h.made(), got.StartedAt)
			}
			if n := h.count("inspect app:1"); !tt.pulls && n != 1 {
				t.Errorf("%d inspects, one is enough", n)
			}
		})
	}
}

func TestOnceLooksAtTheExactName(t *testing.T) {
	h := &fakeHost{}
	p, _ := newPuller(h, behaviour(config.ImagePullOnce))
	p.records.use("app", docker.Image{ID: "sha256:1"}, true, time.Now())
	p.records.use("tool", docker.Image{ID: "sha256:2"}, false, time.Now())
	for image, want := range map[string]bool{"app": false, "app:latest": true, "tool": true} {
		if got := p.mustPull(t.Context(), image); got != want {
			t.Errorf("%s: must pull %v, want %v", image, got, want)
		}
	}
}

func TestCredentialsReachDocker(t *testing.T) {
	var got []docker.Auth
	h := &fakeHost{
		manifest: func(_ context.Context, _ string, auth docker.Auth) (docker.Manifest, error) {
			got = append(got, auth)
			return docker.Manifest{}, nil
		},
		pull: func(_ context.Context, r docker.PullRequest) error {
			got = append(got, r.Auth)
			return nil
		},
	}
	p, store := newPuller(h, func(c *config.Config) {
		c.EngineAuthType, c.EngineAuthData = "docker", config.NewSecret([]byte(`{"r.tld":{"username":"u","password":"topsecret"}}`))
	})
	ts, c := oneTask("r.tld/app")
	c.RegistryAuth = &task.RegistryAuth{Type: "other"}
	if _, err := p.ResolveManifest(t.Context(), ts, c); err != nil {
		t.Error(err)
	}
	if _, err := p.Pull(t.Context(), ts, c); err != nil {
		t.Error(err)
	}
	if want := (docker.Auth{Username: "u", Password: "topsecret"}); !slices.Equal(got, []docker.Auth{want, want}) {
		t.Errorf("%d calls without the right credentials", len(got))
	}
	if strings.Contains(fmt.Sprint(store.saved), "topsecret") {
		t.Error("the password was saved")
	}
}

func TestStoppedBeforeThePull(t *testing.T) {
	want := "TaskStoppedBeforePullBeginError: Task stopped before image pull could begin for task: arn:aws:ecs:us-west-2:123456789012:task/c/abc"
	h := &fakeHost{}
	p, _ := newPuller(h)
	ts, c := oneTask("app")
	ts.Desired = task.Stopped
	if _, err := p.Pull(t.Context(), ts, c); text(err) != want {
		t.Error(err)
	}
	ts.Desired = task.Running
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Pull(ctx, ts, c); text(err) != want {
		t.Error(err)
	}
	if len(h.made()) > 0 {
		t.Errorf("calls %v", h.made())
	}
}

// TestPullsUpfrontTellWhatIsMissing: then the engine need not wait for dependencies before it ends the task.
func TestPullsUpfrontTellWhatIsMissing(t *testing.T) {
	byName := docker.Image{ID: "sha256:9", Tags: []string{"app"}}
	byDigest := docker.Image{ID: "sha256:8", Tags: []string{"app", "app@" + digestA}}
	for _, tt := range []struct {
		name      string
		behaviour config.ImagePullBehavior
		upfront   bool
		digest    string
		local     []docker.Image
		missing   bool
	}{
		{name: "not on the host", upfront: true, missing: true},
		{name: "without the setting"},
		{name: "always", upfront: true, behaviour: config.ImagePullAlways},
		{name: "once", upfront: true, behaviour: config.ImagePullOnce, missing: true},
		{name: "on the host", upfront: true, local: []docker.Image{byName}},
		{name: "another version on the host", upfront: true, digest: digestA, local: []docker.Image{byName}, missing: true},
		{name: "the version on the host", upfront: true, digest: digestA, local: []docker.Image{byDigest}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &fakeHost{images: tt.local, pull: func(context.Context, docker.PullRequest) error {
				return task.NewError(task.ErrCannotPullContainer, errors.New("unauthorized: no"))
			}}
			p, _ := newPuller(h, behaviour(tt.behaviour), func(c *config.Config) { c.DependentContainersPullUpfront = tt.upfront })
			ts, c := oneTask("app")
			c.ImageDigest = tt.digest
			got, err := p.Pull(t.Context(), ts, c)
			if err == nil || got.Missing != tt.missing || (got.ImageID == "") != (tt.local == nil) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestStoppedTaskCancelsItsPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancelled := false
		h := &fakeHost{pull: func(ctx context.Context, _ docker.PullRequest) error {
			<-ctx.Done()
			cancelled = true
			return task.NewError(task.ErrCannotPullContainer, ctx.Err())
		}}
		p, _ := newPuller(h)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ts, c := oneTask("app")
		if _, err := p.Pull(ctx, ts, c); err == nil || !cancelled {
			t.Errorf("error %v, cancelled %v", err, cancelled)
		}
		if h.count("inspect app") > 0 {
			t.Error("inspected for a task that is over")
		}
	})
}

func TestFailedPullFindsTheLocalImage(t *testing.T) {
	h := &fakeHost{
		images: []docker.Image{{ID: "sha256:9", Tags: []string{"app"}}},
		pull: func(context.Context, docker.PullRequest) error {
			return task.NewError(task.ErrCannotPullContainer, errors.New("unauthorized: no"))
		},
	}
	p, store := newPuller(h)
	ts, c := oneTask("app")
	got, err := p.Pull(t.Context(), ts, c)
	if err == nil || got.ImageID != "sha256:9" {
		t.Errorf("%+v, %v", got, err)
	}
	if saved := store.saved["sha256:9"]; !strings.Contains(saved, `"PullSucceeded":false`) {
		t.Errorf("record %s", saved)
	}
}

func TestEmptyImageName(t *testing.T) {
	h := &fakeHost{pull: func(context.Context, docker.PullRequest) error {
		return task.NewError(task.ErrCannotPullContainer, errors.New("invalid reference format"))
	}}
	p, store := newPuller(h)
	ts, c := oneTask("")
	if _, err := p.Pull(t.Context(), ts, c); text(err) != "CannotPullContainerError: invalid reference format" || store.saves > 0 || h.count("pull ") != 1 {
		t.Errorf("%v, %d saves", err, store.saves)
	}
}

func TestPullWaitsForADeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{}
		p, _ := newPuller(h)
		open, ok := p.gate.close("docker.io/library/app:latest")
		if !ok {
			t.Fatal("closed for nobody")
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			ts, c := oneTask("app")
			if _, err := p.Pull(t.Context(), ts, c); err != nil {
				t.Error(err)
			}
		})
		ts, c := oneTask("other")
		if _, err := p.Pull(t.Context(), ts, c); err != nil { // does not wait
			t.Error(err)
		}
		synctest.Wait()
		if h.count("pull app") != 0 {
			t.Error("pulled while it is deleted")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ts, c = oneTask("app")
		if _, err := p.Pull(ctx, ts, c); text(err) == "" || !strings.HasPrefix(err.Error(), "TaskStoppedBeforePullBeginError") {
			t.Errorf("gave up waiting: %v", err)
		}
		open()
		wg.Wait()
		leave, err := p.gate.enter(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := p.gate.close("x", "app:2"); ok {
			t.Error("deleted while it is pulled")
		}
		leave()
		if open, ok = p.gate.close("app@" + digestA); !ok {
			t.Error("still closed to deletion")
		}
		open()
		if len(p.gate.pulling)+len(p.gate.deleting) > 0 {
			t.Error("the gate grows")
		}
	})
}

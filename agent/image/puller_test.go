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

	"github.com/containerd/errdefs"
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

func TestDefiniteAnswersEndAtOnce(t *testing.T) {
	h := &fakeHost{
		manifest: func(context.Context, string, docker.Auth) (docker.Manifest, error) {
			return docker.Manifest{}, &classified{"Error response from daemon: manifest unknown: manifest unknown", errdefs.ErrNotFound}
		},
		pull: func(context.Context, docker.PullRequest) error {
			return task.NewError(task.ErrCannotPullContainer, errors.New("Error response from daemon: pull access denied for nosuch, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"))
		},
	}
	p, _ := newPuller(h)
	ts, c := oneTask("nosuch")
	_, err := p.ResolveManifest(t.Context(), ts, c)
	if want := "CannotPullImageManifestError: Error response from daemon: manifest unknown: manifest unknown"; text(err) != want || h.count("manifest nosuch") != 1 {
		t.Errorf("%v, calls %v", err, h.made())
	}
	got, err := p.Pull(t.Context(), ts, c)
	want := "CannotPullContainerError: The task can’t pull the image. Check whether the image exists. Error response from daemon: pull access denied for nosuch, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
	if text(err) != want || h.count("pull nosuch") != 1 || got.StartedAt.IsZero() || got.FinishedAt.IsZero() || got.ImageID != "" {
		t.Errorf("%+v, %v, calls %v", got, err, h.made())
	}
}

// attempts records when a call was made and fails it.
type attempts struct {
	at  []time.Time
	err error
}

func (a *attempts) fail() error {
	a.at = append(a.at, time.Now())
	return a.err
}

func (a *attempts) check(t *testing.T, waits ...time.Duration) {
	t.Helper()
	if len(a.at) != len(waits)+1 {
		t.Fatalf("%d attempts, want %d", len(a.at), len(waits)+1)
	}
	for i, want := range waits {
		if got := a.at[i+1].Sub(a.at[i]); got < want || got > want+want/5 {
			t.Errorf("wait %d was %s, want %s and up to a fifth more", i+1, got, want)
		}
	}
}

func TestRetries(t *testing.T) {
	const ms = time.Millisecond
	for range 2 { // the second time as fresh as the first
		synctest.Test(t, func(t *testing.T) {
			manifest := &attempts{err: errors.New("toomanyrequests: Rate exceeded")}
			pull := &attempts{err: task.NewError(task.ErrCannotPullContainer, errors.New("connection reset by peer"))}
			h := &fakeHost{
				manifest: func(context.Context, string, docker.Auth) (docker.Manifest, error) {
					return docker.Manifest{}, manifest.fail()
				},
				pull: func(context.Context, docker.PullRequest) error { return pull.fail() },
			}
			p, _ := newPuller(h)
			ts, c := oneTask("app")
			_, err := p.ResolveManifest(t.Context(), ts, c)
			if text(err) != "CannotPullImageManifestError: toomanyrequests: Rate exceeded" {
				t.Error(err)
			}
			manifest.check(t, 10*ms, 30*ms, 90*ms, 270*ms, 810*ms, 2430*ms, 5000*ms, 5000*ms)
			_, err = p.Pull(t.Context(), ts, c)
			if text(err) != "CannotPullContainerError: connection reset by peer" {
				t.Error(err)
			}
			pull.check(t, 1100*ms, 2200*ms, 4400*ms, 5000*ms)
		})
	}
}

func TestRetryThatSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		h := &fakeHost{pull: func(context.Context, docker.PullRequest) error {
			if tries++; tries < 3 {
				return docker.Timeout("pullBegin", 5*time.Minute)
			}
			return nil
		}}
		p, _ := newPuller(h)
		ts, c := oneTask("app")
		if got, err := p.Pull(t.Context(), ts, c); err != nil || got.ImageID == "" || tries != 3 {
			t.Errorf("%+v, %v after %d tries", got, err, tries)
		}
	})
}

func TestTotalLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{
			manifest: func(ctx context.Context, _ string, _ docker.Auth) (docker.Manifest, error) {
				<-ctx.Done()
				return docker.Manifest{}, ctx.Err()
			},
			pull: func(ctx context.Context, _ docker.PullRequest) error {
				<-ctx.Done()
				return task.NewError(task.ErrCannotPullContainer, ctx.Err())
			},
		}
		p, _ := newPuller(h)
		ts, c := oneTask("app")
		start := time.Now()
		_, err := p.ResolveManifest(t.Context(), ts, c)
		if want := "DockerTimeoutError: Could not transition to MANIFEST_PULLED; timed out after waiting 1m0s"; text(err) != want || time.Since(start) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		start = time.Now()
		_, err = p.Pull(t.Context(), ts, c)
		if want := "DockerTimeoutError: Could not transition to pulled; timed out after waiting 2h0m0s"; text(err) != want || time.Since(start) != 2*time.Hour {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

func TestTagFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tags := &attempts{err: errors.New("busy")}
		h := &fakeHost{tag: func(string, string) error { return tags.fail() }}
		p, _ := newPuller(h)
		ts, c := oneTask("app:1")
		c.ImageDigest = digestA
		_, err := p.Pull(t.Context(), ts, c)
		if want := "CannotPullContainerError: failed to tag image 'app@" + digestA + "' as 'app:1': busy"; text(err) != want {
			t.Error(err)
		}
		tags.check(t, 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond)
		h.tag = func(string, string) error {
			time.Sleep(31 * time.Second)
			return errors.New("busy")
		}
		_, err = p.Pull(t.Context(), ts, c)
		if want := "DockerTimeoutError: Could not transition to pulled; timed out after waiting 30s"; text(err) != want {
			t.Error(err)
		}
	})
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

func TestConcurrentPullsAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{pull: func(ctx context.Context, _ docker.PullRequest) error {
			select {
			case <-time.After(time.Minute):
				return nil
			case <-ctx.Done():
				return task.NewError(task.ErrCannotPullContainer, ctx.Err())
			}
		}}
		p, _ := newPuller(h)
		impatient, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 50 {
			ctx := t.Context()
			if i%2 == 0 {
				ctx = impatient
			}
			wg.Go(func() {
				ts, c := oneTask("app")
				m, err := p.ResolveManifest(t.Context(), ts, c)
				if err != nil {
					t.Error(err)
				}
				c.ImageDigest = m.Digest
				got, err := p.Pull(ctx, ts, c)
				if gaveUp := i%2 == 0; gaveUp != (err != nil) || gaveUp == (got.ImageID != "") {
					t.Errorf("%d: %+v, %v", i, got, err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		if n := h.count("pull app@" + digestA); n != 1 {
			t.Errorf("%d pulls", n)
		}
		if n := len(h.made()); n > 4+50 { // one of each; those that start early may ask for the manifest on their own
			t.Errorf("%d calls", n)
		}
	})
}

// TestSpellingsOfOneImage pulls it once and gives it each name.
func TestSpellingsOfOneImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{pull: slowly}
		p, _ := newPuller(h)
		var wg sync.WaitGroup
		for _, name := range []string{"app", "app:latest", "docker.io/library/app:1"} {
			wg.Go(func() {
				ts, c := oneTask(name)
				c.ImageDigest = digestA
				if got, err := p.Pull(t.Context(), ts, c); err != nil || got.ImageID == "" {
					t.Errorf("%s: %+v, %v", name, got, err)
				}
			})
		}
		wg.Wait()
		pulls, tags := 0, 0
		for _, call := range h.made() {
			if strings.HasPrefix(call, "pull ") {
				pulls++
			} else if strings.HasPrefix(call, "tag ") {
				tags++
			}
		}
		if pulls != 1 || tags != 3 {
			t.Errorf("calls %q", h.made())
		}
	})
}

// slowly is a pull of a minute that can be cancelled.
func slowly(ctx context.Context, _ docker.PullRequest) error {
	select {
	case <-time.After(time.Minute):
		return nil
	case <-ctx.Done():
		return task.NewError(task.ErrCannotPullContainer, ctx.Err())
	}
}

func TestDifferentCredentialsAreDifferentPulls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{pull: slowly}
		p, _ := newPuller(h)
		var wg sync.WaitGroup
		for _, user := range []string{"a", "b"} {
			p.engine = engineAuth{"r.tld": {Username: user}} // as the sources of later features may give
			wg.Go(func() {
				ts, c := oneTask("r.tld/app")
				if _, err := p.Pull(t.Context(), ts, c); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if n := h.count("pull r.tld/app"); n != 2 {
			t.Errorf("%d pulls", n)
		}
	})
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

package image

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

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

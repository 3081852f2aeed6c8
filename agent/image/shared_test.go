package image

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

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

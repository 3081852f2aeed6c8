package image

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/aws/amazon-ecs-agent/agent/turnstile"
)

// pullEach pulls images that are wanted in this order, and tells after how long each was there.
func pullEach(t *testing.T, p *Puller, images ...string) map[string]time.Duration {
	t.Helper()
	began, took := time.Now(), map[string]time.Duration{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, image := range images {
		wg.Go(func() {
			ts, c := oneTask(image)
			if _, err := p.Pull(t.Context(), ts, c); err != nil {
				t.Errorf("%s: %v", image, err)
			}
			mu.Lock()
			defer mu.Unlock()
			took[image] = time.Since(began)
		})
		synctest.Wait()
	}
	wg.Wait()
	return took
}

func oneAtATime(h *fakeHost) *Puller {
	p, _ := newPuller(h, func(c *config.Config) { c.MaxConcurrentPulls = 1 })
	return p
}

func TestPullsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{pull: func(context.Context, docker.PullRequest) error { time.Sleep(time.Minute); return nil }}
		p := oneAtATime(h)
		took := pullEach(t, p, "a", "b", "c")
		if took["a"] != time.Minute || took["b"] != 2*time.Minute || took["c"] != 3*time.Minute {
			t.Errorf("not one by one: %v", took)
		}
		if got := p.Turns(); got != (turnstile.State{Limit: 1}) {
			t.Errorf("left behind: %+v", got)
		}
	})
}

// TestAPullThatHangsHoldsUpOnlyThoseOfItsImage: two wait for the same image, which is one pull; others go on as soon as it is
// clear that nothing comes of it.
func TestAPullThatHangsHoldsUpOnlyThoseOfItsImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{}
		h.pull = func(ctx context.Context, r docker.PullRequest) error {
			if r.Image != "hung" {
				return nil
			}
			stall := time.AfterFunc(15*time.Second, r.Stalled)
			defer stall.Stop()
			time.Sleep(5 * time.Minute)
			return nil
		}
		took := pullEach(t, oneAtATime(h), "hung", "other", "hung")
		if took["other"] != 15*time.Second || took["hung"] != 5*time.Minute || h.count("pull hung") != 1 {
			t.Errorf("%v, %d pulls of the image that hangs", took, h.count("pull hung"))
		}
	})
}

// TestWhatNeedsNoPullWaitsForNone: the image is there.
func TestWhatNeedsNoPullWaitsForNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{images: []docker.Image{{ID: "sha256:1", Tags: []string{"cached:latest"}}}}
		h.pull = func(context.Context, docker.PullRequest) error { time.Sleep(time.Minute); return nil }
		p := oneAtATime(h)
		p.behavior = config.ImagePullPreferCached
		if took := pullEach(t, p, "slow", "cached"); took["cached"] != 0 {
			t.Errorf("%v", took)
		}
	})
}

// TestASharedPullThatIsSilentEndsForAll and one that gives up before leaves at once.
func TestASharedPullThatIsSilentEndsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{pull: func(ctx context.Context, r docker.PullRequest) error {
			select {
			case <-time.After(r.Inactivity):
				return task.NewError(task.ErrCannotPullContainer, errors.New("inactivity time exceeded timeout while pulling image"))
			case <-ctx.Done():
				return task.NewError(task.ErrCannotPullContainer, ctx.Err())
			}
		}}
		p, _ := newPuller(h)
		began := time.Now()
		stopped, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				ctx, left := t.Context(), 6*time.Minute // five tries, and the pauses between them
				if i == 0 {
					ctx, left = stopped, time.Second
				}
				ts, c := oneTask("app")
				_, err := p.Pull(ctx, ts, c)
				if took := time.Since(began); took > left || i == 0 && !errors.Is(err, context.Canceled) ||
					i > 0 && text(err) != "CannotPullContainerError: inactivity time exceeded timeout while pulling image" {
					t.Errorf("%d after %s: %v", i, took, err)
				}
			})
		}
		wg.Wait()
		if n := h.count("pull app"); n != 5 {
			t.Errorf("%d tries", n)
		}
	})
}

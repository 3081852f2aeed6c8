package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// fullHost is a host whose disk of 1000 bytes gets 10 bytes free with every image and every task that goes.
type fullHost struct {
	*cleaning
	mu      sync.Mutex
	free    uint64
	cleaned []string
	// stuck tasks never go.
	stuck string
	fails error
}

func newFullHost(free uint64, want config.FreeSpace, change ...func(*config.Config)) *fullHost {
	h := &fullHost{cleaning: newCleaning(change...), free: free}
	h.host.remove = func(string) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.free += 10
		return nil
	}
	h.KeepFree(want, func() (size, free uint64, err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return 1000, h.free, h.fails
	}, h)
	return h
}

func (h *fullHost) Tasks() []*task.Task { return h.used }

func (h *fullHost) CleanUp(ctx context.Context, arn string) error {
	if arn == h.stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cleaned = append(h.cleaned, arn)
	h.used = slices.DeleteFunc(h.used, func(t *task.Task) bool { return t.ARN == arn })
	h.free += 10
	return nil
}

// stopped adds a task that stopped so long ago, and whose end ECS knows.
func (h *fullHost) stopped(arn, image string, ago time.Duration) *task.Task {
	t := &task.Task{ARN: arn, Known: task.Stopped, Sent: task.Stopped, KnownTime: time.Now().Add(-ago),
		Containers: []*task.Container{{Name: "c", Image: image, Known: task.ContainerStopped}}}
	h.used = append(h.used, t)
	return t
}

func TestRoomIsMadeInOrder(t *testing.T) {
	for want, removed := range map[int][]string{
		10: nil, // there is as much
		11: {"old:1"},
		13: {"old:1", "young:1", "younger:1"},
		15: {"old:1", "young:1", "younger:1", "last:1"},                // and one task
		60: {"old:1", "young:1", "younger:1", "last:1", "first-ran:1"}, // never enough
	} {
		t.Run(fmt.Sprint(want), func(t *testing.T) {
			h := newFullHost(100, config.FreeSpace{Percent: want}, func(c *config.Config) {
				c.PrepullImages, c.ImageCleanupExclusionList = []string{"base"}, []string{"mine:1"}
			})
			h.add("1", time.Minute, time.Minute, "younger:1") // below the minimum age
			h.add("2", 2*time.Minute, 2*time.Minute, "young:1")
			h.add("3", 5*time.Hour, 5*time.Hour, "old:1")
			h.add("4", 5*time.Hour, 5*time.Hour, "mine:1")
			h.add("5", 5*time.Hour, 5*time.Hour, "docker.io/library/base:latest")
			h.add("6", 5*time.Hour, 5*time.Hour, "runs:1")
			h.add("7", 5*time.Hour, 5*time.Hour, "last:1")
			h.add("8", 5*time.Hour, 5*time.Hour, "first-ran:1")
			h.stopped("later", "first-ran:1", time.Minute)
			h.stopped("earlier", "last:1", time.Hour)
			h.stopped("unknown to ECS", "runs:1", 2*time.Hour).Sent = task.Running
			h.stopped("running", "runs:1", 2*time.Hour).Known = task.Running
			h.stopped("busy", "runs:1", 2*time.Hour).Containers[0].Engine.Step = task.StepStop
			h.space.ensure(t.Context())
			if diff := cmp.Diff(removed, h.removed()); diff != "" {
				t.Error(diff)
			}
			tasks := map[int][]string{15: {"earlier"}, 60: {"earlier", "later"}}[want]
			if diff := cmp.Diff(tasks, h.cleaned); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRoomInBytes(t *testing.T) {
	h := newFullHost(100, config.FreeSpace{Bytes: 115})
	for i := range 5 {
		h.add(fmt.Sprint(i), time.Hour, time.Hour, fmt.Sprintf("a:%d", i))
	}
	h.space.ensure(t.Context())
	if got := len(h.removed()); got != 2 {
		t.Errorf("%d removed", got)
	}
}

func TestNoRoomToMake(t *testing.T) {
	for name, h := range map[string]*fullHost{
		"off":              newFullHost(0, config.FreeSpace{}),
		"cleanup disabled": newFullHost(0, config.FreeSpace{Percent: 50}, func(c *config.Config) { c.ImageCleanupDisabled = true }),
	} {
		if h.space != nil || h.puller.makeRoom != nil {
			t.Errorf("%s: makes room", name)
		}
	}
	c := newCleaning()
	c.KeepFree(config.FreeSpace{Percent: 50}, func() (size, free uint64, err error) { return 0, 0, errors.ErrUnsupported }, nil)
	if c.space != nil {
		t.Error("makes room where nobody can measure")
	}
	h := newFullHost(0, config.FreeSpace{Percent: 50})
	h.fails = errors.New("no such disk")
	h.add("1", time.Hour, time.Hour, "a:1")
	h.space.ensure(t.Context())
	if got := h.removed(); len(got) > 0 {
		t.Errorf("removed %v without knowing the disk", got)
	}
}

// TestRoomIsMadeInTheCycle also where images are not removed by age.
func TestRoomIsMadeInTheCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFullHost(485, config.FreeSpace{Percent: 50}, behaviour(config.ImagePullPreferCached))
		for i := range 5 {
			h.add(fmt.Sprint(i), 9*time.Hour, 9*time.Hour, fmt.Sprintf("a:%d", i))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour-time.Minute)
		defer cancel()
		if err := h.Run(ctx); err != nil || len(h.removed()) != 2 {
			t.Errorf("%v, removed %v", err, h.removed())
		}
	})
}

// TestRoomIsMadeBeforeAPull: an old version of the same image goes, and images of other pulls stay.
func TestRoomIsMadeBeforeAPull(t *testing.T) {
	h := newFullHost(100, config.FreeSpace{Percent: 11}, behaviour(config.ImagePullOnce))
	h.add("1", 5*time.Hour, 5*time.Hour, "app:1")
	h.add("2", 5*time.Hour, 4*time.Hour, "tool:1")
	ts, c := oneTask("app:2")
	h.used = append(h.used, ts)
	if _, err := h.puller.Pull(t.Context(), ts, c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"remove app:1", "pull app:2", "inspect app:2"}, h.host.made()); diff != "" {
		t.Error(diff)
	}
	h.free = 0
	if _, err := h.puller.Pull(t.Context(), ts, c); err != nil || len(h.removed()) != 1 {
		t.Errorf("%v; nothing was to be pulled, but removed %v", err, h.removed())
	}
}

// TestManyPullsMakeRoomOnce, and one that is given up does not wait for it.
func TestManyPullsMakeRoomOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFullHost(100, config.FreeSpace{Percent: 11})
		h.stopped("stuck", "x", time.Hour)
		h.stuck = "stuck"
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ctx := t.Context()
				if i == 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Second)
					defer cancel()
				}
				began := time.Now()
				ts, c := oneTask(fmt.Sprintf("app:%d", i))
				_, err := h.puller.Pull(ctx, ts, c)
				if took := time.Since(began); i == 0 && (err == nil || took > time.Second) || i > 0 && (err != nil || took != endLimit) {
					t.Errorf("%d: %v after %s", i, err, took)
				}
			})
		}
		wg.Wait()
	})
}

func TestDiskOfThisHost(t *testing.T) {
	for _, root := range []string{t.TempDir(), "/nosuch/docker"} {
		size, free, err := DiskOf(root)()
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		if err != nil || size < 1<<20 || free > size {
			t.Errorf("%s: %d of %d free, %v", root, free, size, err)
		}
	}
}

func TestPrepull(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	h := &fakeHost{}
	h.pull = func(_ context.Context, r docker.PullRequest) error {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			now--
		}()
		time.Sleep(time.Minute)
		if r.Image == "bad@"+digestA {
			return task.NewError(task.ErrCannotPullContainer, errors.New("unauthorized: no"))
		}
		return nil
	}
	images := []string{"a", "bad", "b", "c", "d:1"}
	for limit, want := range map[int]int{0: 3, 1: 1, 50: 3} {
		synctest.Test(t, func(t *testing.T) {
			h.calls, most = nil, 0
			p, store := newPuller(h, func(c *config.Config) { c.PrepullImages, c.MaxConcurrentPulls = images, limit })
			p.Prepull(t.Context())
			if most != want {
				t.Errorf("limit %d: %d at once", limit, most)
			}
			for _, image := range images {
				if n := h.count("manifest " + image); n != 1 {
					t.Errorf("%s: %d manifests asked for", image, n)
				}
				if pulled := p.records.pulled(image); pulled != (image != "bad") {
					t.Errorf("%s: recorded as pulled: %v", image, pulled)
				}
			}
			if len(store.saved) == 0 || !p.keeps([]string{"x", "docker.io/library/a:latest"}) || p.keeps([]string{"a:1", "d", "x"}) {
				t.Error("the wrong images are kept")
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			p.Prepull(ctx)
		})
	}
}

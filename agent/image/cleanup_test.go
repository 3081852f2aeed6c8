package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// cleaning is a cleaner with five hours of history.
type cleaning struct {
	*Cleaner
	host  *fakeHost
	store *fakeStore
	used  []*task.Task
}

func newCleaning(change ...func(*config.Config)) *cleaning {
	h := &fakeHost{}
	cfg := testConfig()
	for _, f := range change {
		f(cfg)
	}
	c := &cleaning{host: h, store: &fakeStore{}}
	c.Cleaner = NewCleaner(cfg, New(cfg, h, c.store, Auth{}), h, func() ([]string, []string) { return UsedBy(c.used) })
	return c
}

// add records an image that was pulled and last used so long ago.
func (c *cleaning) add(id string, pulled, used time.Duration, names ...string) {
	c.puller.records.byID[id] = &Record{Image: Identity{ImageID: id, Names: names}, PulledAt: time.Now().Add(-pulled), LastUsedAt: time.Now().Add(-used)}
	c.puller.records.save(c.puller.records.byID[id])
}

func (c *cleaning) removed() []string {
	var list []string
	for _, call := range c.host.made() {
		if name, ok := strings.CutPrefix(call, "remove "); ok {
			list = append(list, name)
		}
	}
	return list
}

func (c *cleaning) left() []string {
	var ids []string
	for _, r := range c.puller.records.all() {
		ids = append(ids, r.Image.ImageID)
	}
	slices.Sort(ids)
	return ids
}

// Between two cycles the order is that in which the last tasks with the images went.
func TestTheEndOfATaskIsTheLastUseOfItsImages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCleaning(func(c *config.Config) { c.NumImagesToDeletePerCycle = 1 })
		c.add("1", 5*time.Hour, 2*time.Hour, "one:1")
		c.add("2", 4*time.Hour, 3*time.Hour, "two:1")
		byID, byName := &task.Container{Image: "other", ImageID: "1"}, &task.Container{Image: "docker.io/library/two:1"}
		c.puller.Released(&task.Task{Containers: []*task.Container{byID}})
		time.Sleep(time.Minute)
		c.puller.Released(&task.Task{Containers: []*task.Container{byName}})
		c.cycle(t.Context())
		if diff := cmp.Diff([]string{"one:1"}, c.removed()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestUnusedImagesGoOldestFirst(t *testing.T) {
	c := newCleaning(func(c *config.Config) { c.NumImagesToDeletePerCycle = 2 })
	c.add("1", 5*time.Hour, 2*time.Hour, "one:1")
	c.add("2", 4*time.Hour, 4*time.Hour, "two:1", "two")
	c.add("3", 4*time.Hour, 3*time.Hour)
	c.add("4", 30*time.Minute, 30*time.Minute, "young:1")
	c.cycle(t.Context())
	if diff := cmp.Diff([]string{"two:1", "two", "3"}, c.removed()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1", "4"}, c.left()); diff != "" || c.store.saved["2"] != "" || c.store.saved["3"] != "" {
		t.Errorf("left: %s; saved %v", diff, c.store.saved)
	}
}

func TestImagesThatStay(t *testing.T) {
	c := newCleaning(func(c *config.Config) { c.ImageCleanupExclusionList = []string{"mine:1"} })
	_, byName := oneTask("docker.io/library/named")
	_, byID := oneTask("other:1")
	byID.ImageID = "2"
	c.used = []*task.Task{{Containers: []*task.Container{byName, byID}}}
	c.add("1", 5*time.Hour, 5*time.Hour, "named:latest")
	c.add("2", 5*time.Hour, 5*time.Hour, "was-this:1")
	c.add("3", 5*time.Hour, 5*time.Hour, "x:1", "mine:1")
	c.add("4", 5*time.Hour, 5*time.Hour, "amazon/amazon-ecs-pause:0.1.0")
	c.add("5", 5*time.Hour, 5*time.Hour, "my/pause:1")
	c.add("6", 5*time.Hour, 5*time.Hour, "amazon/amazon-ecs-agent:latest")
	c.add("7", 5*time.Hour, 5*time.Hour, "ebs-csi-driver:latest")
	c.Exclude("ebs-csi-driver:latest")
	c.add("8", 5*time.Hour, 5*time.Hour, "pulling:1")
	leave, err := c.puller.gate.enter(t.Context(), "pulling:1")
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	c.cycle(t.Context())
	if got := c.removed(); len(got) > 0 {
		t.Errorf("removed %v", got)
	}
	for id, used := range map[string]bool{"1": true, "2": true, "3": false} {
		if at := c.puller.records.byID[id].LastUsedAt; (time.Since(at) < time.Minute) != used {
			t.Errorf("image %s was last used at %s", id, at)
		}
	}
}

func TestTaskThatArrivesDuringTheCycle(t *testing.T) {
	c := newCleaning()
	c.add("1", 5*time.Hour, 5*time.Hour, "a:1")
	c.add("2", 5*time.Hour, 4*time.Hour, "b:1")
	c.host.remove = func(string) error {
		ts, _ := oneTask("b:1")
		c.used = append(c.used, ts)
		return nil
	}
	c.cycle(t.Context())
	if diff := cmp.Diff([]string{"a:1"}, c.removed()); diff != "" {
		t.Error(diff)
	}
	// Between the choice and the closing of the gate.
	record := *c.puller.records.byID["2"]
	if c.delete(t.Context(), record) || len(c.removed()) != 1 {
		t.Errorf("removed %v", c.removed())
	}
}

func TestImageThatCannotBeRemoved(t *testing.T) {
	c := newCleaning()
	c.add("1", 5*time.Hour, 5*time.Hour, "busy:1", "gone:1", "lost:1", "free:1")
	c.add("2", 5*time.Hour, 4*time.Hour, "b:1")
	c.host.remove = func(name string) error {
		switch name {
		case "busy:1":
			return errors.New("conflict: image is used by a container")
		case "gone:1":
			return notFound(name)
		case "lost:1":
			return errors.New("API error (404): no such image: x")
		}
		return nil
	}
	c.cycle(t.Context())
	if diff := cmp.Diff([]string{"busy:1", "gone:1", "lost:1", "free:1", "b:1"}, c.removed()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"busy:1"}, c.puller.records.byID["1"].Image.Names); diff != "" {
		t.Error(diff)
	}
}

func TestOnceForgetsRemovedImages(t *testing.T) {
	c := newCleaning(behaviour(config.ImagePullOnce))
	c.puller.records.use("a:1", docker.Image{ID: "1"}, true, time.Now().Add(-2*time.Hour))
	c.cycle(t.Context())
	if !c.puller.mustPull(t.Context(), "a:1") {
		t.Error("removed, but counts as pulled")
	}
}

func TestCleanupRunsOncePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCleaning()
		for i := range 12 {
			c.add(fmt.Sprint(i), 5*time.Hour, 5*time.Hour, fmt.Sprintf("a:%d", i))
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		for _, want := range []int{0, 5, 10, 12} {
			synctest.Wait()
			if got := len(c.removed()); got != want {
				t.Errorf("%d removed, want %d", got, want)
			}
			time.Sleep(30 * time.Minute)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCleanupThatIsOff(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"disabled": func(c *config.Config) { c.ImageCleanupDisabled = true }, "prefer-cached": behaviour(config.ImagePullPreferCached),
	} {
		if err := newCleaning(change).Run(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func untracked(c *config.Config) { c.DeleteNonECSImagesEnabled = true }

func TestUntrackedContainers(t *testing.T) {
	c := newCleaning(untracked, func(c *config.Config) { c.NumNonECSContainersToDeletePerCycle = 2 })
	old, young := time.Now().Add(-4*time.Hour), time.Now().Add(-time.Hour)
	c.host.containers = []task.ContainerState{
		{RuntimeID: "running", Status: task.ContainerRunning, CreatedAt: old},
		{RuntimeID: "ecs", Status: task.ContainerStopped, FinishedAt: old, Labels: map[string]string{task.LabelTaskARN: "arn"}},
		{RuntimeID: "young", Status: task.ContainerStopped, CreatedAt: old, FinishedAt: young},
		{RuntimeID: "just-created", Status: task.ContainerCreated, CreatedAt: young},
		{RuntimeID: "no-time", Status: task.ContainerStopped},
		{RuntimeID: "stuck", Status: task.ContainerStopped, FinishedAt: old},
		{RuntimeID: "old", Status: task.ContainerStopped, FinishedAt: old},
		{RuntimeID: "never-ran", Status: task.ContainerCreated, CreatedAt: old},
		{RuntimeID: "too-many", Status: task.ContainerStopped, FinishedAt: old},
	}
	c.host.removeCtr = func(id string) error {
		if id == "stuck" {
			return errors.New("busy")
		}
		return nil
	}
	c.cycle(t.Context())
	if diff := cmp.Diff([]string{"container stuck", "container old", "container never-ran"}, c.removed()); diff != "" {
		t.Error(diff)
	}
}

func TestUntrackedImages(t *testing.T) {
	old, young := time.Now().Add(-4*time.Hour), time.Now().Add(-time.Minute)
	c := newCleaning(untracked, func(c *config.Config) { c.ImageCleanupExclusionList = []string{"keep:1"} })
	_, used := oneTask("used:1")
	used.ImageID = "used-by-id"
	c.used = []*task.Task{{Containers: []*task.Container{used}}}
	c.add("tracked", time.Minute, time.Minute, "t:1")
	c.add("tracked-old", 4*time.Hour, 4*time.Hour, "o:1")
	c.host.images = []docker.Image{
		{ID: "big", Tags: []string{"big:1"}, Size: 100, Created: old},
		{ID: "two", Tags: []string{"two:1", "two:2"}, Size: 50, Created: old},
		{ID: "dangling", Size: 10},
		{ID: "young", Tags: []string{"young:1"}, Size: 1, Created: young},
		{ID: "keep", Tags: []string{"keep:1", "keep:2"}, Size: 1, Created: old},
		{ID: "tracked", Tags: []string{"t:1"}, Size: 1, Created: old},
		{ID: "used-by-id", Tags: []string{"u:1"}, Size: 1, Created: old},
		{ID: "used-by-name", Tags: []string{"docker.io/library/used:1"}, Size: 1, Created: old},
		{ID: "stuck", Tags: []string{"stuck:1"}, Size: 2, Created: old},
		{ID: "huge", Tags: []string{"huge:1"}, Size: 1000, Created: old},
	}
	c.host.remove = func(name string) error {
		if name == "stuck" {
			return errors.New("conflict")
		}
		return nil
	}
	// Quota 5: one recorded image, then dangling, both names of "two", and the big one; "stuck" does not count.
	c.cycle(t.Context())
	if diff := cmp.Diff([]string{"o:1", "stuck", "dangling", "two:1", "two:2", "big"}, c.removed()); diff != "" {
		t.Error(diff)
	}
}

func TestQuotaUsedUpByTrackedImages(t *testing.T) {
	c := newCleaning(untracked, func(c *config.Config) { c.NumImagesToDeletePerCycle = 1 })
	c.add("1", 4*time.Hour, 4*time.Hour, "a:1")
	c.host.images = []docker.Image{{ID: "2"}}
	c.cycle(t.Context())
	if diff := cmp.Diff([]string{"a:1"}, c.removed()); diff != "" {
		t.Error(diff)
	}
}

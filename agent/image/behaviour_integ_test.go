//go:build integration

package image

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// TestBehavioursWithARegistry takes one image through every ECS_IMAGE_PULL_BEHAVIOR: not on the host, on the host, a new
// version in the registry, and a registry that does not let the agent in.
func TestBehavioursWithARegistry(t *testing.T) {
	for behavior, want := range map[config.ImagePullBehavior]struct{ bakedIsPulled, again bool }{
		config.ImagePullDefault:      {true, true},
		config.ImagePullAlways:       {true, true},
		config.ImagePullOnce:         {true, false},
		config.ImagePullPreferCached: {false, false},
	} {
		t.Run(behavior.String(), func(t *testing.T) {
			registry := dockertest.StartRegistry(t, true)
			open := func(c *config.Config) {
				c.EngineAuthType = "docker"
				c.EngineAuthData = config.NewSecret([]byte(`{"` + registry.Addr + `":{"username":"` + dockertest.User + `","password":"` + dockertest.Password + `"}}`))
			}
			name := registry.Push(t, dockertest.Name("app")+":1", "VERSION=1")
			p, c := realPuller(t, behaviour(behavior), open)
			m, got, err := bring(t, p, name)
			if err != nil || m.Digest == "" || got.ImageID == "" || got.StartedAt.IsZero() {
				t.Fatalf("not on the host: %+v, %+v, %v", m, got, err)
			}
			dockertest.RemoveImage(t, got.ImageID) // the new version will take its name
			m2, again, err := bring(t, p, name)
			if err != nil || m2 != m || again.ImageID != got.ImageID || again.StartedAt.IsZero() == want.again {
				t.Errorf("on the host: %+v, %+v, %v", m2, again, err)
			}
			// On the host, but not brought by the agent.
			fresh, _ := realPuller(t, behaviour(behavior), open)
			if _, baked, err := bring(t, fresh, name); err != nil || baked.ImageID != got.ImageID || baked.StartedAt.IsZero() == want.bakedIsPulled {
				t.Errorf("baked: %+v, %v", baked, err)
			}
			// The registry says no.
			shut, _ := realPuller(t, behaviour(behavior))
			shut.records = p.records
			_, manifestErr := shut.ResolveManifest(t.Context(), onlyTask(name), onlyContainer(name))
			kept, pullErr := shut.Pull(t.Context(), onlyTask(name), onlyContainer(name))
			if kept.ImageID != got.ImageID || (manifestErr != nil) != want.again || (pullErr != nil) != want.again {
				t.Errorf("shut: %v; %+v, %v", manifestErr, kept, pullErr)
			}
			if want.again && (!strings.HasPrefix(manifestErr.Error(), "CannotPullImageManifestError: ") || !strings.HasPrefix(pullErr.Error(), "CannotPullContainerError: ")) {
				t.Errorf("shut: %v; %v", manifestErr, pullErr)
			}
			// A new version under the old name. Pushing it takes the name from this host.
			registry.Push(t, strings.TrimPrefix(name, registry.Addr+"/"), "VERSION=2")
			p.local.forget()
			m3, newer, err := bring(t, p, name)
			switch {
			case behavior == config.ImagePullOnce: // the agent brought it once; that it is gone shows at create
				if newer.ImageID != "" || task.ErrorName(err) != task.ErrCannotPullImageManifest {
					t.Errorf("new version: %+v, %+v, %v", m3, newer, err)
				}
			case err != nil || newer.ImageID == got.ImageID || m3 == m:
				t.Errorf("new version: %+v, %+v, %v", m3, newer, err)
			default:
				if i, err := c.InspectImage(t.Context(), name); err != nil || i.ID != newer.ImageID {
					t.Errorf("the name still means %+v, %v", i, err)
				}
			}
		})
	}
}

func onlyTask(image string) *task.Task {
	t, _ := oneTask(image)
	return t
}

func onlyContainer(image string) *task.Container {
	_, c := oneTask(image)
	return c
}

func TestConcurrentPullsFromARegistry(t *testing.T) {
	registry := dockertest.StartRegistry(t, false)
	name := registry.Push(t, dockertest.Name("app")+":1", "X=3")
	p, _ := realPuller(t)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if _, got, err := bring(t, p, name); err != nil || got.ImageID == "" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	wg.Wait()
}

// TestRoomOnTheEngine makes room by removing what the agent brought, and nothing else.
func TestRoomOnTheEngine(t *testing.T) {
	registry := dockertest.StartRegistry(t, false)
	old := registry.Push(t, dockertest.Name("old")+":1", "X=4")
	young := registry.Push(t, dockertest.Name("young")+":1", "X=5")
	other := dockertest.Name("amazon/ecs-agent-test") + ":other"
	dockertest.Load(t, dockertest.Tar(t, other, "X=6"))
	dockertest.RemoveImage(t, other)

	p, c := realPuller(t, func(c *config.Config) { c.PrepullImages = []string{young} })
	p.Prepull(t.Context())
	if _, _, err := bring(t, p, old); err != nil {
		t.Fatal(err)
	}
	info, err := c.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	real := DiskOf(info.DataRoot)
	size, free, err := real()
	if err != nil || size == 0 || free == 0 || free > size {
		t.Fatalf("%s: %d of %d free, %v", info.DataRoot, free, size, err)
	}
	cleaner := NewCleaner(testConfig(), p, c, func() (ids, names []string) { return nil, nil })
	cleaner.KeepFree(config.FreeSpace{Bytes: size + 1}, real, noTasks{}) // more than there can be
	cleaner.space.ensure(t.Context())
	if _, err := c.InspectImage(t.Context(), old); !docker.IsNotFound(err) {
		t.Errorf("the unused image: %v", err)
	}
	for _, image := range []string{young, other} {
		if _, err := c.InspectImage(t.Context(), image); err != nil {
			t.Errorf("%s: %v", image, err)
		}
	}
}

type noTasks struct{}

func (noTasks) Tasks() []*task.Task                   { return nil }
func (noTasks) CleanUp(context.Context, string) error { return nil }

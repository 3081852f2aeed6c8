//go:build integration

package image

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	dockerimage "github.com/docker/docker/api/types/image"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func realEngine(t *testing.T) *docker.Client {
	t.Helper()
	c, err := docker.Connect(t.Context(), dockertest.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// realPuller gives a Puller on the real engine.
func realPuller(t *testing.T, change ...func(*config.Config)) (*Puller, *docker.Client) {
	t.Helper()
	cfg := testConfig()
	for _, f := range change {
		f(cfg)
	}
	c := realEngine(t)
	return New(cfg, c, &fakeStore{}, Auth{}), c
}

// bring takes a container through both image steps.
func bring(t *testing.T, p *Puller, image string) (task.Manifest, task.PullResult, error) {
	t.Helper()
	ts, c := oneTask(image)
	m, err := p.ResolveManifest(t.Context(), ts, c)
	if err != nil {
		return m, task.PullResult{}, err
	}
	c.ImageDigest = m.Digest
	got, err := p.Pull(t.Context(), ts, c)
	return m, got, err
}

func TestPullByDigestKeepsTheName(t *testing.T) {
	registry := dockertest.StartRegistry(t, false)
	name := registry.Push(t, dockertest.Name("app")+":1", "AWS_REGION=here")
	p, c := realPuller(t)
	m, got, err := bring(t, p, name)
	if err != nil || m.Digest == "" || got.ImageID == "" || got.StartedAt.IsZero() {
		t.Fatalf("%+v, %+v, %v", m, got, err)
	}
	found, err := c.InspectImage(t.Context(), name)
	if err != nil || found.ID != got.ImageID || len(found.RepoDigests) != 1 || !strings.HasSuffix(found.RepoDigests[0], "@"+m.Digest) {
		t.Errorf("%+v, %v", found, err)
	}
	_, ct := oneTask(name)
	if !p.SetsRegion(ct) {
		t.Error("the image's variables were not seen")
	}
	// A reference with tag and digest.
	if m, got, err = bring(t, p, name+"@"+m.Digest); err != nil || got.ImageID != found.ID {
		t.Errorf("%+v, %+v, %v", m, got, err)
	}
}

func TestMissingImageFailsAtOnce(t *testing.T) {
	registry := dockertest.StartRegistry(t, false)
	p, _ := realPuller(t)
	start := time.Now()
	_, _, err := bring(t, p, registry.Addr+"/nosuch:1")
	if want := "CannotPullImageManifestError: Error response from daemon: manifest unknown: manifest unknown"; text(err) != want {
		t.Error(err)
	}
	ts, c := oneTask(registry.Addr + "/nosuch:1")
	if _, err = p.Pull(t.Context(), ts, c); err == nil || !strings.HasPrefix(err.Error(), "CannotPullContainerError: ") {
		t.Error(err)
	}
	if _, _, err = bring(t, p, "BAD/Name"); text(err) != "CannotPullImageManifestError: Error response from daemon: invalid reference format: repository name must be lowercase" {
		t.Logf("newer daemons word it differently: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestRegistryWithPasswords(t *testing.T) {
	registry := dockertest.StartRegistry(t, true)
	name := registry.Push(t, dockertest.Name("app")+":1", "X=1")
	for _, tt := range []struct {
		kind, data string
		works      bool
	}{
		{"docker", `{"` + registry.Addr + `":{"username":"user","password":"secret"}}`, true},
		{"dockercfg", `{"` + registry.Addr + `":{"auth":"dXNlcjpzZWNyZXQ="}}`, true},
		{"dockercfg", `{"` + registry.Addr + `":{"auth":"dXNlcjp3cm9uZw=="}}`, false}, // user:wrong
		{"", "", false},
	} {
		p, _ := realPuller(t, func(c *config.Config) {
			c.EngineAuthType, c.EngineAuthData = tt.kind, config.NewSecret([]byte(tt.data))
		})
		start := time.Now()
		_, got, err := bring(t, p, name)
		if works := err == nil && got.ImageID != ""; works != tt.works {
			t.Errorf("%s %s: %+v, %v", tt.kind, tt.data, got, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s %s took %s", tt.kind, tt.data, took)
		}
	}
}

func TestCachedImagesOfTheEngine(t *testing.T) {
	name := dockertest.Name("amazon/ecs-agent-test") + ":1"
	dockertest.Load(t, dockertest.Tar(t, name))
	dockertest.RemoveImage(t, name)
	p, _ := realPuller(t, behaviour(config.ImagePullPreferCached))
	m, got, err := bring(t, p, name)
	if err != nil || m.Digest != "" || got.ImageID == "" || !got.StartedAt.IsZero() {
		t.Errorf("%+v, %+v, %v", m, got, err)
	}
}

func TestRemovedImageIsGoneForGood(t *testing.T) {
	registry := dockertest.StartRegistry(t, false)
	name := registry.Push(t, dockertest.Name("app")+":1", "X=2")
	p, c := realPuller(t, behaviour(config.ImagePullOnce), func(c *config.Config) { c.MinimumImageDeletionAge = 0 })
	_, got, err := bring(t, p, name)
	if err != nil {
		t.Fatal(err)
	}
	ts, used := oneTask(name)
	used.ImageID = got.ImageID
	tasks := []*task.Task{ts}
	cleaner := NewCleaner(testConfig(), p, c, func() ([]string, []string) { return UsedBy(tasks) })
	cleaner.minimumAge = 0
	cleaner.cycle(t.Context())
	if _, err := c.InspectImage(t.Context(), name); err != nil {
		t.Errorf("the image of a task was removed: %v", err)
	}
	tasks = nil
	// A container of somebody else still uses it: it stays, and is tried again in the next cycle.
	id, err := c.Create(t.Context(), docker.CreateRequest{Name: dockertest.Name("ecs-test"), Limit: time.Minute,
		Config: &container.Config{Image: name}, HostConfig: &container.HostConfig{}})
	if err != nil {
		t.Fatal(err)
	}
	cleaner.cycle(t.Context())
	if _, err := c.InspectImage(t.Context(), got.ImageID); err != nil {
		t.Errorf("the image of a container was removed: %v", err)
	}
	if err := c.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	cleaner.cycle(t.Context())
	if _, err := c.InspectImage(t.Context(), got.ImageID); !docker.IsNotFound(err) {
		t.Errorf("error %v", err)
	}
	if !p.mustPull(t.Context(), name) || len(p.records.all()) > 0 {
		t.Error("the record is still there")
	}
	if _, got, err = bring(t, p, name); err != nil || got.StartedAt.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

type countingLoader struct {
	Loader
	loads int
}

func (c *countingLoader) LoadImage(ctx context.Context, tar io.Reader) error {
	c.loads++
	return c.Loader.LoadImage(ctx, tar)
}

func TestLoadTarIntoTheEngine(t *testing.T) {
	name := dockertest.Name("amazon/ecs-agent-test") + ":1"
	dockertest.RemoveImage(t, name)
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, dockertest.Tar(t, name), 0o600); err != nil {
		t.Fatal(err)
	}
	c := realEngine(t)
	if err := LoadTar(t.Context(), c, path, "amazon/other:1"); err == nil || !strings.HasPrefix(err.Error(), "container load: failed to inspect image: amazon/other:1, : ") {
		t.Error(err)
	}
	if _, err := dockertest.SDK(t).ImageRemove(t.Context(), name, dockerimage.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, loads := range []int{1, 0} {
		counting := &countingLoader{Loader: c}
		if err := LoadTar(t.Context(), counting, path, name); err != nil || counting.loads != loads {
			t.Errorf("%d loads, want %d: %v", counting.loads, loads, err)
		}
	}
	if err := os.WriteFile(path, dockertest.Tar(t, name, "NEW=1"), 0o600); err != nil { // an update of the agent brings another
		t.Fatal(err)
	}
	counting := &countingLoader{Loader: c}
	if err := LoadTar(t.Context(), counting, path, name); err != nil || counting.loads != 1 {
		t.Errorf("another image: %d loads: %v", counting.loads, err)
	}
	if err := os.WriteFile(path, []byte("no tar"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := LoadTar(t.Context(), c, path, name); err == nil || !strings.HasPrefix(err.Error(), "container load: failed to load container image: ") {
		t.Error(err)
	}
}

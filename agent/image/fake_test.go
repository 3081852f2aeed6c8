package image

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	digestA = "sha256:c3839dd800b9eb7603340509769c43e146a74c63dca3045a8e7dc8ee07e53966"
	digestB = "sha256:c5b1261d6d3e43071626931fc004f70149baeba2c8ec672bd4f27761f8e1ad6b"
)

// fakeHost is a Docker engine with a registry behind it. The functions, where set, take over a call.
type fakeHost struct {
	mu         sync.Mutex
	images     []docker.Image // on the host
	containers []task.ContainerState
	calls      []string

	manifest  func(ctx context.Context, image string, auth docker.Auth) (docker.Manifest, error)
	pull      func(ctx context.Context, r docker.PullRequest) error
	tag       func(source, target string) error
	inspect   func(name string) (docker.Image, error)
	remove    func(name string) error
	removeCtr func(id string) error
	loaded    []byte
}

func notFound(what string) error {
	return &classified{"Error response from daemon: No such image: " + what, errdefs.ErrNotFound}
}

// named knows all spellings of a name, like Docker.
func named(i docker.Image, name string) bool {
	return slices.ContainsFunc(i.Tags, func(tag string) bool { return normal(tag) == normal(name) })
}

// classified is an error of the kind that the daemon's HTTP status makes.
type classified struct {
	text  string
	class error
}

func (e *classified) Error() string        { return e.text }
func (e *classified) Is(target error) bool { return target == e.class }

func (h *fakeHost) note(call string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, call)
}

func (h *fakeHost) made() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

func (h *fakeHost) count(call string) int {
	n := 0
	for _, c := range h.made() {
		if c == call {
			n++
		}
	}
	return n
}

func (h *fakeHost) Manifest(ctx context.Context, image string, auth docker.Auth) (docker.Manifest, error) {
	h.note("manifest " + image)
	if h.manifest != nil {
		return h.manifest(ctx, image, auth)
	}
	return docker.Manifest{Digest: digestA, MediaType: "application/vnd.oci.image.index.v1+json"}, nil
}

func (h *fakeHost) Pull(ctx context.Context, r docker.PullRequest) error {
	h.note("pull " + r.Image)
	if h.pull != nil {
		if err := h.pull(ctx, r); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.images = append(h.images, docker.Image{ID: "sha256:1", Tags: []string{r.Image}, Size: 5, Env: []string{"AWS_REGION=x"}})
	return nil
}

func (h *fakeHost) TagImage(_ context.Context, source, target string) error {
	h.note("tag " + source + " " + target)
	if h.tag != nil {
		return h.tag(source, target)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.images {
		if named(h.images[i], source) {
			h.images[i].Tags = append(h.images[i].Tags, target)
			return nil
		}
	}
	return notFound(source)
}

func (h *fakeHost) InspectImage(_ context.Context, name string) (docker.Image, error) {
	h.note("inspect " + name)
	if h.inspect != nil {
		return h.inspect(name)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range h.images {
		if i.ID == name || named(i, name) {
			return i, nil
		}
	}
	return docker.Image{}, notFound(name)
}

func (h *fakeHost) ListImages(context.Context) ([]docker.Image, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.images), nil
}

func (h *fakeHost) RemoveImage(_ context.Context, name string) error {
	h.note("remove " + name)
	if h.remove != nil {
		return h.remove(name)
	}
	return nil
}

func (h *fakeHost) ListAll(context.Context) ([]task.ContainerState, error) { return h.containers, nil }

func (h *fakeHost) Inspect(_ context.Context, id string) (*task.ContainerState, error) {
	for i := range h.containers {
		if h.containers[i].RuntimeID == id {
			return &h.containers[i], nil
		}
	}
	return nil, errors.New("no such container")
}

func (h *fakeHost) Remove(_ context.Context, id string) error {
	h.note("remove container " + id)
	if h.removeCtr != nil {
		return h.removeCtr(id)
	}
	return nil
}

func (h *fakeHost) LoadImage(_ context.Context, tar io.Reader) (err error) {
	h.loaded, err = io.ReadAll(tar)
	return err
}

// fakeStore keeps encoded records.
type fakeStore struct {
	mu    sync.Mutex
	saved map[string]string
	saves int
}

func (s *fakeStore) SaveImage(id string, record any) error {
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.saved == nil {
		s.saved = map[string]string{}
	}
	s.saved[id] = string(data)
	s.saves++
	return nil
}

func (s *fakeStore) DeleteImage(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.saved, id)
}

func (s *fakeStore) LoadImages(decode func(id string, record []byte) error) error {
	for id, data := range s.saved {
		if err := decode(id, []byte(data)); err != nil {
			return err
		}
	}
	return nil
}

func testConfig() *config.Config {
	return &config.Config{
		ImagePullTimeout: 2 * time.Hour, ManifestPullTimeout: time.Minute, ImagePullInactivityTimeout: time.Minute,
		ImageCleanupInterval: 30 * time.Minute, MinimumImageDeletionAge: time.Hour, NonECSMinimumImageDeletionAge: time.Hour,
		NumImagesToDeletePerCycle: 5, NumNonECSContainersToDeletePerCycle: 5, TaskCleanupWaitDuration: 3 * time.Hour,
		PauseContainerImageName: "my/pause", PauseContainerTag: "1",
	}
}

func newPuller(h *fakeHost, change ...func(*config.Config)) (*Puller, *fakeStore) {
	cfg := testConfig()
	for _, f := range change {
		f(cfg)
	}
	store := &fakeStore{}
	return New(cfg, h, store, Auth{}), store
}

func behaviour(b config.ImagePullBehavior) func(*config.Config) {
	return func(c *config.Config) { c.ImagePullBehavior = b }
}

func oneTask(image string) (*task.Task, *task.Container) {
	c := &task.Container{Name: "c", Image: image}
	return &task.Task{ARN: "arn:aws:ecs:us-west-2:123456789012:task/c/abc", Desired: task.Running, Containers: []*task.Container{c}}, c
}

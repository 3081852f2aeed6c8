//go:build integration

package docker_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
)

func TestEngineFacts(t *testing.T) {
	c := connect(t)
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	info, err := c.Info(t.Context())
	if err != nil || info.OSType != "linux" || info.CPUs == 0 || info.Memory == 0 || !slices.Contains(info.Runtimes, "runc") {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := c.VolumePlugins(t.Context()); err != nil {
		t.Error(err)
	}
	if c.Server().Version == "" || !c.Supports("1.35") || c.Supports("1.16") || c.Supports("1.45") {
		t.Errorf("server %+v, versions %v", c.Server(), c.CapabilityVersions())
	}
	if _, err := c.ServerAtLeast(18, 9, 0); err != nil {
		t.Error(err)
	}
}

func TestVolumesOfTheEngine(t *testing.T) {
	c := connect(t)
	name := dockertest.Name("ecs-test")
	if _, err := c.InspectVolume(t.Context(), name); !docker.IsNotFound(err) {
		t.Errorf("error %v", err)
	}
	made, err := c.CreateVolume(t.Context(), docker.Volume{Name: name, Labels: map[string]string{"a": "b"}})
	if err != nil || made.Driver != "local" || made.Mountpoint == "" {
		t.Fatalf("%+v, %v", made, err)
	}
	if found, err := c.InspectVolume(t.Context(), name); err != nil || found.Labels["a"] != "b" || found.Mountpoint != made.Mountpoint {
		t.Errorf("%+v, %v", found, err)
	}
	for range 2 {
		if err := c.RemoveVolume(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
}

func TestImagesOfTheEngine(t *testing.T) {
	c := connect(t)
	name := dockertest.Name("amazon/ecs-agent-test") + ":1"
	if err := c.LoadImage(t.Context(), bytes.NewReader(dockertest.Tar(t, name, "A=b"))); err != nil {
		t.Fatal(err)
	}
	dockertest.RemoveImage(t, name)
	found, err := c.InspectImage(t.Context(), name)
	if err != nil || !slices.Contains(found.Env, "A=b") || found.Size == 0 || !slices.Equal(found.Tags, []string{name}) || !found.Created.Equal(time.Unix(1700000000, 0)) {
		t.Fatalf("%+v, %v", found, err)
	}
	list, err := c.ListImages(t.Context())
	if err != nil || !slices.ContainsFunc(list, func(i docker.Image) bool {
		return i.ID == found.ID && i.Created.Equal(found.Created) && slices.Equal(i.Tags, found.Tags)
	}) {
		t.Errorf("%+v, %v", list, err)
	}
	other := dockertest.Name("amazon/ecs-agent-test")
	if err := c.TagImage(t.Context(), name, other); err != nil {
		t.Fatal(err)
	}
	dockertest.RemoveImage(t, other)
	for _, n := range []string{other + ":latest", name} {
		if err := c.RemoveImage(t.Context(), n); err != nil {
			t.Error(err)
		}
	}
	if err := c.RemoveImage(t.Context(), found.ID); !docker.IsNotFound(err) {
		t.Errorf("error %v", err)
	}
	if err := c.LoadImage(t.Context(), strings.NewReader("this is no tar file")); err == nil {
		t.Error("loaded nonsense")
	}
}

func TestPullFromARegistry(t *testing.T) {
	c := connect(t)
	registry := dockertest.StartRegistry(t, false)
	name := registry.Push(t, dockertest.Name("app")+":1", "X=1")
	manifest, err := c.Manifest(t.Context(), name, docker.Auth{})
	if err != nil || !strings.HasPrefix(manifest.Digest, "sha256:") || manifest.MediaType == "" {
		t.Fatalf("%+v, %v", manifest, err)
	}
	repository, _, _ := strings.Cut(strings.TrimPrefix(name, registry.Addr), ":")
	byDigest := registry.Addr + repository + "@" + manifest.Digest
	if err := c.Pull(t.Context(), docker.PullRequest{Image: byDigest, Inactivity: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if err := c.TagImage(t.Context(), byDigest, name); err != nil {
		t.Fatal(err)
	}
	found, err := c.InspectImage(t.Context(), name)
	if err != nil || !slices.Contains(found.Env, "X=1") || !slices.Contains(found.RepoDigests, byDigest) {
		t.Errorf("%+v, %v", found, err)
	}
	missing := registry.Addr + "/nosuch:1"
	_, err = c.Manifest(t.Context(), missing, docker.Auth{})
	if !docker.IsNotFound(err) || err.Error() != "Error response from daemon: manifest unknown: manifest unknown" {
		t.Errorf("error %v", err)
	}
	if err := c.Pull(t.Context(), docker.PullRequest{Image: missing, Inactivity: time.Minute}); !docker.IsNotFound(err) {
		t.Errorf("error %v", err)
	}
	if _, err := c.Manifest(t.Context(), "BAD/Name", docker.Auth{}); !docker.IsRefused(err) {
		t.Errorf("error %v", err)
	}
}

func TestPullWithCredentials(t *testing.T) {
	c := connect(t)
	registry := dockertest.StartRegistry(t, true)
	name := registry.Push(t, dockertest.Name("app")+":1", "X=2")
	for want, auth := range map[string]docker.Auth{
		"no basic auth credentials":             {},
		"unauthorized: authentication required": {Username: dockertest.User, Password: "wrong"},
	} {
		if _, err := c.Manifest(t.Context(), name, auth); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("manifest: error %v, want %s", err, want)
		}
		err := c.Pull(t.Context(), docker.PullRequest{Image: name, Auth: auth, Inactivity: time.Minute})
		if err == nil || !strings.HasPrefix(err.Error(), "CannotPullContainerError: Error response from daemon: ") || strings.Contains(err.Error(), "wrong") {
			t.Errorf("pull: error %v", err)
		}
	}
	if err := c.Pull(t.Context(), docker.PullRequest{Image: name, Auth: docker.Auth{Username: dockertest.User, Password: dockertest.Password}, Inactivity: time.Minute}); err != nil {
		t.Error(err)
	}
}

func TestNoEngine(t *testing.T) {
	if _, err := docker.Connect(t.Context(), "tcp://127.0.0.1:1"); !errors.Is(err, docker.ErrNoDaemon) ||
		!strings.Contains(err.Error(), "Cannot connect to the Docker daemon at tcp://127.0.0.1:1. Is the docker daemon running?") {
		t.Errorf("error %v", err)
	}
}

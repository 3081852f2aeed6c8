// Package dockertest helps tests that need a real Docker engine: a tiny image that is built without a network, unique
// names, and a registry on the loopback interface.
package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Endpoint is the engine that tests use: DOCKER_HOST, or the usual socket.
func Endpoint() string {
	if host := os.Getenv(client.EnvOverrideHost); host != "" {
		return host
	}
	return client.DefaultDockerHost
}

// SDK is a plain Docker client, to look at the engine in another way than the code under test does.
func SDK(t testing.TB) *client.Client {
	t.Helper()
	api, err := client.NewClientWithOpts(client.WithHost(Endpoint()), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	return api
}

// Name makes a name that no other test uses.
func Name(prefix string) string { return prefix + "-" + strconv.FormatUint(rand.Uint64(), 36) }

// app is the program of the image, linked statically.
var app = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "dockertest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "github.com/aws/amazon-ecs-agent/agent/docker/dockertest/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// Tar is an image file (docker save) of an image name that runs /app, with the given environment. Different
// environments give different images.
func Tar(t testing.TB, name string, env ...string) []byte {
	t.Helper()
	program, err := app()
	if err != nil {
		t.Fatalf("building the test program: %v", err)
	}
	layer := archive(t, map[string][]byte{"app": program})
	sum := sha256.Sum256(layer)
	config := marshal(t, map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": time.Unix(1700000000, 0).UTC(),
		"config": map[string]any{"Entrypoint": []string{"/app"}, "Cmd": []string{"wait"}, "Env": env},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	manifest := marshal(t, []map[string]any{{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	return archive(t, map[string][]byte{"config.json": config, "manifest.json": manifest, "layer.tar": layer})
}

func archive(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Image puts an image onto the engine whose entry point is /app (see the command app) with the command "wait", and
// returns its name. It goes with the test.
func Image(t testing.TB) string {
	t.Helper()
	name := Name("amazon/ecs-agent-test") + ":app"
	Load(t, Tar(t, name))
	RemoveImage(t, name)
	return name
}

// Load loads an image file.
func Load(t testing.TB, tar []byte) {
	t.Helper()
	answer, err := SDK(t).ImageLoad(t.Context(), bytes.NewReader(tar))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
}

// RemoveImage removes a name at the end of the test.
func RemoveImage(t testing.TB, name string) {
	t.Helper()
	api := SDK(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, _ = api.ImageRemove(ctx, name, image.RemoveOptions{Force: true})
	})
}

// RemoveContainers removes the containers whose names hold a text, at the end of the test and past the agent.
func RemoveContainers(t testing.TB, text string) {
	t.Helper()
	api := SDK(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		list, err := api.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("name", text))})
		if err != nil {
			t.Error(err)
		}
		for _, c := range list {
			if err := api.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true}); err != nil {
				t.Error(err)
			}
		}
	})
}

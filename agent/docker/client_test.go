package docker

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestConnectAsksOnce(t *testing.T) {
	d := newFakeDaemon(t)
	c, err := d.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Server() != (Server{Version: "20.10.24", APIVersion: "1.41", MinAPIVersion: "1.12", OS: "linux", Arch: "amd64", KernelVersion: "6.1"}) {
		t.Errorf("server %+v", c.Server())
	}
	if c.MinimumAPIVersion() != "1.21" || len(c.APIVersions()) != 41-17+1 {
		t.Errorf("minimum %s of %v", c.MinimumAPIVersion(), c.APIVersions())
	}
	if modern, err := c.ServerAtLeast(20, 10, 0); err != nil || !modern {
		t.Errorf("ServerAtLeast: %v, %v", modern, err)
	}
	if len(d.calls) != 2 || len(d.made("HEAD /_ping")) != 1 || len(d.made("GET /version")) != 1 || d.calls[1].version != "1.41" {
		t.Errorf("calls %+v", d.calls)
	}
}

func TestConnectToOtherDaemons(t *testing.T) {
	for _, tt := range []struct {
		name, ping, version string
		status              int
		want                error
		asked               string
	}{
		{name: "engine 28 is used at 1.44", ping: "1.51", version: `{"Version":"28.5.2","ApiVersion":"1.51","MinAPIVersion":"1.24"}`, status: 200, asked: "1.44"},
		{name: "an engine before 1.13 does not say its version to a ping", ping: "", version: `{"Version":"1.9.1","ApiVersion":"1.21"}`, status: 200, asked: "1.21"},
		{name: "too old, said at once", ping: "1.20", want: ErrDaemonTooOld},
		{name: "too old, found out", ping: "", version: `{"message":"client is newer than server"}`, status: 400, want: ErrDaemonTooOld, asked: "1.21"},
		{name: "too new", ping: "1.60", version: `{"message":"client version 1.44 is too old"}`, status: 400, want: ErrDaemonTooNew, asked: "1.44"},
		{name: "broken", ping: "1.41", version: `{"message":"oops"}`, status: 500, want: ErrNoDaemon, asked: "1.41"},
		{name: "not Docker", ping: "1.41", version: `<html>`, status: 200, want: ErrNoDaemon, asked: "1.41"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			d.on("HEAD /_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", tt.ping) })
			d.answer("GET /version", tt.status, tt.version)
			c, err := d.connect(t.Context())
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if tt.want == nil {
				c.Close()
			}
			asked := ""
			if calls := d.made("GET /version"); len(calls) > 0 {
				asked = calls[0].version
			}
			if asked != tt.asked {
				t.Errorf("asked at version %q, want %q", asked, tt.asked)
			}
		})
	}
}

func TestConnectWithoutDaemon(t *testing.T) {
	_, err := Connect(t.Context(), "unix://"+t.TempDir()+"/none.sock")
	if !errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), "Cannot connect to the Docker daemon at unix://") {
		t.Errorf("error %v", err)
	}
	for _, endpoint := range []string{"", "nonsense", "unix://"} {
		if _, err := Connect(t.Context(), endpoint); !errors.Is(err, ErrNoDaemon) {
			t.Errorf("%q: error %v", endpoint, err)
		}
	}
}

// TestHungDaemon checks that every call ends, when it should and with the error users know.
func TestHungDaemon(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		route string
		call  func(*Client) error
		after time.Duration
		want  string
	}{
		{"HEAD /_ping", func(c *Client) error { return c.Ping(ctx) }, 5 * time.Second,
			"DockerTimeoutError: Could not transition to listing; timed out after waiting 5s"},
		{"POST /containers/create", func(c *Client) error {
			_, err := c.Create(ctx, createRequest())
			return err
		}, 4 * time.Minute, "DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s"},
		{"POST /containers/x/start", func(c *Client) error {
			_, err := c.Start(ctx, "x", "", 3*time.Minute)
			return err
		}, 3 * time.Minute, "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s"},
		{"GET /containers/x/json", func(c *Client) error {
			_, err := c.Inspect(ctx, "x")
			return err
		}, 30 * time.Second, "DockerTimeoutError: Could not transition to inspecting; timed out after waiting 30s"},
		{"DELETE /containers/x", func(c *Client) error { return c.Remove(ctx, "x") }, 5 * time.Minute,
			"DockerTimeoutError: Could not transition to removing; timed out after waiting 5m0s"},
		{"GET /containers/json", func(c *Client) error {
			_, err := c.List(ctx)
			return err
		}, 10 * time.Minute, "DockerTimeoutError: Could not transition to listing; timed out after waiting 10m0s"},
		{"GET /images/json", func(c *Client) error {
			_, err := c.ListImages(ctx)
			return err
		}, 10 * time.Minute, "DockerTimeoutError: Could not transition to listing; timed out after waiting 10m0s"},
		{"GET /images/x/json", func(c *Client) error {
			_, err := c.InspectImage(ctx, "x")
			return err
		}, 30 * time.Second, "DockerTimeoutError: Could not transition to inspecting; timed out after waiting 30s"},
		{"DELETE /images/x", func(c *Client) error { return c.RemoveImage(ctx, "x") }, 3 * time.Minute,
			"DockerTimeoutError: Could not transition to removing image; timed out after waiting 3m0s"},
		{"POST /images/load", func(c *Client) error { return c.LoadImage(ctx, strings.NewReader("tar")) }, 2 * time.Minute,
			"DockerTimeoutError: Could not transition to loading image; timed out after waiting 2m0s"},
		{"POST /images/create", func(c *Client) error { return c.Pull(ctx, PullRequest{Image: "x", Inactivity: time.Minute}) }, 5 * time.Minute,
			"DockerTimeoutError: Could not transition to pullBegin; timed out after waiting 5m0s"},
		{"POST /volumes/create", func(c *Client) error {
			_, err := c.CreateVolume(ctx, Volume{Name: "v"})
			return err
		}, 5 * time.Minute, "DockerTimeoutError: Could not transition to creating volume; timed out after waiting 5m0s"},
		{"GET /volumes/v", func(c *Client) error {
			_, err := c.InspectVolume(ctx, "v")
			return err
		}, 5 * time.Minute, "DockerTimeoutError: Could not transition to inspecting volume; timed out after waiting 5m0s"},
		{"DELETE /volumes/v", func(c *Client) error { return c.RemoveVolume(ctx, "v") }, 5 * time.Minute,
			"DockerTimeoutError: Could not transition to removing volume; timed out after waiting 5m0s"},
		{"GET /plugins", func(c *Client) error {
			_, err := c.VolumePlugins(ctx)
			return err
		}, time.Minute, "DockerTimeoutError: Could not transition to listing plugins; timed out after waiting 1m0s"},
		{"GET /info", func(c *Client) error {
			_, err := c.Info(ctx)
			return err
		}, 10 * time.Second, "DockerTimeoutError: Could not transition to listing; timed out after waiting 10s"},
		{"GET /events", func(c *Client) error {
			return c.Events(ctx, time.Time{}, func() { t.Error("listening") }, func(task.RuntimeEvent) {})
		}, time.Minute, "the Docker event stream did not open within 1m0s"},
		{"GET /containers/x/stats", func(c *Client) error {
			return c.StreamStats(ctx, "x", func([]byte) error { return nil })
		}, 18 * time.Second, "DockerGoClient: inactivity time exceeded timeout while retrieving stats for container x"},
		{"GET /containers/x/stats", func(c *Client) error {
			_, err := c.Stats(ctx, "x")
			return err
		}, 18 * time.Second, "DockerGoClient: timed out retrieving stats for container x"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newFakeDaemon(t)
				c := d.client()
				d.hang(tt.route)
				start := time.Now()
				err := tt.call(c)
				if err == nil || err.Error() != tt.want {
					t.Errorf("error %v, want %s", err, tt.want)
				}
				if took := time.Since(start); took != tt.after {
					t.Errorf("took %s, want %s", took, tt.after)
				}
			})
		})
	}
}

func TestCancelledCallKeepsItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDaemon(t)
		c := d.client()
		d.hang("GET /containers/x/json")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Inspect(ctx, "x")
		var named *task.Error
		if !errors.As(err, &named) || named.Name != task.ErrCannotInspectContainer || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestLostConnection(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.on("POST /containers/x/start", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
	})
	_, err := c.Start(t.Context(), "x", "", time.Minute)
	want := `CannotStartContainerError: error during connect: Post "http://%2Fvar%2Frun%2Fdocker.sock/v1.21/containers/x/start": EOF`
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
}

func TestErrorsOfTheDaemon(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	for _, tt := range []struct {
		route string
		call  func() error
		want  string
	}{
		{"GET /containers/json", func() error { _, err := c.ListAll(t.Context()); return err }, "CannotListContainersError: "},
		{"GET /images/json", func() error { _, err := c.ListImages(t.Context()); return err }, "CannotListImagesError: "},
		{"DELETE /containers/x", func() error { return c.Remove(t.Context(), "x") }, "CannotRemoveContainerError: "},
		{"POST /volumes/create", func() error { _, err := c.CreateVolume(t.Context(), Volume{}); return err }, "CannotCreateVolumeError: "},
		{"GET /volumes/v", func() error { _, err := c.InspectVolume(t.Context(), "v"); return err }, "CannotInspectVolumeError: "},
		{"DELETE /volumes/v", func() error { return c.RemoveVolume(t.Context(), "v") }, "CannotRemoveVolumeError: "},
		{"GET /plugins", func() error { _, err := c.VolumePlugins(t.Context()); return err }, "CannotListPluginsError: "},
		{"GET /info", func() error { _, err := c.Info(t.Context()); return err }, ""},
		{"GET /images/x/json", func() error { _, err := c.InspectImage(t.Context(), "x"); return err }, ""},
		{"DELETE /images/x", func() error { return c.RemoveImage(t.Context(), "x") }, ""},
		{"POST /images/load", func() error { return c.LoadImage(t.Context(), strings.NewReader("")) }, ""},
		{"GET /distribution/x/json", func() error { _, err := c.Manifest(t.Context(), "x", Auth{}); return err }, ""},
		{"POST /images/create", func() error { return c.Pull(t.Context(), PullRequest{Image: "x", Inactivity: time.Minute}) }, "CannotPullContainerError: "},
		{"POST /images/x/tag", func() error { return c.TagImage(t.Context(), "x", "y") }, ""},
	} {
		d.answer(tt.route, 500, `{"message":"it broke"}`)
		if err, want := tt.call(), tt.want+"Error response from daemon: it broke"; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", tt.route, err, want)
		}
	}
}

func TestReferencesThatWouldReachAnotherCall(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	for _, ref := range []string{"", ".", "..", "../volumes/v", "a/b"} {
		_, err := c.Inspect(t.Context(), ref)
		if err == nil {
			t.Errorf("inspected %q", ref)
		}
		if err := c.Remove(t.Context(), ref); err == nil {
			t.Errorf("removed %q", ref)
		}
		if _, err := c.Start(t.Context(), ref, "", time.Minute); err == nil {
			t.Errorf("started %q", ref)
		}
		if _, err := c.Stop(t.Context(), ref, time.Minute); err == nil {
			t.Errorf("stopped %q", ref)
		}
		if _, err := c.Stats(t.Context(), ref); err == nil {
			t.Errorf("stats of %q", ref)
		}
		if _, err := c.InspectVolume(t.Context(), ref); err == nil {
			t.Errorf("volume %q", ref)
		}
		if err := c.RemoveVolume(t.Context(), ref); err == nil {
			t.Errorf("removed volume %q", ref)
		}
	}
	for _, ref := range []string{"..", "../info", "a/../../info", "a//b", "./a"} {
		if _, err := c.InspectImage(t.Context(), ref); err == nil {
			t.Errorf("image %q", ref)
		}
		if _, err := c.Manifest(t.Context(), ref, Auth{}); err == nil || !IsRefused(err) {
			t.Errorf("manifest of %q: %v", ref, err)
		}
	}
	if err := c.RemoveImage(t.Context(), ""); err == nil {
		t.Error("removed an image without name")
	}
	if len(d.calls) > 0 {
		t.Errorf("calls %+v", d.calls)
	}
}

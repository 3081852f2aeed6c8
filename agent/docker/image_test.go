package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestInspectImage(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("GET /images/busybox:1/json", 200, `{"Id":"sha256:1","RepoTags":["busybox:1"],"RepoDigests":["busybox@sha256:2"],"Size":5,
		"Created":"2024-05-01T10:00:00Z","Config":{"Env":["A=b"]}}`)
	got, err := c.InspectImage(t.Context(), "busybox:1")
	want := Image{ID: "sha256:1", Tags: []string{"busybox:1"}, RepoDigests: []string{"busybox@sha256:2"}, Size: 5,
		Created: time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC), Env: []string{"A=b"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	_, err = c.InspectImage(t.Context(), "other")
	if err == nil || !IsNotFound(err) {
		t.Errorf("error %v", err)
	}
}

func TestListAndRemoveImages(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("GET /images/json", 200, `[{"Id":"sha256:1","RepoTags":["a:1","b:1"],"Size":5,"Created":1700000000},{"Id":"sha256:2","RepoTags":["<none>:<none>"],"Created":-62135596800}]`)
	got, err := c.ListImages(t.Context())
	want := []Image{{ID: "sha256:1", Tags: []string{"a:1", "b:1"}, Size: 5, Created: time.Unix(1700000000, 0)}, {ID: "sha256:2"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if q := d.calls[0].query; q != "" {
		t.Errorf("list query %s", q)
	}
	d.answer("DELETE /images/a:1", 200, `[{"Untagged":"a:1"}]`)
	if err := c.RemoveImage(t.Context(), "a:1"); err != nil {
		t.Error(err)
	}
	if q := d.calls[1].query; q != "noprune=1" {
		t.Errorf("remove query %s", q)
	}
}

func TestTagImage(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("POST /images/busybox@sha256:"+strings.Repeat("0", 64)+"/tag", 201, "")
	if err := c.TagImage(t.Context(), "busybox@sha256:"+strings.Repeat("0", 64), "busybox"); err != nil {
		t.Fatal(err)
	}
	if q := d.calls[0].query; q != "repo=busybox&tag=latest" {
		t.Errorf("query %s", q)
	}
}

func TestLoadImage(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("POST /images/load", 200, `{"stream":"Loaded image: x"}`)
	if err := c.LoadImage(t.Context(), strings.NewReader("tar")); err != nil {
		t.Fatal(err)
	}
	if got := d.calls[0]; got.query != "quiet=0" || got.body != "tar" || got.header.Get("Content-Type") != "application/x-tar" {
		t.Errorf("call %+v", got)
	}
	d.answer("POST /images/load", 200, `{"stream":"a"}{"errorDetail":{"message":"bad"},"error":"bad"}`)
	if err := c.LoadImage(t.Context(), bytes.NewReader(nil)); err == nil || err.Error() != "bad" {
		t.Errorf("error %v", err)
	}
	d.on("POST /images/load", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Loaded") })
	if err := c.LoadImage(t.Context(), bytes.NewReader(nil)); err != nil {
		t.Error(err)
	}
}

func TestManifest(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("GET /distribution/reg:5000/a:1/json", 200, `{"Descriptor":{"mediaType":"m","digest":"sha256:2"}}`)
	got, err := c.Manifest(t.Context(), "reg:5000/a:1", Auth{})
	if err != nil || got != (Manifest{Digest: "sha256:2", MediaType: "m"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if h := d.calls[0].header.Get("X-Registry-Auth"); h != "e30=" {
		t.Errorf("auth %s", h)
	}
	_, err = c.Manifest(t.Context(), "", Auth{})
	if err == nil || err.Error() != "Error: No such distribution: " {
		t.Errorf("error %v", err)
	}
	c.versions.highest = apiVersion{1, 34}
	if _, err := c.Manifest(t.Context(), "a", Auth{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

func TestAuthIsNeverPrinted(t *testing.T) {
	a := Auth{Username: "user-secret", Password: "pass-secret"}
	for _, s := range []string{fmt.Sprint(a), fmt.Sprintf("%+v %#v %s %q %d", a, a, a, a, a), fmt.Sprintf("%v", &a), fmt.Sprintf("%+v", []Auth{a})} {
		if strings.Contains(s, "secret") {
			t.Errorf("printed %s", s)
		}
	}
	if got, want := a.Header(), "eyJ1c2VybmFtZSI6InVzZXItc2VjcmV0IiwicGFzc3dvcmQiOiJwYXNzLXNlY3JldCJ9"; got != want {
		t.Errorf("header %s, want %s", got, want)
	}
}

func TestPullRequests(t *testing.T) {
	digest := "sha256:c3839dd800b9eb7603340509769c43e146a74c63dca3045a8e7dc8ee07e53966"
	for _, tt := range []struct{ image, from, tag string }{
		{"busybox", "busybox", "latest"},
		{"busybox:1", "busybox", "1"},
		{"docker.io/library/busybox:1", "busybox", "1"},
		{"registry:5000/image", "registry:5000/image", "latest"},
		{"image@" + digest, "image", digest},
		{"public.ecr.aws/library/alpine@" + digest, "public.ecr.aws/library/alpine", digest},
	} {
		d := newFakeDaemon(t)
		c := d.client()
		d.answer("POST /images/create", 200, `{"status":"Pulling from library/busybox","id":"latest"}
			{"status":"Downloading","progressDetail":{"current":1,"total":2},"progress":"[=>  ]","id":"a"}
			{"status":"Layer already being pulled by another client. Waiting.","id":"a"}`)
		if err := c.Pull(t.Context(), PullRequest{Image: tt.image, Inactivity: time.Minute, Auth: Auth{Username: "u"}}); err != nil {
			t.Errorf("%s: %v", tt.image, err)
			continue
		}
		query, err := url.ParseQuery(d.calls[0].query)
		if err != nil || query.Get("fromImage") != tt.from || query.Get("tag") != tt.tag || len(query) != 2 {
			t.Errorf("%s: query %s", tt.image, d.calls[0].query)
		}
		if d.calls[0].header.Get("X-Registry-Auth") != (Auth{Username: "u"}).Header() {
			t.Errorf("%s: auth %v", tt.image, d.calls[0].header)
		}
	}
}

func TestPullFailsThough200(t *testing.T) {
	for body, want := range map[string]string{
		`{"status":"Pulling"}{"error":"toomanyrequests: Rate exceeded"}`: "CannotPullContainerError: toomanyrequests: Rate exceeded",
		`{"status":"Pulling"} <html>`:                                    "CannotPullContainerError: invalid character '<' looking for beginning of value",
		`{"status":"Pull`:                                                "CannotPullContainerError: unexpected EOF",
	} {
		d := newFakeDaemon(t)
		c := d.client()
		d.answer("POST /images/create", 200, body)
		if err := c.Pull(t.Context(), PullRequest{Image: "x", Inactivity: time.Minute}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}

func TestPullWithAnInvalidReference(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	if err := c.Pull(t.Context(), PullRequest{Image: "bad ref", Inactivity: time.Minute}); err == nil ||
		err.Error() != "CannotPullContainerError: invalid reference format" || len(d.calls) > 0 {
		t.Errorf("error %v, calls %v", err, d.calls)
	}
}

// stalled answers a pull with one object, then one every interval, n times, and then nothing.
func stalled(n int, interval time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for range n {
			_, _ = io.WriteString(w, `{"status":"Downloading","progress":"[=> ]","id":"a"}`)
			w.(http.Flusher).Flush()
			select {
			case <-time.After(interval):
			case <-r.Context().Done():
				return
			}
		}
		<-r.Context().Done()
	}
}

func TestSilentPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDaemon(t)
		c := d.client()
		d.on("POST /images/create", stalled(100, 50*time.Second))
		start := time.Now()
		err := c.Pull(t.Context(), PullRequest{Image: "x", Inactivity: time.Minute})
		if want := "CannotPullContainerError: inactivity time exceeded timeout while pulling image"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		// Something came every 50 s for 99·50 s: noticed one to two periods after the last object.
		if silent := time.Since(start) - 99*50*time.Second; silent < time.Minute || silent > 2*time.Minute {
			t.Errorf("silence noticed after %s", silent)
		}
	})
}

func TestStalledPull(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   time.Duration
	}{
		"not a word":       {stalled(0, 0), stalledAfter},
		"silent at last":   {stalled(10, 10*time.Second), 90*time.Second + stalledAfter},
		"silent for a bit": {stalled(2, 20*time.Second), stalledAfter},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newFakeDaemon(t)
				c := d.client()
				d.on("POST /images/create", test.answer)
				stalls := make(chan time.Duration, 100)
				start := time.Now()
				_ = c.Pull(t.Context(), PullRequest{Image: "x", Inactivity: time.Minute, Stalled: func() { stalls <- time.Since(start) }})
				if first := <-stalls; first != test.want {
					t.Errorf("stalled after %s, want %s", first, test.want)
				}
			})
		})
	}
}

func TestCancelledPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDaemon(t)
		c := d.client()
		ended := false
		d.on("POST /images/create", func(w http.ResponseWriter, r *http.Request) {
			stalled(1000, time.Second)(w, r)
			ended = true
		})
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		err := c.Pull(ctx, PullRequest{Image: "x", Inactivity: time.Minute})
		var named *task.Error
		if !errors.As(err, &named) || named.Name != task.ErrCannotPullContainer || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		synctest.Wait()
		if !ended {
			t.Error("the daemon goes on pulling")
		}
	})
}

func FuzzProgress(f *testing.F) {
	f.Add([]byte(`{"status":"a","progressDetail":{"current":1}}{"error":"x"}`))
	f.Add([]byte("{}\n{}\n[]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = eachProgress(bytes.NewReader(data), func(p progress) {
			if p.Error != "" {
				t.Fatal("an error passed as progress")
			}
		})
	})
}

package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

const running = `{"Id":"x","Name":"/n","State":{"Running":true,"Pid":7,"StartedAt":"2024-05-01T10:00:01Z"},"Config":{},"HostConfig":{}}`

func createRequest() CreateRequest {
	return CreateRequest{
		Name: "ecs-web-1-app-00", Limit: 4 * time.Minute,
		Config:     &container.Config{Image: "busybox", Labels: map[string]string{"a": "b"}},
		HostConfig: &container.HostConfig{NetworkMode: "bridge"},
	}
}

func TestCreate(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("POST /containers/create", 201, `{"Id":"x","Warnings":["careful"]}`)
	r := createRequest()
	r.Version = "1.25"
	id, err := c.Create(t.Context(), r)
	if err != nil || id != "x" {
		t.Fatalf("id %q, error %v", id, err)
	}
	got := d.made("POST /containers/create")[0]
	if got.version != "1.25" || got.query != "name=ecs-web-1-app-00" {
		t.Errorf("call %+v", got)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"EndpointsConfig": nil}, body["NetworkingConfig"]); diff != "" || body["Image"] != "busybox" {
		t.Errorf("body %s", got.body)
	}
}

func TestCapabilitiesGoOverTheWireAsWritten(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("POST /containers/create", 201, `{"Id":"x"}`)
	r := createRequest()
	r.HostConfig.CapAdd, r.HostConfig.CapDrop = []string{"sys_time", "NET_ADMIN", "NET_ADMIN"}, []string{}
	r.HostConfig.AutoRemove = true
	if _, err := c.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	got := d.made("POST /containers/create")[0]
	var body struct {
		Image      string
		HostConfig struct {
			CapAdd, CapDrop []string
			AutoRemove      bool
		}
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sys_time", "NET_ADMIN", "NET_ADMIN"}, body.HostConfig.CapAdd); diff != "" || body.HostConfig.CapDrop == nil || body.Image != "busybox" {
		t.Errorf("body %s", got.body)
	}
	if body.HostConfig.AutoRemove {
		t.Error("AutoRemove went to an API version that leaves it to the client")
	}
	if want := strconv.Itoa(len(got.body)); got.header.Get("Content-Length") != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v, want length %s", got.header, want)
	}
}

func TestInspectLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDaemon(t)
		c := d.client()
		d.hang("GET /containers/x/json")
		for limit, want := range map[time.Duration]string{0: "30s", 2 * time.Minute: "2m0s"} {
			c.SetInspectLimit(limit)
			_, err := c.Inspect(t.Context(), "x")
			if want := "DockerTimeoutError: Could not transition to inspecting; timed out after waiting " + want; err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
			c.inspectLimit = defaultInspectLimit
		}
	})
}

func TestCreateErrors(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	r := createRequest()
	r.Version = "1.44"
	_, err := c.Create(t.Context(), r)
	if want := "CannotGetDockerClientVersionError: docker client factory: client not found for docker version: 1.44"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	r.Version = ""
	for status, want := range map[int]bool{409: true, 500: false} {
		d.answer("POST /containers/create", status, `{"message":"no"}`)
		_, err = c.Create(t.Context(), r)
		if err == nil || err.Error() != "CannotCreateContainerError: Error response from daemon: no" || IsConflict(err) != want {
			t.Errorf("%d: error %v, conflict %v", status, err, IsConflict(err))
		}
	}
	seconds := 3
	r.Config.StopTimeout = &seconds
	_, err = c.Create(t.Context(), r)
	if want := `CannotCreateContainerError: "stop timeout" requires API version 1.25, but the Docker daemon API version is 1.21`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestStart(t *testing.T) {
	for _, status := range []int{204, 304} {
		d := newFakeDaemon(t)
		c := d.client()
		d.on("POST /containers/x/start", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		d.answer("GET /containers/x/json", 200, running)
		state, err := c.Start(t.Context(), "x", "1.24", time.Minute)
		if err != nil || state.Status != task.ContainerRunning || state.PID != 7 {
			t.Errorf("%d: %+v, %v", status, state, err)
		}
		if len(d.calls) != 2 || d.calls[0].version != "1.24" || d.calls[0].body != "" || d.calls[1].version != "1.41" {
			t.Errorf("%d: calls %+v", status, d.calls)
		}
	}
}

func TestStartErrors(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	_, err := c.Start(t.Context(), "x", "1.42", time.Minute)
	if want := "CannotGetDockerclientError: (v1.42) - docker client factory: client not found for docker version: 1.42"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	d.answer("POST /containers/x/start", 500, `{"message":"no such program"}`)
	_, err = c.Start(t.Context(), "x", "", time.Minute)
	if want := "CannotStartContainerError: Error response from daemon: no such program"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	d.answer("POST /containers/x/start", 404, `{"message":"No such container: x"}`)
	if _, err = c.Start(t.Context(), "x", "", time.Minute); !errors.Is(err, task.ErrGone) {
		t.Errorf("error %v", err)
	}
	if n := len(d.made("GET /containers/x/json")); n > 0 {
		t.Errorf("%d inspects after failed starts", n)
	}
}

func TestStartSucceededInspectFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDaemon(t)
		c := d.client()
		d.on("POST /containers/x/start", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
		d.answer("GET /containers/x/json", 500, `{"message":"oops"}`)
		state, err := c.Start(t.Context(), "x", "", 3*time.Minute)
		if want := "CannotInspectContainerError: Error response from daemon: oops"; state != nil || err == nil || err.Error() != want {
			t.Errorf("%v, error %v, want %s", state, err, want)
		}
		d.hang("GET /containers/x/json")
		state, err = c.Start(t.Context(), "x", "", 3*time.Minute)
		if want := "CannotInspectContainerError: Could not transition to inspecting; timed out after waiting 30s"; state != nil || err == nil || err.Error() != want {
			t.Errorf("%v, error %v, want %s", state, err, want)
		}
		start := time.Now()
		if _, err = c.Start(t.Context(), "x", "", 10*time.Second); err == nil || err.(*task.Error).Name != task.ErrCannotInspectContainer {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("start and inspect took %s together, the limit is 10s", took)
		}
	})
}

func TestStop(t *testing.T) {
	for _, status := range []int{204, 304} {
		d := newFakeDaemon(t)
		c := d.client()
		d.on("POST /containers/x/stop", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		d.answer("GET /containers/x/json", 200,
			`{"Id":"x","State":{"ExitCode":143,"StartedAt":"2024-05-01T10:00:01Z","FinishedAt":"2024-05-01T10:00:05Z"}}`)
		state, err := c.Stop(t.Context(), "x", 1500*time.Millisecond)
		if err != nil || state.ExitCode == nil || *state.ExitCode != 143 {
			t.Errorf("%d: %+v, %v", status, state, err)
		}
		if len(d.calls) != 2 || d.calls[0].query != "t=2" || d.calls[0].version != "1.41" {
			t.Errorf("%d: calls %+v", status, d.calls)
		}
	}
}

func TestStopIsTriedFiveTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDaemon(t)
		c := d.client()
		var at []time.Duration
		start := time.Now()
		d.on("POST /containers/x/stop", func(w http.ResponseWriter, _ *http.Request) {
			at = append(at, time.Since(start))
			reply(w, 500, `{"message":"stuck"}`)
		})
		_, err := c.Stop(t.Context(), "x", 30*time.Second)
		if want := "CannotStopContainerError: Error response from daemon: stuck"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		if len(at) != 5 {
			t.Fatalf("%d tries", len(at))
		}
		wait := time.Second
		for i := 1; i < len(at); i++ {
			if d := at[i] - at[i-1]; d < wait || d > wait+wait/5 {
				t.Errorf("wait %d was %s, want %s and up to a fifth more", i, d, wait)
			}
			wait = time.Duration(float64(wait) * 1.3)
		}
	})
}

func TestHungStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDaemon(t)
		c := d.client()
		d.hang("POST /containers/x/stop")
		start := time.Now()
		_, err := c.Stop(t.Context(), "x", 30*time.Second)
		if want := "DockerTimeoutError: Could not transition to stopped; timed out after waiting 2m30s"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		if n := len(d.made("POST /containers/x/stop")); n != 5 || time.Since(start) < 5*150*time.Second {
			t.Errorf("%d tries in %s", n, time.Since(start))
		}
	})
}

func TestStopOfAContainerThatIsGone(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("POST /containers/x/stop", 404, `{"message":"No such container: x"}`)
	for range 2 {
		_, err := c.Stop(t.Context(), "x", time.Second)
		if want := "NoSuchContainerError: Container not found: x"; err == nil || err.Error() != want || !errors.Is(err, task.ErrGone) {
			t.Errorf("error %v, want %s", err, want)
		}
		// The second time it vanishes between stop and inspect.
		d.on("POST /containers/x/stop", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
		d.answer("GET /containers/x/json", 404, `{"message":"No such container: x"}`)
	}
}

func TestCancelEndsStopBetweenTries(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	tried := make(chan struct{}, 5)
	d.on("POST /containers/x/stop", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 500, `{"message":"stuck"}`)
		tried <- struct{}{}
	})
	ctx, cancel := contextWithCancel(t)
	go func() {
		<-tried
		cancel()
	}()
	if _, err := c.Stop(ctx, "x", time.Second); err == nil {
		t.Error("no error")
	}
	if n := len(d.made("POST /containers/x/stop")); n != 1 {
		t.Errorf("%d tries", n)
	}
}

func TestInspectAndRemoveOfAContainerThatIsGone(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("GET /containers/x/json", 404, `{"message":"No such container: x"}`)
	_, err := c.Inspect(t.Context(), "x")
	if want := "CannotInspectContainerError: Error response from daemon: No such container: x"; err == nil || err.Error() != want || !errors.Is(err, task.ErrGone) || !IsNotFound(err) {
		t.Errorf("error %v, want %s", err, want)
	}
	d.answer("DELETE /containers/x", 404, `{"message":"No such container: x"}`)
	if err := c.Remove(t.Context(), "x"); err != nil {
		t.Error(err)
	}
	if got := d.made("DELETE /containers/x")[0].query; got != "v=1" {
		t.Errorf("query %s", got)
	}
}

func TestList(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("GET /containers/json", 200, `[{"Id":"b","Names":["/nb"],"State":"running","ImageID":"sha256:1","Labels":{"l":"v"},
		"HostConfig":{"NetworkMode":"host"},"NetworkSettings":{"Networks":{"host":{}}},"Mounts":[{"Destination":"/d","RW":true}]},
		{"Id":"a","Names":["/na"],"State":"exited"}]`)
	got, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []task.ContainerState{
		{RuntimeID: "b", Name: "nb", Status: task.ContainerRunning, Labels: map[string]string{"l": "v"}, ImageID: "sha256:1", NetworkMode: "host",
			Networks: []task.Network{{Name: "host"}}, Mounts: []task.Mount{{Destination: "/d"}}, Partial: true},
		{RuntimeID: "a", Name: "na", Status: task.ContainerStopped, Mounts: []task.Mount{}, Partial: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := c.ListAll(t.Context()); err != nil {
		t.Error(err)
	}
	if d.calls[0].query != `all=1&filters=%7B%22label%22%3A%7B%22com.amazonaws.ecs.task-arn%22%3Atrue%7D%7D` || d.calls[1].query != "all=1" {
		t.Errorf("queries %s, %s", d.calls[0].query, d.calls[1].query)
	}
}

func TestSettings(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("GET /containers/x/json", 200, `{"Id":"x","State":{},"Config":{"Env":["A=1=2","B="]},"HostConfig":{"LogConfig":{"Config":{"token":"t"}}}}`)
	got, err := c.Settings(t.Context(), "x")
	want := Settings{Environment: map[string]string{"A": "1=2", "B": ""}, LogOptions: map[string]string{"token": "t"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", got, got, got, got); strings.Contains(text, "t:") || strings.Contains(text, "1=2") {
		t.Error(text)
	}
	d.answer("GET /containers/x/json", 200, `{}`)
	if got, err = c.Settings(t.Context(), "x"); err != nil || len(got.Environment) > 0 {
		t.Error(got, err)
	}
}

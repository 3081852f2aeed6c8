package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestCreateNewestUsesTheNewestVersion(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("POST /containers/create", 201, `{"Id":"x"}`)
	init := true
	id, err := c.CreateNewest(t.Context(), "ecs-agent", &container.Config{Image: "i"}, &container.HostConfig{Init: &init}, time.Minute)
	if err != nil || id != "x" {
		t.Fatalf("id %q, error %v", id, err)
	}
	got := d.made("POST /containers/create")[0]
	if got.version != "1.41" || got.query != "name=ecs-agent" || !strings.Contains(got.body, `"Init":true`) {
		t.Errorf("call %+v", got)
	}
}

func TestWait(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("POST /containers/x/wait", 200, `{"StatusCode":42}`)
	if code, err := c.Wait(t.Context(), "x"); err != nil || code != 42 {
		t.Errorf("code %d, error %v", code, err)
	}
	d.answer("POST /containers/x/wait", 200, `{"StatusCode":0,"Error":{"Message":"lost it"}}`)
	if _, err := c.Wait(t.Context(), "x"); err == nil || err.Error() != "wait for container x: lost it" {
		t.Errorf("error %v", err)
	}
	d.answer("POST /containers/x/wait", 404, `{"message":"No such container: x"}`)
	if _, err := c.Wait(t.Context(), "x"); !errors.Is(err, task.ErrGone) {
		t.Errorf("error %v", err)
	}
	d.on("POST /containers/x/wait", func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	if _, err := c.Wait(t.Context(), "x"); err == nil || errors.Is(err, task.ErrGone) {
		t.Errorf("a daemon that went away: %v", err)
	}
	if _, err := c.Wait(t.Context(), "../y"); err == nil {
		t.Error("a name that is a path")
	}
}

func TestWaitHasNoLimitOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDaemon(t)
		c := d.client()
		d.hang("POST /containers/x/wait")
		ctx, cancel := context.WithTimeout(t.Context(), 365*24*time.Hour)
		defer cancel()
		begin := time.Now()
		if _, err := c.Wait(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) < 364*24*time.Hour {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}

func TestLogTail(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.on("GET /containers/x/logs", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = stdcopy.NewStdWriter(w, stdcopy.Stdout).Write([]byte("one\n"))
		_, _ = stdcopy.NewStdWriter(w, stdcopy.Stderr).Write([]byte("two\n"))
	})
	tail, err := c.LogTail(t.Context(), "x", 200)
	if tail != "one\ntwo\n" || err != nil {
		t.Errorf("%q, %v", tail, err)
	}
	query := d.made("GET /containers/x/logs")[0].query
	for _, want := range []string{"stdout=1", "stderr=1", "tail=200", "timestamps=1"} {
		if !strings.Contains(query, want) {
			t.Errorf("query %s lacks %s", query, want)
		}
	}
	d.on("GET /containers/x/logs", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = stdcopy.NewStdWriter(w, stdcopy.Stdout).Write([]byte(strings.Repeat("x", maxTail+5)))
	})
	if tail, err := c.LogTail(t.Context(), "x", 200); len(tail) != maxTail || err != nil {
		t.Errorf("%d bytes, %v", len(tail), err)
	}
}

func TestRemoveForced(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("DELETE /containers/ecs-agent", 204, "")
	if err := c.RemoveForced(t.Context(), "ecs-agent"); err != nil {
		t.Error(err)
	}
	if query := d.made("DELETE /containers/ecs-agent")[0].query; query != "force=1" {
		t.Errorf("query %s", query)
	}
	d.answer("DELETE /containers/ecs-agent", 404, `{"message":"No such container: ecs-agent"}`)
	if err := c.RemoveForced(t.Context(), "ecs-agent"); err != nil {
		t.Error(err)
	}
	d.answer("DELETE /containers/ecs-agent", 500, `{"message":"busy"}`)
	if err := c.RemoveForced(t.Context(), "ecs-agent"); err == nil || !strings.HasPrefix(err.Error(), "CannotRemoveContainerError") {
		t.Errorf("error %v", err)
	}
}

func TestDefaultBridge(t *testing.T) {
	bridge := func(driver string, options map[string]string) map[string]any {
		return map[string]any{"Name": "n", "Driver": driver, "Options": options}
	}
	cases := []struct {
		name     string
		networks []any
		want     string
	}{
		{"the usual one", []any{bridge("bridge", map[string]string{}),
			bridge("bridge", map[string]string{defaultBridgeOption: "true", bridgeNameOption: "docker0"})}, "docker0"},
		{"another name", []any{bridge("bridge", map[string]string{defaultBridgeOption: "true", bridgeNameOption: "br9"})}, "br9"},
		{"none", []any{}, ""},
		{"not the default", []any{bridge("bridge", map[string]string{defaultBridgeOption: "false", bridgeNameOption: "br9"})}, ""},
		{"no name", []any{bridge("bridge", map[string]string{defaultBridgeOption: "true"})}, ""},
		{"another driver", []any{bridge("macvlan", map[string]string{defaultBridgeOption: "true", bridgeNameOption: "x"})}, ""},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			c := d.client()
			body, _ := json.Marshal(test.networks)
			d.answer("GET /networks", 200, string(body))
			got, err := c.DefaultBridge(t.Context())
			if got != test.want || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			if query := d.made("GET /networks")[0].query; !strings.Contains(query, "driver") {
				t.Errorf("query %s", query)
			}
		})
	}
}

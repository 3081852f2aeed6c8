package docker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

func TestRuntimeEvent(t *testing.T) {
	three := 3
	for _, tt := range []struct {
		name, json string
		want       task.RuntimeEvent
		dropped    bool
	}{
		{name: "new fields", json: `{"Type":"container","Action":"start","Actor":{"ID":"x","Attributes":{"com.amazonaws.ecs.task-arn":"arn","com.amazonaws.ecs.container-name":"c"}},"time":5,"timeNano":5000000001}`,
			want: task.RuntimeEvent{Action: task.ActionStart, RuntimeID: "x", TaskARN: "arn", Container: "c", Time: time.Unix(5, 1)}},
		{name: "old fields", json: `{"status":"die","id":"x","from":"busybox","time":5}`,
			want: task.RuntimeEvent{Action: task.ActionDie, RuntimeID: "x", Time: time.Unix(5, 0)}},
		{name: "both", json: `{"status":"stop","id":"x","Type":"container","Action":"stop","Actor":{"ID":"x"},"time":5}`,
			want: task.RuntimeEvent{Action: task.ActionStop, RuntimeID: "x", Time: time.Unix(5, 0)}},
		{name: "exit code", json: `{"Type":"container","Action":"die","Actor":{"ID":"x","Attributes":{"exitCode":"3"}},"time":5}`,
			want: task.RuntimeEvent{Action: task.ActionDie, RuntimeID: "x", ExitCode: &three, Time: time.Unix(5, 0)}},
		{name: "exit code that is no number", json: `{"Type":"container","Action":"die","Actor":{"ID":"x","Attributes":{"exitCode":"three"}},"time":5}`,
			want: task.RuntimeEvent{Action: task.ActionDie, RuntimeID: "x", Time: time.Unix(5, 0)}},
		{name: "healthy", json: `{"Type":"container","Action":"health_status: healthy","Actor":{"ID":"x"},"time":5}`,
			want: task.RuntimeEvent{Action: task.ActionHealth, Health: task.HealthHealthy, RuntimeID: "x", Time: time.Unix(5, 0)}},
		{name: "unhealthy, old field", json: `{"status":"health_status: unhealthy","id":"x","time":5}`,
			want: task.RuntimeEvent{Action: task.ActionHealth, Health: task.HealthUnhealthy, RuntimeID: "x", Time: time.Unix(5, 0)}},
		{name: "oom", json: `{"Type":"container","Action":"oom","Actor":{"ID":"x"},"time":5}`,
			want: task.RuntimeEvent{Action: task.ActionOOM, RuntimeID: "x", Time: time.Unix(5, 0)}},
		{name: "no health result", json: `{"Type":"container","Action":"health_status","Actor":{"ID":"x"}}`, dropped: true},
		{name: "exec", json: `{"Type":"container","Action":"exec_start: sh","Actor":{"ID":"x"}}`, dropped: true},
		{name: "kill", json: `{"Type":"container","Action":"kill","Actor":{"ID":"x"}}`, dropped: true},
		{name: "other type", json: `{"Type":"network","Action":"create","Actor":{"ID":"x"}}`, dropped: true},
		{name: "no container", json: `{"Type":"container","Action":"start"}`, dropped: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m events.Message
			if err := json.Unmarshal([]byte(tt.json), &m); err != nil {
				t.Fatal(err)
			}
			got, ok := runtimeEvent(m)
			if ok == tt.dropped {
				t.Fatalf("used %v", ok)
			}
			if diff := cmp.Diff(tt.want, got); !tt.dropped && diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEventsInOrder(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	goOn := make(chan struct{})
	d.on("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-goOn
		for _, action := range []string{"create", "start", "kill", "die", "stop", "destroy"} {
			_, _ = io.WriteString(w, `{"Type":"container","Action":"`+action+`","Actor":{"ID":"x"}}`)
		}
	})
	var got []task.RuntimeAction
	listening := 0
	err := c.Events(t.Context(), time.Unix(1700000000, 42), func() {
		listening++
		close(goOn)
	}, func(e task.RuntimeEvent) { got = append(got, e.Action) })
	if !errors.Is(err, io.EOF) || listening != 1 {
		t.Errorf("error %v, listening %d times", err, listening)
	}
	if diff := cmp.Diff([]task.RuntimeAction{"create", "start", "die", "stop", "destroy"}, got); diff != "" {
		t.Error(diff)
	}
	query, err := url.ParseQuery(d.made("GET /events")[0].query)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"event":{"create":true,"destroy":true,"die":true,"health_status":true,"oom":true,"restart":true,"start":true,"stop":true},"type":{"container":true}}`
	if query.Get("since") != "1700000000.000000042" || query.Get("filters") != want {
		t.Errorf("query %v", query)
	}
}

func TestEventsThatCannotBeOpened(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("GET /events", 500, `{"message":"no"}`)
	err := c.Events(t.Context(), time.Time{}, func() { t.Error("listening") }, func(task.RuntimeEvent) {})
	if err == nil || err.Error() != "Error response from daemon: no" {
		t.Errorf("error %v", err)
	}
	if q := d.made("GET /events")[0].query; q == "" || url.QueryEscape("since") == q {
		t.Errorf("query %q", q)
	}
}

func TestEventsEndWithTheContext(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.on("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := contextWithCancel(t)
	if err := c.Events(ctx, time.Time{}, cancel, func(task.RuntimeEvent) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestBrokenEventsEndTheStream(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("GET /events", 200, `{"Type":"container","Action":"start","Actor":{"ID":"x"}} nonsense`)
	n := 0
	err := c.Events(t.Context(), time.Time{}, func() {}, func(task.RuntimeEvent) { n++ })
	if err == nil || errors.Is(err, io.EOF) || n != 1 {
		t.Errorf("error %v after %d events", err, n)
	}
}

func FuzzRuntimeEvent(f *testing.F) {
	f.Add([]byte(`{"Type":"container","Action":"die","Actor":{"ID":"x","Attributes":{"exitCode":"3"}},"time":5}`))
	f.Add([]byte(`{"status":"health_status: ","id":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m events.Message
		if json.Unmarshal(data, &m) != nil {
			return
		}
		if e, ok := runtimeEvent(m); ok && (e.RuntimeID == "" || !used(e.Action)) {
			t.Fatalf("used %+v", e)
		}
	})
}

package introspection

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/stats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const browserAccepts = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func ask(h http.Handler, method, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func TestOnlyBrowsersGetThePage(t *testing.T) {
	h := Handler(Agent{}, &listed{})
	const list = `{"AvailableCommands":["/v1/metadata","/v1/tasks","/license"]}`
	for _, test := range []struct {
		method, path, accept string
		page                 bool
	}{
		{"GET", "/", browserAccepts, true},
		{"HEAD", "/", browserAccepts, true},
		{"GET", "/", "*/*", false}, // curl
		{"GET", "/", "", false},
		{"GET", "/", "application/json", false},
		{"POST", "/", browserAccepts, false},
		{"GET", "/favicon.ico", browserAccepts, false},
		{"GET", "/v2", browserAccepts, false},
	} {
		got := ask(h, test.method, test.path, test.accept)
		isPage := got.Header().Get("Content-Type") == "text/html; charset=utf-8"
		if isPage != test.page || got.Code != 200 {
			t.Errorf("%+v: %d %v", test, got.Code, got.Header())
		}
		if !test.page && (got.Body.String() != list || len(got.Header()) != 2) {
			t.Errorf("%+v: %v %s", test, got.Header(), got.Body)
		}
	}
	if got := ask(h, "GET", "/v1/metadata", browserAccepts); got.Header().Get("Content-Type") != "application/json" {
		t.Error(got.Header())
	}
}

func TestThePageNeedsNothingFromElsewhere(t *testing.T) {
	text := string(page)
	for _, foreign := range []string{"http://", "https://", "src=", "@import", "url("} {
		for line := range strings.Lines(text) {
			if strings.Contains(line, foreign) && !strings.Contains(line, "www.w3.org/2000/svg") {
				t.Errorf("%s in %s", foreign, line)
			}
		}
	}
	policy := ask(Handler(Agent{}, &listed{}), "GET", "/", browserAccepts).Header().Get("Content-Security-Policy")
	if strings.Count(policy, "'sha256-") != 2 || !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
		t.Error(policy)
	}
}

// measured gives three samples of every container.
type measured struct{}

func (measured) Recent(id string, most int) []stats.Sample {
	if id == "" || most != overviewSamples {
		return nil
	}
	return []stats.Sample{{CPUPercent: 1.006, Memory: 10}, {CPUPercent: 12.3456, Memory: 20}, {}}
}

func TestOverview(t *testing.T) {
	began := at("2025-03-04T05:06:07Z")
	exit := 1
	up := &task.Task{
		ARN: "arn:aws:ecs:us-west-2:111122223333:task/default/0123", Family: "web", Revision: "7", ServiceName: "front", Known: task.Running, Desired: task.Running, KnownTime: began, AcceptedAt: began,
		Containers: []*task.Container{
			{Name: "c", Image: "i", Essential: true, Known: task.ContainerRunning, RuntimeID: "id", StartedAt: began, Memory: 32, HealthCheckType: "docker",
				Health: task.Health{Status: task.HealthHealthy}, Restarts: &task.RestartTracker{Count: 2}, Environment: map[string]string{"KEY": "secret"}},
			{Name: "pause", Type: task.CNIPause},
		}}
	never := &task.Task{ARN: "never", Engine: task.Progress{Waiting: "CPU (needs 9, host has 1)", NeverFits: true}}
	ended := &task.Task{ARN: "ended", Known: task.Stopped, Desired: task.Stopped, TerminalReason: "why", Engine: task.Progress{Waiting: "CPU"},
		Containers: []*task.Container{{Name: "c", Known: task.ContainerStopped, RuntimeID: "id", ExitCode: &exit, FinishedAt: began, Failure: &task.AppliedError{Name: "N", Message: "m"}}}}
	h := Handler(Agent{
		Cluster: "default", Version: "v", ContainerInstanceARN: "ci", StartedAt: began, Samples: measured{},
		Sessions: func() []Session {
			return []Session{{Name: "ACS", Purpose: "Control", Connected: true, Since: began}, {Name: "TCS", LastEnd: "gone"}}
		},
		Host:    func() Host { return Host{CPU: 2048, CPUUsed: 10, MemoryMiB: 100, MemoryUsedMiB: 32} },
		Reports: func() any { return map[string]int{"Pending": 1} },
	}, &listed{[]*task.Task{up, never, ended, {ARN: "daemon", Internal: true}}})
	got := ask(h, "GET", "/v1/overview", "")
	var answer struct{ Now time.Time }
	if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil || time.Since(answer.Now) > time.Minute {
		t.Errorf("%v, now %v", err, answer.Now)
	}
	_, rest, _ := strings.Cut(got.Body.String(), `,`)
	const want = `"StartedAt":"2025-03-04T05:06:07Z","Version":"v","Cluster":"default","ContainerInstanceArn":"ci",` +
		`"Sessions":[{"Name":"ACS","Purpose":"Control","Connected":true,"Since":"2025-03-04T05:06:07Z"},{"Name":"TCS","Purpose":"","Connected":false,"LastEnd":"gone"}],` +
		`"Host":{"CPU":2048,"CPUUsed":10,"MemoryMiB":100,"MemoryUsedMiB":32,"GPUs":0,"GPUsUsed":0},"Reports":{"Pending":1},"Tasks":[` +
		`{"Arn":"arn:aws:ecs:us-west-2:111122223333:task/default/0123","ID":"0123","Family":"web","Revision":"7","Service":"front","Known":"RUNNING","Desired":"RUNNING","Since":"2025-03-04T05:06:07Z","AcceptedAt":"2025-03-04T05:06:07Z",` +
		`"Containers":[{"Name":"c","Image":"i","Known":"RUNNING","Essential":true,"StartedAt":"2025-03-04T05:06:07Z","Health":"HEALTHY","Restarts":2,"CPU":[1.01,12.35,0],"Memory":[10,20,0],"MemoryLimit":33554432}]},` +
		`{"Arn":"never","ID":"never","Family":"","Revision":"","Known":"NONE","Desired":"NONE","Waiting":"CPU (needs 9, host has 1)","NeverFits":true,"Containers":[]},` +
		`{"Arn":"ended","ID":"ended","Family":"","Revision":"","Known":"STOPPED","Desired":"STOPPED","Reason":"why",` +
		`"Containers":[{"Name":"c","Image":"","Known":"STOPPED","Essential":false,"EndedAt":"2025-03-04T05:06:07Z","ExitCode":1,"Restarts":0,"Reason":"N: m"}]}]}`
	got.Body = bytes.NewBufferString("{" + rest)
	wantBody(t, got, 200, []byte("{"+want))
}

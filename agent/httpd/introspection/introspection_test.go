package introspection

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// listed is a list of tasks that can be changed.
type listed struct{ tasks []*task.Task }

func (l *listed) Tasks() []*task.Task { return append([]*task.Task(nil), l.tasks...) }

const (
	curlARN = "arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c"
	curlID  = "ea32192c8553fbff06c9340478a2ff089b2bb5646fb718b4ee206641c9086d66"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

// curl is an awsvpc task with an internal container; web is a bridge task with one that is not created yet.
func curl() *task.Task {
	return &task.Task{
		ARN: curlARN, Family: "curltest", Revision: "26", Desired: task.Running, Known: task.Running, NetworkMode: "awsvpc",
		ENIs: task.ENIs{{MAC: "0e:9e:32:c7:48:85", IPv4: []task.ENIAddress{{Primary: true, Address: "10.0.2.100"}}, IPv6: []task.ENIAddress{{Address: "2600:1f13:4d9:e602::64"}}}},
		Containers: []*task.Container{
			{
				Name: "curl", RuntimeID: curlID, RuntimeName: "ecs-curltest-26-curl-cca48e8dcadd97805600", Image: "111122223333.dkr.ecr.us-west-2.amazonaws.com/curltest:latest",
				ImageID:   "sha256:d691691e9652791a60114e67b365688d20d19940dde7c4736ea30e660d8d3553",
				CreatedAt: at("2025-03-04T06:06:07.620912337+01:00"), StartedAt: at("2025-03-04T05:06:08.062559351Z"), Ports: []task.PortMapping{{ContainerPort: 8080}},
			},
			{Name: "~internal~ecs~pause", RuntimeID: "c7c5a4c0e8f14c1e0ef3f3bb2c9a9b1d5e2f6c34b2a1f0e9d8c7b6a594837261", Type: task.CNIPause},
		},
	}
}

func web() *task.Task {
	return &task.Task{
		ARN: "arn:aws:ecs:us-west-2:111122223333:task/default/eb2a3f7f1c3c4b0a8a0b3f1f5e6d7c8b", Family: "web", Revision: "7", Desired: task.Running, Known: task.Running,
		Containers: []*task.Container{
			{
				Name: "nginx", RuntimeID: "9581a69a761a557fbfce1d0f6745e4af5b9dbfb86b6b2c5c4df156f1a5932ff1", RuntimeName: "ecs-web-7-nginx-e4a0b6c4f3d2a1908070", Image: "nginx:1.27",
				ImageID:   "sha256:3f8a4339aadd1f8f6c1d6f0c7e8f5d4c3b2a19087f6e5d4c3b2a190807f6e5d4",
				CreatedAt: at("2025-03-04T05:06:07.123456789Z"), StartedAt: at("2025-03-04T05:06:08.5Z"), Ports: []task.PortMapping{{ContainerPort: 80}},
				Bindings:      []task.PortMapping{{ContainerPort: 80, HostPort: 32768, BindIP: "0.0.0.0"}, {ContainerPort: 80, HostPort: 32768, BindIP: "::"}},
				Mounts:        []task.Mount{{Name: "ecs-web-7-cache-d0c1b2a3", Source: "/var/lib/docker/volumes/ecs-web-7-cache-d0c1b2a3/_data", Destination: "/cache"}},
				RestartPolicy: &task.RestartPolicy{Enabled: true}, Restarts: &task.RestartTracker{Count: 2},
			},
			{Name: "later", RuntimeName: "ecs-web-7-later-00", Known: task.ContainerPulled},
		},
	}
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

// wantJSON compares an answer with a file, byte for byte but for white space.
func wantJSON(t *testing.T, w *httptest.ResponseRecorder, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	wantBody(t, w, http.StatusOK, text)
}

func wantBody(t *testing.T, w *httptest.ResponseRecorder, status int, body []byte) {
	t.Helper()
	var want bytes.Buffer
	if err := json.Compact(&want, body); err != nil {
		t.Fatal(err)
	}
	if w.Code != status || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if diff := cmp.Diff(strings.Split(want.String(), ","), strings.Split(w.Body.String(), ",")); diff != "" {
		t.Error(diff)
	}
}

func TestTasks(t *testing.T) {
	tasks := &listed{}
	h := Handler(Agent{}, tasks)
	wantBody(t, get(h, "/v1/tasks"), 200, []byte(`{"Tasks":[]}`))
	tasks.tasks = []*task.Task{curl(), {ARN: "daemon", Internal: true}, web()}
	wantJSON(t, get(h, "/v1/tasks"), "tasks.json")
	wantJSON(t, get(h, "/v1/tasks"), "tasks.json")
	wantJSON(t, get(h, "/v1/tasks?other=x"), "tasks.json")
	// A new snapshot of one task is seen at once.
	changed := web()
	changed.Containers[0].Restarts = &task.RestartTracker{Count: 3}
	tasks.tasks[2] = changed
	if got := get(h, "/v1/tasks").Body.String(); !strings.Contains(got, `"RestartCount":3`) {
		t.Error(got)
	}
}

func TestFilters(t *testing.T) {
	all, err := os.ReadFile("testdata/tasks.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Tasks []json.RawMessage }
	if err := json.Unmarshal(all, &golden); err != nil {
		t.Fatal(err)
	}
	creating := &task.Task{ARN: "creating", Containers: []*task.Container{{Name: "c", RuntimeName: "ecs-creating-1-c-00ff", Engine: task.ContainerProgress{Step: task.StepCreate}}}}
	h := Handler(Agent{}, &listed{[]*task.Task{curl(), {ARN: "daemon", Internal: true}, web(), creating}})
	const nothing = `{"Arn":"","KnownStatus":"","Family":"","Version":"","Containers":null}`
	const aboutCreating = `{"Arn":"creating","DesiredStatus":"PENDING","KnownStatus":"PENDING","Family":"","Version":"","Containers":[{"DockerId":"","DockerName":"ecs-creating-1-c-00ff","Name":"c","Image":"","ImageID":""}]}`
	for _, test := range []struct {
		query  string
		status int
		body   string
	}{
		{"taskarn=" + curlARN, 200, string(golden.Tasks[0])},
		{"dockerid=" + curlID, 200, string(golden.Tasks[0])},
		{"dockerid=ea32192c8553", 200, string(golden.Tasks[0])},
		{"dockerid=9", 200, string(golden.Tasks[1])},
		{"taskarn=daemon", 200, `{"Arn":"daemon","DesiredStatus":"PENDING","KnownStatus":"PENDING","Family":"","Version":"","Containers":[]}`},
		{"dockerid=ecs-creating-1-c-00ff", 200, aboutCreating},
		{"taskarn=nope", 404, nothing},
		{"taskarn=", 404, nothing},
		{"dockerid=nope", 404, nothing},
		{"dockerid=ea32192c8553f", 404, nothing}, // too long for a beginning
		{"dockerid=" + curlID + "0", 404, nothing},
		{"dockerid=", 400, nothing},
		{"dockerid=&taskarn=", 400, nothing},
		{"dockerid=" + curlID + "&taskarn=" + curlARN, 400, nothing},
	} {
		t.Run(test.query, func(t *testing.T) {
			wantBody(t, get(h, "/v1/tasks?"+test.query), test.status, []byte(test.body))
		})
	}
}

func TestTwoContainersOfOneTaskAreAmbiguous(t *testing.T) {
	h := Handler(Agent{}, &listed{[]*task.Task{{ARN: "a", Containers: []*task.Container{{RuntimeID: "abc1"}, {RuntimeID: "abc2"}}}}})
	if got := get(h, "/v1/tasks?dockerid=abc").Code; got != 400 {
		t.Error(got)
	}
}

func TestStatuses(t *testing.T) {
	for _, test := range []struct {
		desired, known task.Status
		want           string
	}{
		{task.Running, task.Running, `"DesiredStatus":"RUNNING","KnownStatus":"RUNNING"`},
		{task.Running, task.Created, `"DesiredStatus":"RUNNING","KnownStatus":"PENDING"`},
		{task.Stopped, task.Running, `"DesiredStatus":"STOPPED","KnownStatus":"RUNNING"`},
		{task.Running, task.Stopped, `"Arn":"","KnownStatus":"STOPPED"`},
		{task.Created, task.Running, `"Arn":"","KnownStatus":"RUNNING"`},
	} {
		h := Handler(Agent{}, &listed{[]*task.Task{{Desired: test.desired, Known: test.known}}})
		if got := get(h, "/v1/tasks").Body.String(); !strings.Contains(got, test.want) {
			t.Errorf("%v %v: %s", test.desired, test.known, got)
		}
	}
}

func TestMetadata(t *testing.T) {
	h := Handler(Agent{Cluster: "default", ContainerInstanceARN: "arn:ci", Version: "Amazon ECS Agent - v1.2.3 (*a8b3e7d3)"}, &listed{})
	const want = `{"Cluster":"default","ContainerInstanceArn":"arn:ci","Version":"Amazon ECS Agent - v1.2.3 (*a8b3e7d3)"}`
	wantBody(t, get(h, "/v1/metadata"), 200, []byte(want))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/metadata", nil))
	wantBody(t, w, 200, []byte(want))
}

func TestEveryOtherPathListsTheCommands(t *testing.T) {
	const plain = `{"AvailableCommands":["/v1/metadata","/v1/tasks","/license"]}`
	const profiling = `{"AvailableCommands":["/v1/metadata","/v1/tasks","/license","/debug/pprof/","/debug/pprof/cmdline","/debug/pprof/profile","/debug/pprof/symbol","/debug/pprof/trace"]}`
	for _, path := range []string{"/", "/v1/metadata/", "/favicon.ico", "/v9/x", "/debug/pprof/", "/debug/pprof/heap"} {
		w := get(Handler(Agent{}, &listed{}), path)
		if w.Code != 200 || w.Body.String() != plain || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
	}
	h := Handler(Agent{Profiling: true}, &listed{})
	if got := get(h, "/").Body.String(); got != profiling {
		t.Error(got)
	}
	for path, want := range map[string]string{"/debug/pprof/": "goroutine", "/debug/pprof/heap?debug=1": "heap profile", "/debug/pprof/cmdline": os.Args[0], "/debug/pprof/symbol": "num_symbols"} {
		if w := get(h, path); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %.100s", path, w.Code, w.Body)
		}
	}
	if w := get(h, "//v1/metadata"); w.Code != 301 || w.Header().Get("Location") != "/v1/metadata" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestServerTimeouts(t *testing.T) {
	if s := Server(Agent{}, &listed{}); s.WriteTimeout != 0 || s.Address != ":51678" {
		t.Errorf("%+v", s)
	}
	if s := Server(Agent{Profiling: true}, &listed{}); s.WriteTimeout != httpd.ProfilingWriteTimeout {
		t.Errorf("%+v", s)
	}
}

func TestLicense(t *testing.T) {
	t.Chdir(t.TempDir())
	h := Handler(Agent{}, &listed{})
	if w := get(h, "/license"); w.Code != 500 || w.Body.Len() > 0 || w.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
	for _, name := range []string{"LICENSE", "NOTICE", "THIRD-PARTY"} {
		if err := os.WriteFile(name, []byte("text of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	line := "\n" + strings.Repeat("=", 80) + "\n"
	if w := get(h, "/license"); w.Code != 200 || w.Body.String() != "text of LICENSE"+line+"text of NOTICE"+line+"text of THIRD-PARTY" || w.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
}

func TestStatusPage(t *testing.T) {
	tooBig := &task.Task{ARN: "big", Engine: task.Progress{Waiting: "CPU"}}
	tasks := &listed{[]*task.Task{curl(), web(), tooBig, {ARN: "daemon", Internal: true}}}
	w := get(Handler(Agent{Reports: func() any { return map[string]int{"Pending": 3} }}, tasks), "/v1/status")
	wantBody(t, w, 200, []byte(`{"Tasks":{"NONE":1,"RUNNING":2},"Waiting":[{"Arn":"big","Reason":"CPU"}],"Reports":{"Pending":3}}`))
}

func TestStatusShowsStepsThatTakeLong(t *testing.T) {
	since := time.Now().Add(-time.Minute)
	tasks := []*task.Task{{ARN: "t", Containers: []*task.Container{
		{Name: "hung", Engine: task.ContainerProgress{Step: task.StepStart, StepSince: since}},
		{Name: "over", Engine: task.ContainerProgress{StepSince: since}},
		{Name: "new", Engine: task.ContainerProgress{Step: task.StepPull, StepSince: time.Now()}},
	}}}
	got := statusOf(tasks, nil, nil).Slow
	if len(got) != 1 || got[0].Container != "hung" || got[0].Step != "start" || got[0].Seconds < 60 {
		t.Errorf("%+v", got)
	}
}

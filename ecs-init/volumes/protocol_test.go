package volumes

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type protocolStep struct {
	Path       string
	Request    json.RawMessage
	Status     int
	Response   any
	Exec       [][]string
	ExecStderr string         `json:"exec_stderr"`
	Mounts     map[string]int `json:"mounts_after"`
}

func TestProtocol(t *testing.T) {
	content, err := os.ReadFile("testdata/protocol.json")
	if err != nil {
		t.Fatal(err)
	}
	var steps []protocolStep
	if err := json.Unmarshal(content, &steps); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 20 {
		t.Fatalf("only %d steps", len(steps))
	}
	p := newPlace(t)
	f := &fakeMounts{}
	plugin := p.start(f)
	for i, s := range steps {
		f.before = nil
		if s.ExecStderr != "" {
			f.before = func(context.Context, []string) error { return failing(s.ExecStderr) }
		}
		p.checkStep(plugin, f, i, s)
	}
}

func (p place) checkStep(plugin *Plugin, f *fakeMounts, number int, s protocolStep) {
	t := p.t
	t.Helper()
	body := string(s.Request)
	if s.Status == http.StatusBadRequest {
		body = strings.Trim(body, `"`)
	}
	w := httptest.NewRecorder()
	plugin.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, s.Path, strings.NewReader(body)))
	what := s.Path + " " + body
	if w.Code != s.Status {
		t.Errorf("step %d, %s: status %d: %s", number, what, w.Code, w.Body)
		return
	}
	ran, _ := json.Marshal(f.take())
	if want, _ := json.Marshal(s.Exec); len(s.Exec) > 0 || string(ran) != "null" {
		if got := strings.ReplaceAll(string(ran), p.root, ""); got != string(want) {
			t.Errorf("step %d, %s: ran %s, want %s", number, what, got, want)
		}
	}
	if s.Mounts != nil {
		if diff := cmp.Diff(s.Mounts, plugin.volumes["v1"].uses); diff != "" {
			t.Errorf("step %d, %s: %s", number, what, diff)
		}
	}
	if s.Status == http.StatusBadRequest {
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
			t.Errorf("step %d, %s: content type %s", number, what, got)
		}
		return
	}
	if got := w.Header().Get("Content-Type"); got != contentType {
		t.Errorf("step %d, %s: content type %s", number, what, got)
	}
	var got any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(w.Body.String(), p.root, "")), &got); err != nil {
		t.Errorf("step %d, %s: %v", number, what, err)
	}
	if diff := cmp.Diff(s.Response, got, cmp.FilterPath(isCreatedAt, cmp.Comparer(func(a, b any) bool { return a != "" && b != "" }))); diff != "" {
		t.Errorf("step %d, %s: %s", number, what, diff)
	}
}

func isCreatedAt(path cmp.Path) bool {
	index, ok := path.Last().(cmp.MapIndex)
	return ok && index.Key().String() == "CreatedAt"
}

func TestActivateIsWrittenAsDockerKnowsIt(t *testing.T) {
	w := httptest.NewRecorder()
	newPlace(t).start(&fakeMounts{}).Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/Plugin.Activate", nil))
	if got := w.Body.String(); got != "{\"Implements\": [\"VolumeDriver\"]}\n" {
		t.Errorf("%q", got)
	}
}

func TestMountPointsAreForRootAlone(t *testing.T) {
	p := newPlace(t)
	if err := p.start(&fakeMounts{}).Create("v", nil); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(p.path("v")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestNamesDoNotLeadOut(t *testing.T) {
	p := newPlace(t)
	plugin := p.start(&fakeMounts{})
	for _, name := range []string{"", ".", "..", "../x", "a/b", "/etc"} {
		if err := plugin.Create(name, nil); err == nil || !strings.HasPrefix(err.Error(), "cannot create mount point: ") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(p.directory())); len(entries) > 1 {
		t.Errorf("%v", entries)
	}
}

func FuzzRequests(f *testing.F) {
	f.Add("/VolumeDriver.Create", `{"Name":"v","Opts":{"type":"efs"}}`)
	f.Add("/VolumeDriver.Mount", `{"Name":"v","ID":"a"}`)
	root := f.TempDir()
	if err := os.MkdirAll(filepath.Join(root, stateDirectory), 0o755); err != nil {
		f.Fatal(err)
	}
	mounts := &fakeMounts{}
	plugin, err := load(stateAt(root), mounter{run: mounts.run, table: mounts.table}, filepath.Join(root, mountDirectory))
	if err != nil {
		f.Fatal(err)
	}
	handler := plugin.Handler()
	f.Fuzz(func(t *testing.T, path, body string) {
		r, err := http.NewRequest(http.MethodPost, "http://x/", strings.NewReader(body))
		if err != nil || strings.Contains(body, "target") {
			return
		}
		r.URL.Path = path
		handler.ServeHTTP(httptest.NewRecorder(), r)
	})
}

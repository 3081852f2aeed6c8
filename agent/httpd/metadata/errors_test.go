package metadata

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestErrors(t *testing.T) {
	text, err := os.ReadFile("testdata/errors.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Path, Body string
		Status     int
		Stranger   bool // the caller's address belongs to no task
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	tk := &task.Task{ARN: "t1", LocalIPAddress: "169.254.172.3", Containers: []*task.Container{
		{Name: "curl", EndpointID: "eid", RuntimeID: "docker-cid", NetworkMode: "none"},
		{Name: "later", EndpointID: "not-created"},
	}}
	for _, test := range cases {
		t.Run(test.Path, func(t *testing.T) {
			w := &world{tasks: []*task.Task{tk}}
			if test.Stranger {
				w.tasks = nil
			}
			got := w.get(test.Path)
			want, _ := json.Marshal(test.Body)
			contentType := "application/json"
			if test.Status == 404 && test.Body == "404 page not found\n" {
				want, contentType = []byte(test.Body), "text/plain; charset=utf-8"
			}
			if got.Code != test.Status || got.Body.String() != string(want) || got.Header().Get("Content-Type") != contentType {
				t.Errorf("%d %v\n%s\nwant %d\n%s", got.Code, got.Header(), got.Body, test.Status, want)
			}
		})
	}
}

func TestTaskWithoutContainersInDocker(t *testing.T) {
	w := &world{tasks: []*task.Task{{ARN: "t1", LocalIPAddress: "169.254.172.3", Containers: []*task.Container{{Name: "later"}}}}}
	if got := w.get("/v2/stats"); got.Code != 400 || got.Body.String() != `"Unable to get task stats for: t1"` {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := w.get("/v2/metadata"); got.Code != 200 || strings.Contains(got.Body.String(), "Containers") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestUnreadableAddress(t *testing.T) {
	w := &world{}
	routes := &httpd.Router{}
	Register(routes, here, w, w, w)
	r := httptest.NewRequest("GET", "/v2/metadata", nil)
	r.RemoteAddr = "nonsense"
	rec := httptest.NewRecorder()
	routes.ServeHTTP(rec, r)
	if rec.Code != 400 || !strings.HasPrefix(rec.Body.String(), `"Unable to get task arn from request: unable to parse request's ip address: `) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestStats(t *testing.T) {
	for name, c := range map[string]struct {
		stats map[string]string
		want  map[string]string // status and body by path
	}{
		"not measured": {nil, map[string]string{
			"/v4/" + endpoint + "/stats":      `500 "Unable to get container stats for: ` + curlID + `"`,
			"/v3/" + endpoint + "/stats":      `400 "Unable to get container stats for: ` + curlID + `"`,
			"/v2/stats/" + curlID:             `400 "Unable to get container stats for: ` + curlID + `"`,
			"/v4/" + endpoint + "/task/stats": `200 {"` + pauseID + `":{},"` + curlID + `":{}}`,
			"/v3/" + endpoint + "/task/stats": `200 {"` + pauseID + `":null,"` + curlID + `":null}`,
			"/v2/stats":                       `200 {"` + pauseID + `":null,"` + curlID + `":null}`,
		}},
		"no sample yet": {map[string]string{curlID: ""}, map[string]string{
			"/v4/" + endpoint + "/stats": `200 {}`,
			"/v3/" + endpoint + "/stats": `200 null`,
			"/v2/stats/" + curlID:        `200 null`,
			"/v2/stats/" + pauseID:       `400 "Unable to get container stats for: ` + pauseID + `"`,
			"/v2/stats/other":            `400 "Unable to get container stats for: other"`,
		}},
		"measured": {map[string]string{curlID: `{"read":1}`}, map[string]string{
			"/v4/" + endpoint + "/stats":      `200 {"rates":{"read":1}}`,
			"/v3/" + endpoint + "/stats":      `200 {"read":1}`,
			"/v2/stats/" + curlID:             `200 {"read":1}`,
			"/v4/" + endpoint + "/task/stats": `200 {"` + pauseID + `":{},"` + curlID + `":{"rates":{"read":1}}}`,
			"/v3/" + endpoint + "/task/stats": `200 {"` + pauseID + `":null,"` + curlID + `":{"read":1}}`,
			"/v2/stats/":                      `200 {"` + pauseID + `":null,"` + curlID + `":{"read":1}}`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{tasks: []*task.Task{withPause()}, stats: c.stats}
			for path, want := range c.want {
				got := w.get(path)
				if text := fmt.Sprint(got.Code, " ", got.Body); text != want || got.Header().Get("Content-Type") != "application/json" {
					t.Errorf("%s: %s, want %s", path, text, want)
				}
			}
		})
	}
}

func TestAssociations(t *testing.T) {
	tk := own()
	tk.Associations = []task.Association{
		{Name: "dev1", Type: "elastic-inference", Containers: []string{"curl"}, Content: task.AssociationContent{Encoding: "base64", Value: "val"}},
		{Name: "dev/2", Type: "elastic-inference", Containers: []string{"other"}, Content: task.AssociationContent{Value: "{ \"a\" : 1 }"}},
	}
	w := &world{tasks: []*task.Task{tk}}
	for _, version := range []string{"/v3/", "/v4/"} {
		for path, want := range map[string]string{
			"elastic-inference":       `{"Associations":["dev1"]}`,
			"other":                   `{"Associations":null}`,
			"elastic-inference/dev1":  "val",
			"elastic-inference/dev/2": `{ "a" : 1 }`,
		} {
			got := w.get(version + endpoint + "/associations/" + path)
			if got.Code != 200 || got.Body.String() != want || got.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s: %d %v %s", path, got.Code, got.Header(), got.Body)
			}
		}
	}
}

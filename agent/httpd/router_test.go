package httpd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func testRoutes() *Router {
	routes := &Router{}
	for _, pattern := range []string{"/v1/x", "/v2/creds/{*id}", "/v2/meta", "/v2/meta/", "/v2/meta/{+id}", "/v3/{id}", "/v3/{id}/task", "/v3/{id}/as/{type}", "/v3/{id}/as/{type}/", "/v3/{id}/as/{type}/{+name}"} {
		routes.Handle(pattern, func(w http.ResponseWriter, r *http.Request, vars Vars) {
			fmt.Fprintf(w, "%s %q", pattern, vars)
		})
	}
	routes.Handle("/api/{id}/state", func(w http.ResponseWriter, _ *http.Request, vars Vars) { fmt.Fprint(w, "get ", vars[0]) }, "GET")
	routes.Handle("/api/{id}/state", func(w http.ResponseWriter, _ *http.Request, vars Vars) { fmt.Fprint(w, "put ", vars[0]) }, "PUT")
	return routes
}

func TestRouter(t *testing.T) {
	const notFound = "404 404 page not found\n"
	routes := testRoutes()
	for _, test := range []struct{ request, want string }{
		{"GET /v1/x", `200 /v1/x ["" "" ""]`},
		{"POST /v1/x", `200 /v1/x ["" "" ""]`},
		{"GET /v1/x/", notFound},
		{"GET /v1/xx", notFound},
		{"GET /", notFound},
		{"GET /v2/creds", notFound},
		{"GET /v2/creds/", `200 /v2/creds/{*id} ["" "" ""]`},
		{"GET /v2/creds/a/b", `200 /v2/creds/{*id} ["a/b" "" ""]`},
		{"GET /v2/meta", `200 /v2/meta ["" "" ""]`},
		{"GET /v2/meta/", `200 /v2/meta/ ["" "" ""]`},
		{"GET /v2/meta/a/b/", `200 /v2/meta/{+id} ["a/b/" "" ""]`},
		{"GET /v3", notFound},
		{"GET /v3/", `200 /v3/{id} ["" "" ""]`},
		{"GET /v3/task", `200 /v3/{id} ["task" "" ""]`},
		{"GET /v3/e/", notFound},
		{"GET /v3/e/task", `200 /v3/{id}/task ["e" "" ""]`},
		{"GET /v3/e/task/", notFound},
		{"GET /v3/e%2Ftask", `200 /v3/{id}/task ["e" "" ""]`},
		{"GET /v3/e/as/t", `200 /v3/{id}/as/{type} ["e" "t" ""]`},
		{"GET /v3/e/as/t/", `200 /v3/{id}/as/{type}/ ["e" "t" ""]`},
		{"GET /v3/e/as/t/n/m", `200 /v3/{id}/as/{type}/{+name} ["e" "t" "n/m"]`},
		{"GET /api/e/state", "200 get e"},
		{"PUT /api/e/state", "200 put e"},
		{"POST /api/e/state", "405 "},
	} {
		method, target, _ := strings.Cut(test.request, " ")
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		if got := fmt.Sprintf("%d %s", w.Code, w.Body); got != test.want {
			t.Errorf("%s: %q, want %q", test.request, got, test.want)
		}
		if w.Code == http.StatusMethodNotAllowed && len(w.Header()) > 0 {
			t.Errorf("%s: headers %v", test.request, w.Header())
		}
	}
}

func TestCleanPath(t *testing.T) {
	for in, want := range map[string]string{
		"": "/", "/": "/", "//": "/", "/a": "/a", "/a/": "/a/", "/a//b": "/a/b", "//a/": "/a/", "/a/./b/": "/a/b/", "/a/../b": "/b", "/../a": "/a",
		"/v3///task/": "/v3/task/", "a": "/a", "/a/..": "/", "/a/.": "/a", "/...": "/...", "/.../": "/.../",
	} {
		if got := cleanPath(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	path := "/v4/0f0e0d0c-1111-2222-3333-444455556666/task/"
	if n := testing.AllocsPerRun(100, func() { cleanPath(path) }); n > 0 {
		t.Errorf("%v allocations for a clean path", n)
	}
}

func FuzzCleanPath(f *testing.F) {
	f.Add("/v3///task/")
	f.Add("a/../..//.")
	f.Fuzz(func(t *testing.T, p string) {
		clean := cleanPath(p)
		if cleanPath(clean) != clean || clean[0] != '/' || strings.Contains(clean, "//") || strings.Contains(clean+"/", "/../") {
			t.Errorf("%q became %q", p, clean)
		}
		// Whatever the path, there is an answer.
		w := httptest.NewRecorder()
		testRoutes().ServeHTTP(w, &http.Request{Method: "GET", URL: &url.URL{Path: clean}})
		if w.Code != http.StatusOK && w.Code != http.StatusNotFound {
			t.Errorf("%q: %d", clean, w.Code)
		}
	})
}

package httpd

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/httpd/audit"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

func request(h http.Handler, method, target, from string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTaskServerOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		audits := audit.New("cluster", "instance", &log)
		h := TaskServer{Routes: testRoutes(), Limiter: NewLimiter(40, 60), Audit: audits}.Handler()
		const caller = "169.254.172.3:51234"

		// The clean path comes first, and costs nothing.
		for range 100 {
			w := request(h, "GET", "//v3//eid?a=b", caller)
			if w.Code != http.StatusMovedPermanently || w.Header().Get("Location") != "/v3/eid?a=b" || w.Body.Len() > 0 || len(w.Header()) != 1 {
				t.Fatalf("%d %v %q", w.Code, w.Header(), w.Body)
			}
		}
		wantHeader := func(w *httptest.ResponseRecorder) {
			t.Helper()
			for key, want := range map[string]string{
				"X-Rate-Limit-Limit": "40.00", "X-Rate-Limit-Duration": "1", "X-Rate-Limit-Request-Forwarded-For": "", "X-Rate-Limit-Request-Remote-Addr": caller,
			} {
				if got, has := w.Header()[key]; !has || got[0] != want {
					t.Errorf("%s: %q, want %q", key, got, want)
				}
			}
		}
		for i := range 60 {
			w := request(h, "GET", "/v3/eid", caller)
			if w.Code != http.StatusOK {
				t.Fatalf("request %d: %d", i, w.Code)
			}
			wantHeader(w)
		}
		w := request(h, "GET", "/v3/eid", caller)
		wantHeader(w)
		if w.Code != http.StatusTooManyRequests || w.Body.String() != "You have reached maximum request limit." || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
		}
		// Other paths and other callers have limits of their own.
		w = request(h, "GET", "/nowhere", caller)
		wantHeader(w)
		if w.Code != http.StatusNotFound || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		if w := request(h, "POST", "/api/eid/state", caller); w.Code != http.StatusMethodNotAllowed || w.Body.Len() > 0 {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		if w := request(h, "GET", "/v3/eid", "169.254.172.4:51234"); w.Code != http.StatusOK {
			t.Errorf("another caller: %d", w.Code)
		}
		if w := request(h, "GET", "/v3/eid", "169.254.172.3:1"); w.Code != http.StatusTooManyRequests {
			t.Errorf("another port: %d", w.Code)
		}
		// 40 tokens a second come back.
		time.Sleep(50 * time.Millisecond)
		for i, want := range []int{200, 200, 429} {
			if w := request(h, "GET", "/v3/eid", caller); w.Code != want {
				t.Errorf("after a pause, request %d: %d", i, w.Code)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		audits.Run(ctx)
		lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
		if len(lines) != 3 || lines[0] != `2000-01-01T00:00:00Z 429 169.254.172.3:51234 "/v3/eid" "" - ` {
			t.Errorf("audit log %q", lines)
		}
	})
}

func TestLimiterTableIsBounded(t *testing.T) {
	l := NewLimiter(40, 60)
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range maxBuckets {
		if !l.allow("10.0.0.1", fmt.Sprint("/v4/", i), now) {
			t.Fatalf("path %d refused", i)
		}
	}
	// The flood of paths is one from here on.
	allowed := 0
	for i := range 1000 {
		if l.allow("10.0.0.1", fmt.Sprint("/v4/more", i), now) {
			allowed++
		}
	}
	if allowed != 60 || len(l.buckets) != maxBuckets+1 {
		t.Errorf("%d allowed, %d buckets", allowed, len(l.buckets))
	}
	if !l.allow("10.0.0.2", "/v4/other", now) {
		t.Error("another caller suffers from it")
	}
	// Buckets that are full again are forgotten.
	if !l.allow("10.0.0.1", "/v4/later", now.Add(2*time.Second)) || len(l.buckets) > 3 {
		t.Errorf("%d buckets left", len(l.buckets))
	}
}

func TestLimiterBearsManyAddresses(t *testing.T) {
	l := NewLimiter(40, 60)
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	allowed := 0
	for i := range 3 * maxBuckets {
		if l.allow(fmt.Sprintf("127.%d.%d.%d", i>>16, i>>8&255, i&255), fmt.Sprint("/v4/", i), now) {
			allowed++
		}
	}
	if len(l.buckets) != 2*maxBuckets+1 || allowed != 2*maxBuckets+60 {
		t.Errorf("%d buckets, %d allowed", len(l.buckets), allowed)
	}
	// A look through the table costs as much as the table is long: there was one, at the beginning.
	if l.sweepAt != now.Add(time.Second) {
		t.Errorf("looked through at %v", l.sweepAt)
	}
}

func TestRemoteHost(t *testing.T) {
	for in, want := range map[string]string{"10.0.0.1:80": "10.0.0.1", "[::1]:80": "[::1]", "@": "@", "": ""} {
		if got := remoteHost(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestUnencodableBody(t *testing.T) {
	w := httptest.NewRecorder()
	JSON(w, http.StatusOK, "test", func() {})
	if w.Code != http.StatusInternalServerError || w.Body.String() != "{}" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
}

// TestFailuresAreLogged has answers of every length; long ones are those that repeat a long path.
func TestFailuresAreLogged(t *testing.T) {
	t.Cleanup(func() { logger.Setup(logger.Options{DriverLevel: logger.LevelInfo, FileLevel: logger.LevelOff}) })
	logged := func(answer func(w http.ResponseWriter)) (w *httptest.ResponseRecorder, text string) {
		var lines strings.Builder
		logger.Setup(logger.Options{Driver: &lines, DriverLevel: logger.LevelDebug, FileLevel: logger.LevelOff})
		w = httptest.NewRecorder()
		answer(w)
		return w, lines.String()
	}
	if _, text := logged(func(w http.ResponseWriter) { JSON(w, http.StatusNotFound, "test", "no such thing") }); !strings.Contains(text,
		`HTTP response status code is '404', request type is: test, and response in JSON is \"no such thing\"`) {
		t.Error(text)
	}
	if _, text := logged(func(w http.ResponseWriter) { Text(w, http.StatusInternalServerError, "test", nil) }); !strings.Contains(text, "response in plaintext is <empty>") {
		t.Error(text)
	}
	if _, text := logged(func(w http.ResponseWriter) { JSON(w, http.StatusOK, "test", "fine") }); text != "" {
		t.Error(text)
	}
	long := strings.Repeat("é", maxHeaderBytes)
	w, text := logged(func(w http.ResponseWriter) { JSON(w, http.StatusNotFound, "test", long) })
	if !strings.Contains(text, "éé…") || len(text) > 2*maxLogged || w.Body.Len() != len(long)+2 {
		t.Errorf("%d bytes logged for an answer of %d: %.300s", len(text), w.Body.Len(), text)
	}
}

func TestEveryAnswerIsObserved(t *testing.T) {
	seen := map[string]int{}
	h := TaskServer{Routes: testRoutes(), Limiter: NewLimiter(40, 3), Observe: func(pattern string, status int) {
		seen[fmt.Sprint(pattern, " ", status)]++
	}}.Handler()
	for _, path := range []string{"/v3/secret-id", "/v3/other-id", "/nowhere", "//v3/eid"} {
		request(h, "GET", path, "10.0.0.1:1")
	}
	request(h, "POST", "/api/eid/state", "10.0.0.1:1")
	for range 4 {
		request(h, "GET", "/v3/eid", "10.0.0.2:1")
	}
	if want := "map[ 301:1  404:1 /api/{id}/state 405:1 /v3/{id} 200:5 /v3/{id} 429:1]"; fmt.Sprint(seen) != want {
		t.Errorf("%v\nwant %s", seen, want)
	}
}

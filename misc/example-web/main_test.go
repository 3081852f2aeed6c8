package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPages(t *testing.T) {
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("{\"path\":\"" + r.URL.Path + "\"}")) }))
	defer metadata.Close()
	t.Setenv("ECS_CONTAINER_METADATA_URI_V4", metadata.URL+"/v4/id")
	s := httptest.NewServer(handler())
	defer s.Close()
	for path, want := range map[string]string{
		"/": "Task metadata: " + metadata.URL, "/health": "healthy", "/metadata/task": `"/v4/id/task"`, "/env": "ECS_CONTAINER_METADATA_URI_V4=",
	} {
		body, err := fetch(context.Background(), s.URL+path)
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s, %v", path, body, err)
		}
	}
}

func TestHealthCanBeLost(t *testing.T) {
	s := httptest.NewServer(handler())
	defer s.Close()
	var out bytes.Buffer
	if code := run(context.Background(), []string{"get", s.URL + "/health"}, &out, &out); code != 0 {
		t.Errorf("healthy: exit code %d, %s", code, &out)
	}
	if resp, err := http.Post(s.URL+"/sick", "", nil); err != nil {
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	if code := run(context.Background(), []string{"get", s.URL + "/health"}, &out, &out); code != 1 {
		t.Errorf("sick: exit code %d", code)
	}
}

func TestBatch(t *testing.T) {
	var out bytes.Buffer
	if code := run(context.Background(), []string{"batch", "--steps", "2", "--interval", "1ms", "--exit", "7"}, &out, &out); code != 7 || !strings.Contains(out.String(), "step 2 of 2") {
		t.Errorf("exit code %d, output %s", code, &out)
	}
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	if code := run(stopped, []string{"batch", "--interval", "1h"}, &out, &out); code != 143 {
		t.Errorf("stopped: exit code %d", code)
	}
}

func TestUsage(t *testing.T) {
	var out bytes.Buffer
	if code := run(context.Background(), []string{"dance"}, &out, &out); code != 2 || !strings.Contains(out.String(), "example-web batch") {
		t.Errorf("exit code %d, output %s", code, &out)
	}
}

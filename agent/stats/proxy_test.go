package stats

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// serveProxy is a Service Connect proxy with these statistics, on a unix socket.
func serveProxy(t *testing.T, text string) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sc") // short enough for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })}}
	server.Start()
	t.Cleanup(server.Close)
	return socket
}

package docker

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// fakeDaemon is an engine whose answers are functions. It lives on in-memory connections, so that tests may run it on
// the fake clock of a synctest bubble.
type fakeDaemon struct {
	t        testing.TB
	handlers map[string]http.HandlerFunc // by "METHOD /path" without the version
	conns    chan net.Conn
	closed   chan struct{}

	mu    sync.Mutex
	calls []call
}

type call struct {
	method, version, path, query, body string
	header                             http.Header
}

const (
	fakeEndpoint = "unix:///var/run/docker.sock"
	fakeVersion  = `{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64","KernelVersion":"6.1"}`
)

func newFakeDaemon(t testing.TB) *fakeDaemon {
	t.Helper()
	d := &fakeDaemon{t: t, handlers: map[string]http.HandlerFunc{}, conns: make(chan net.Conn), closed: make(chan struct{})}
	d.on("HEAD /_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.41") })
	d.answer("GET /version", 200, fakeVersion)
	server := &http.Server{Handler: d}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(d)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return d
}

func (d *fakeDaemon) on(route string, f http.HandlerFunc) { d.handlers[route] = f }

func (d *fakeDaemon) answer(route string, status int, body string) {
	d.on(route, func(w http.ResponseWriter, _ *http.Request) { reply(w, status, body) })
}

// hang makes a route never answer.
func (d *fakeDaemon) hang(route string) {
	d.on(route, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func (d *fakeDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c := call{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, body: string(body), header: r.Header}
	if rest, ok := strings.CutPrefix(c.path, "/v1."); ok {
		minor, path, _ := strings.Cut(rest, "/")
		c.version, c.path = "1."+minor, "/"+path
	}
	d.mu.Lock()
	d.calls = append(d.calls, c)
	d.mu.Unlock()
	if f, ok := d.handlers[r.Method+" "+c.path]; ok {
		f(w, r)
		return
	}
	reply(w, 404, `{"message":"page not found"}`)
}

// made lists the calls to a route.
func (d *fakeDaemon) made(route string) []call {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []call
	for _, c := range d.calls {
		if c.method+" "+c.path == route {
			list = append(list, c)
		}
	}
	return list
}

func (d *fakeDaemon) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case d.conns <- theirs:
		return ours, nil
	case <-d.closed:
		return nil, &net.OpError{Op: "dial", Net: "unix", Err: io.ErrClosedPipe}
	}
}

// Accept, Close and Addr make the daemon a net.Listener.
func (d *fakeDaemon) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

func (d *fakeDaemon) Close() error {
	select {
	case <-d.closed:
	default:
		close(d.closed)
	}
	return nil
}

func (d *fakeDaemon) Addr() net.Addr { return &net.UnixAddr{Name: "/var/run/docker.sock", Net: "unix"} }

func (d *fakeDaemon) transport() *http.Transport {
	return &http.Transport{DialContext: d.dial, DisableCompression: true}
}

func (d *fakeDaemon) connect(ctx context.Context) (*Client, error) {
	return connect(ctx, fakeEndpoint, d.transport())
}

// client connects and forgets the calls that took.
func (d *fakeDaemon) client() *Client {
	d.t.Helper()
	c, err := d.connect(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(c.Close)
	d.mu.Lock()
	d.calls = nil
	d.mu.Unlock()
	return c
}

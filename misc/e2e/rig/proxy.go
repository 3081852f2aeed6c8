package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy stands between the agent and the Docker engine, on a socket of its own. It records every call, and can go away
// and come back as an engine does.
type Proxy struct {
	Socket string

	handler http.Handler

	hanging atomic.Bool

	mu     sync.Mutex
	calls  []*Call
	server *http.Server // nil while down
}

// Call is one call of the Docker API.
type Call struct {
	Method, Path string
	Query        string
	Body         []byte // of calls that create a container
	At           time.Time
	Done         time.Time // zero while it goes on
}

// version is the API version at the beginning of a path.
var version = regexp.MustCompile(`^/v1\.[0-9]+`)

// StartProxy puts a proxy before the engine's socket.
func StartProxy(socket, engine string) (*Proxy, error) {
	p := &Proxy{Socket: socket}
	reverse := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	reverse.FlushInterval = -1 // events and pulls are streams
	reverse.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", engine)
	}}
	reverse.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, fmt.Sprintf(`{"message":%q}`, err), http.StatusBadGateway)
	}
	p.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := &Call{Method: r.Method, Path: version.ReplaceAllString(r.URL.Path, ""), Query: r.URL.RawQuery, At: time.Now()}
		if call.Path == "/containers/create" {
			call.Body, _ = io.ReadAll(r.Body) // what is missing fails in the engine
			r.Body = io.NopCloser(bytes.NewReader(call.Body))
		}
		p.mu.Lock()
		p.calls = append(p.calls, call)
		p.mu.Unlock()
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			call.Done = time.Now()
		}()
		if p.hanging.Load() {
			<-r.Context().Done() // until the caller has had enough
			return
		}
		reverse.ServeHTTP(w, r)
	})
	return p, p.Up()
}

// Host is the proxy as a DOCKER_HOST.
func (p *Proxy) Host() string { return "unix://" + p.Socket }

// Up lets the proxy answer.
func (p *Proxy) Up() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return nil
	}
	if err := os.Remove(p.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("docker proxy: %w", err)
	}
	l, err := net.Listen("unix", p.Socket)
	if err != nil {
		return fmt.Errorf("docker proxy: %w", err)
	}
	p.server = &http.Server{Handler: p.handler}
	go func(s *http.Server) { _ = s.Serve(l) }(p.server)
	return nil
}

// Down cuts all connections and removes the socket.
func (p *Proxy) Down() {
	p.mu.Lock()
	server := p.server
	p.server = nil
	p.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
}

// Hang lets every new call wait for an answer that never comes, or ends that.
func (p *Proxy) Hang(on bool) { p.hanging.Store(on) }

// Calls gives the recorded calls whose "METHOD /path" matches pattern.
func (p *Proxy) Calls(pattern string) []Call {
	re := regexp.MustCompile(pattern)
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Call
	for _, c := range p.calls {
		if re.MatchString(c.Method + " " + c.Path) {
			out = append(out, *c)
		}
	}
	return out
}

// Forget starts the record over.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = nil
}

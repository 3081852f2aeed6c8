package dockertest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Proxy stands before the engine and can make its calls hang.
type Proxy struct {
	Endpoint string // tcp://127.0.0.1:port

	mu    sync.Mutex
	hangs map[string]bool // whether bytes of the answer get through first
	hung  map[string]int
	end   chan struct{}
}

// StartProxy starts a proxy that ends with the test.
func StartProxy(t testing.TB) *Proxy {
	t.Helper()
	network, address, found := strings.Cut(Endpoint(), "://")
	if !found {
		t.Fatalf("endpoint %q", Endpoint())
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}
	p := &Proxy{hangs: map[string]bool{}, hung: map[string]int{}, end: make(chan struct{})}
	engine := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		Transport:      transport,
		FlushInterval:  -1, // streams
		ModifyResponse: p.stall,
		ErrorLog:       log.New(io.Discard, "", 0), // what hung was cut off on purpose
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if call, hangs, begins := p.match(r); hangs && !begins {
			p.note(call)
			p.wait(r.Context())
			panic(http.ErrAbortHandler)
		}
		engine.ServeHTTP(w, r)
	}))
	p.Endpoint = "tcp://" + server.Listener.Addr().String()
	t.Cleanup(func() {
		close(p.end)
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	return p
}

// Hang makes calls hang whose method, path and query ("POST /containers/abc/start?…", without the API version) contain
// the text. With begins the engine's answer begins and then stalls.
func (p *Proxy) Hang(call string, begins bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hangs[call] = begins
}

// Heal lets all further calls through. Those that hang go on hanging.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.hangs)
}

// Hung is how many calls hung so far that match a text given to Hang.
func (p *Proxy) Hung(call string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hung[call]
}

func (p *Proxy) match(r *http.Request) (call string, hangs, begins bool) {
	path := r.URL.Path
	if version, rest, found := strings.Cut(strings.TrimPrefix(path, "/"), "/"); found && strings.HasPrefix(version, "v1.") {
		path = "/" + rest
	}
	line := r.Method + " " + path + "?" + r.URL.RawQuery
	p.mu.Lock()
	defer p.mu.Unlock()
	for call, begins := range p.hangs {
		if strings.Contains(line, call) {
			return call, true, begins
		}
	}
	return "", false, false
}

func (p *Proxy) note(call string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hung[call]++
}

func (p *Proxy) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-p.end:
	}
}

// stall makes an answer hang after its first bytes.
func (p *Proxy) stall(answer *http.Response) error {
	if call, _, begins := p.match(answer.Request); begins {
		p.note(call)
		answer.Body = &stalling{ReadCloser: answer.Body, wait: func() { p.wait(answer.Request.Context()) }}
	}
	return nil
}

type stalling struct {
	io.ReadCloser
	begun bool
	wait  func()
}

func (s *stalling) Read(b []byte) (int, error) {
	if s.begun {
		s.wait()
		return 0, io.ErrUnexpectedEOF
	}
	s.begun = true
	return s.ReadCloser.Read(b)
}

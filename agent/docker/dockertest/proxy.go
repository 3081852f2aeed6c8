package dockertest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Proxy stands before the engine and can make its calls hang.
type Proxy struct {
	Endpoint string // tcp://127.0.0.1:port

	mu    sync.Mutex
	hangs []hang
	hung  map[string]int
	names *strings.Replacer // ids of containers that were created through the proxy, and their names
	pairs []string
	end   chan struct{}
}

type hang struct {
	call   *regexp.Regexp
	begins bool // bytes of the answer get through first
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
	p := &Proxy{hung: map[string]int{}, names: strings.NewReplacer(), end: make(chan struct{})}
	engine := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		Transport:      transport,
		FlushInterval:  -1, // streams
		ModifyResponse: p.answered,
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

// Hang makes calls hang whose method, path and query ("POST /containers/name/start?…", without the API version) match a
// regular expression; containers appear by name. With begins the engine's answer begins and then stalls.
func (p *Proxy) Hang(call string, begins bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hangs = append(p.hangs, hang{call: regexp.MustCompile(call), begins: begins})
}

// Heal lets all further calls through. Those that hang go on hanging.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hangs = nil
}

// Hung is how many calls hung so far because of an expression given to Hang.
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
	line = p.names.Replace(line)
	for _, h := range p.hangs {
		if h.call.MatchString(line) {
			return h.call.String(), true, h.begins
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

// answered learns the names of new containers, and makes answers hang after their first bytes.
func (p *Proxy) answered(answer *http.Response) error {
	if strings.HasSuffix(answer.Request.URL.Path, "/containers/create") {
		return p.learn(answer)
	}
	if call, _, begins := p.match(answer.Request); begins {
		p.note(call)
		answer.Body = &stalling{ReadCloser: answer.Body, wait: func() { p.wait(answer.Request.Context()) }}
	}
	return nil
}

func (p *Proxy) learn(answer *http.Response) error {
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	var created struct{ ID string }
	if json.Unmarshal(text, &created) == nil && created.ID != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.pairs = append(p.pairs, created.ID, answer.Request.URL.Query().Get("name"))
		p.names = strings.NewReplacer(p.pairs...)
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

// Package wsconntest is the far end of websockets in tests. It works on pipes in memory, so that it can be used where time
// is simulated.
package wsconntest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
)

// Pipes is a listener that is reached with its Dial only.
type Pipes struct {
	dials  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Serve answers what is dialled with a handler until the test ends.
func Serve(t *testing.T, handler http.Handler) *Pipes {
	t.Helper()
	p := &Pipes{dials: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(p) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return p
}

// Dial connects to the server, whatever the address.
func (p *Pipes) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.dials <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Closed is closed at the end of the test, before handlers are waited for.
func (p *Pipes) Closed() <-chan struct{} { return p.closed }

// Accept, Close and Addr make it a net.Listener.
func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dials:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *Pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *Pipes) Addr() net.Addr { return &net.TCPAddr{} }

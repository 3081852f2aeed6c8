package httpd

import (
	"net"
	"net/http"
	"sync"
)

// maxConnections bounds the open connections of a server, and with them its memory.
const maxConnections = 10240

// connectionLimit is the bound for a process that may have so many open files. Whatever containers do, most of them are left
// for the agent's own work: Docker is behind a connection, too.
func connectionLimit(openFiles uint64) int {
	const share, least = 4, 16
	return int(min(max(openFiles/share, least), maxConnections))
}

// bounded is a listener with a bound on the connections that are open at a time. At the bound, the one that has said nothing
// for the longest time makes room for the next; when all are at work, the next waits.
type bounded struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	close  sync.Once

	mu     sync.Mutex
	silent placed // the list of silent connections: next is the oldest, previous the newest
}

func bound(l net.Listener, most int) *bounded {
	b := &bounded{Listener: l, places: make(chan struct{}, most), closed: make(chan struct{})}
	b.silent.next, b.silent.previous = &b.silent, &b.silent
	return b
}

func (b *bounded) Accept() (net.Conn, error) {
	conn, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case b.places <- struct{}{}:
	default:
		b.makeRoom()
		select {
		case b.places <- struct{}{}:
		case <-b.closed:
			_ = conn.Close()
			return nil, net.ErrClosed
		}
	}
	return &placed{Conn: conn, listener: b}, nil
}

func (b *bounded) Close() error {
	b.close.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// makeRoom closes the connection that has been silent for the longest time, if there is one.
func (b *bounded) makeRoom() {
	b.mu.Lock()
	oldest := b.silent.next
	oldest.unlink()
	b.mu.Unlock()
	if oldest != &b.silent {
		_ = oldest.Close()
	}
}

// follow hears from the server what connections do. One is silent until its first request, and between requests, has been
// read.
func (b *bounded) follow(conn net.Conn, state http.ConnState) {
	c, is := conn.(*placed)
	if !is {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c.unlink()
	if state == http.StateNew || state == http.StateIdle {
		c.next, c.previous = &b.silent, b.silent.previous
		c.next.previous, c.previous.next = c, c
	}
}

// placed is a connection that gives its place back when it is closed.
type placed struct {
	net.Conn
	listener *bounded
	leave    sync.Once

	next, previous *placed // in the list of silent ones; nil outside
}

// unlink takes the connection off the list, if it is on it. The list's own mutex is held.
func (c *placed) unlink() {
	if c.next == nil || c.next == c {
		return
	}
	c.next.previous, c.previous.next = c.previous, c.next
	c.next, c.previous = nil, nil
}

// CloseWrite ends the agent's side alone: without it, an answer to a request that was not read to its end may be lost.
func (c *placed) CloseWrite() error {
	if half, can := c.Conn.(interface{ CloseWrite() error }); can {
		return half.CloseWrite()
	}
	return nil
}

func (c *placed) Close() error {
	defer c.leave.Do(func() { <-c.listener.places })
	return c.Conn.Close()
}

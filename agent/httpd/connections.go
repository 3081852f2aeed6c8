package httpd

import (
	"net"
	"sync"
)

// maxConnections bounds the open connections of a server, and with them its memory. Those beyond it wait to be accepted:
// connections that say nothing are closed after a few seconds.
const maxConnections = 16384

// connectionLimit is the bound for a process that may have so many open files. Whatever containers do, most of them are left
// for the agent's own work: Docker is behind a connection, too.
func connectionLimit(openFiles uint64) int {
	const share, least = 4, 16
	return int(min(max(openFiles/share, least), maxConnections))
}

// bounded is a listener with a bound on the connections that are open at a time.
type bounded struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	close  sync.Once
}

func bound(l net.Listener, most int) *bounded {
	return &bounded{Listener: l, places: make(chan struct{}, most), closed: make(chan struct{})}
}

func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.places <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.places
		return nil, err
	}
	return &placed{Conn: conn, listener: b}, nil
}

func (b *bounded) Close() error {
	b.close.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// placed is a connection that gives its place back when it is closed.
type placed struct {
	net.Conn
	listener *bounded
	leave    sync.Once
}

func (c *placed) Close() error {
	defer c.leave.Do(func() { <-c.listener.places })
	return c.Conn.Close()
}

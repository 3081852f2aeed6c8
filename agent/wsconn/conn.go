// Package wsconn is one websocket connection to an ECS service: the signed dial through proxy and TLS, deadlines on every
// read and write, writes one at a time, and the envelope both services use for their messages. What is said over it is the
// business of the packages above (ACS, TCS).
package wsconn

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// readTimeout is how long the peer may be silent; a websocket ping does not count as a word.
	readTimeout = 180 * time.Second
	// writeTimeout bounds every single write.
	writeTimeout = 180 * time.Second
	// closeTimeout bounds the writing of a close frame.
	closeTimeout = 10 * time.Second
)

// Conn is an established connection. One goroutine may read; any number may write. Close ends all of them.
type Conn struct {
	ws *websocket.Conn

	writing sync.Mutex
}

// Read returns the next message. It fails for good when the connection has ended or nothing came for 180 s. binary tells a
// binary message from a text message.
func (c *Conn) Read() (data []byte, binary bool, err error) {
	_ = c.ws.SetReadDeadline(time.Now().Add(readTimeout)) // fails only on a closed connection, which the read tells better
	kind, data, err := c.ws.ReadMessage()
	return data, kind == websocket.BinaryMessage, err
}

// WriteText sends one text message. A failed write ends the connection: the peer may have seen a part of the message.
// After WriteExpired nothing more is sent and the error is websocket.ErrCloseSent.
func (c *Conn) WriteText(data []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	err := c.ws.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		err = c.ws.WriteMessage(websocket.TextMessage, data)
	}
	if err != nil && !errors.Is(err, websocket.ErrCloseSent) {
		_ = c.Close() // the reader shall notice, too
	}
	return err
}

// WriteExpired sends the close frame that asks for the end of the connection. The peer is expected to answer with its own,
// which ends Read.
func (c *Conn) WriteExpired() error {
	frame := websocket.FormatCloseMessage(websocket.CloseNormalClosure, ExpiredText)
	return c.ws.WriteControl(websocket.CloseMessage, frame, time.Now().Add(closeTimeout))
}

// Close ends the connection at once, without a close frame. Reads and writes in progress fail.
func (c *Conn) Close() error {
	return transport(c.ws.NetConn()).Close()
}

// transport is what lies under TLS. Closing a TLS connection writes to it first, which takes seconds if the peer is stuck.
func transport(conn net.Conn) net.Conn {
	if secured, ok := conn.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return conn
}

package wsconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const (
	dialTimeout = 30 * time.Second // TCP
	keepAlive   = 30 * time.Second
	// connectTimeout bounds TCP, proxy, TLS and upgrade together.
	connectTimeout = 30 * time.Second
	// signTimeout bounds the fetching of credentials and the signing.
	signTimeout = time.Minute

	readBuffer  = 4096
	writeBuffer = 32768
)

// Dialer makes connections. Only Sign and TLS are needed in production besides Proxy; the zero value dials unsigned.
type Dialer struct {
	// Sign returns the headers that sign a GET of the URL with an empty body, Host among them.
	Sign func(ctx context.Context, url string) (http.Header, error)
	// Proxy decides which proxy a request goes through; nil, or a nil URL, for none. The request's scheme is https for wss
	// and http for ws. Proxies with the schemes http (CONNECT), socks5 and socks5h are supported.
	Proxy func(*http.Request) (*url.URL, error)
	// TLS is the configuration for wss; the server name is set here. nil is the default of crypto/tls.
	TLS *tls.Config
	// NetDial opens the TCP connection; nil for the real one.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
	// ErrorTypes are the service errors that a refused upgrade may carry in its body.
	ErrorTypes []string
}

// Dial connects to a ws or wss URL, see [URL]. An upgrade that the service refuses is a *RefusedError. Cancelling ctx ends
// the dialing at once; the connection does not depend on it.
func (d *Dialer) Dial(ctx context.Context, rawURL string) (*Conn, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("websocket client: %w", err)
	}
	header, err := d.sign(ctx, rawURL)
	if err != nil {
		return nil, fmt.Errorf("websocket client: unable to sign the request to %s: %w", u.Host, err)
	}

	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	abort := func() bool { return true }
	dialer := websocket.Dialer{
		NetDialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			conn, err := d.netDial(ctx, network, address)
			if err == nil {
				// The websocket library looks at the deadline only, not at a cancellation.
				abort = context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return conn, err
		},
		Proxy:            d.proxy,
		TLSClientConfig:  d.tlsConfig(u.Hostname()),
		HandshakeTimeout: connectTimeout,
		ReadBufferSize:   readBuffer,
		WriteBufferSize:  writeBuffer,
	}
	ws, response, err := dialer.DialContext(ctx, rawURL, header)
	inTime := abort() // false: ctx has ended and the connection is being closed
	switch {
	case err == nil && inTime:
		return &Conn{ws: ws}, nil
	case err == nil:
		_ = ws.NetConn().Close()
		err = ctx.Err()
	case ctx.Err() != nil:
		err = fmt.Errorf("%w (%v)", ctx.Err(), err)
	case response != nil:
		return nil, d.refused(u.Host, response, err)
	}
	return nil, fmt.Errorf("websocket client: unable to dial %s: %w", u.Host, err)
}

func (d *Dialer) sign(ctx context.Context, rawURL string) (http.Header, error) {
	if d.Sign == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, signTimeout)
	defer cancel()
	return d.Sign(ctx, rawURL)
}

func (d *Dialer) netDial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.NetDial != nil {
		return d.NetDial(ctx, network, address)
	}
	return (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext(ctx, network, address)
}

// proxy names socks5h proxies as the websocket library knows them: its socks5 leaves the resolving of names to the proxy.
func (d *Dialer) proxy(r *http.Request) (*url.URL, error) {
	if d.Proxy == nil {
		return nil, nil
	}
	u, err := d.Proxy(r)
	if err != nil || u == nil || u.Scheme != "socks5h" {
		return u, err
	}
	renamed := *u
	renamed.Scheme = "socks5"
	return &renamed, nil
}

// tlsConfig names the bare host, whatever the port.
func (d *Dialer) tlsConfig(host string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.TLS != nil {
		config = d.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	return config
}

// RefusedError is an upgrade that the service answered with something else than 101.
type RefusedError struct {
	Host   string
	Status int
	// Service is the error in the body; nil when the body holds none.
	Service *ServiceError
	// Body is the beginning of the body, at most 1024 bytes.
	Body  string
	Cause error
}

func (e *RefusedError) Error() string {
	if e.Service != nil {
		return e.Service.Error()
	}
	return fmt.Sprintf("websocket client: unable to dial %s response: %s: %v", e.Host, e.Body, e.Cause)
}

// Unwrap gives the service error, or the library's cause.
func (e *RefusedError) Unwrap() error {
	if e.Service != nil {
		return e.Service
	}
	return e.Cause
}

func (d *Dialer) refused(host string, response *http.Response, cause error) error {
	body, _ := io.ReadAll(response.Body) // cut to 1024 bytes by the library
	e := &RefusedError{Host: host, Status: response.StatusCode, Body: strings.TrimSpace(string(body)), Cause: cause}
	if m, err := Decode(body, d.ErrorTypes); err == nil {
		e.Service, _ = m.ServiceError(d.ErrorTypes)
	}
	return e
}

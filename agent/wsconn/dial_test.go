package wsconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/agent/wsconn/wsconntest"
)

func TestURL(t *testing.T) {
	query := url.Values{"b": {"2 3"}, "a": {"x:y"}}
	for endpoint, want := range map[string]string{
		"http://endpoint.tld":        "ws://endpoint.tld/ws?a=x%3Ay&b=2+3",
		"https://endpoint.tld/":      "wss://endpoint.tld/ws?a=x%3Ay&b=2+3",
		"https://[::1]:8443":         "wss://[::1]:8443/ws?a=x%3Ay&b=2+3",
		"https://endpoint.tld/stage": "wss://endpoint.tld/stage/ws?a=x%3Ay&b=2+3",
	} {
		if got, err := URL(endpoint, query); err != nil || got != want {
			t.Errorf("URL(%q) = %q, %v; want %q", endpoint, got, err, want)
		}
	}
	for endpoint, want := range map[string]string{
		"":                    "wsclient: the service gave an empty endpoint",
		"ftp://endpoint.tld/": "wsclient: unknown scheme ftp",
		"endpoint.tld":        "wsclient: unknown scheme ",
		"https://":            `wsclient: endpoint "https://" has no host`,
	} {
		if _, err := URL(endpoint, query); err == nil || err.Error() != want {
			t.Errorf("URL(%q): %v, want %q", endpoint, err, want)
		}
	}
}

func TestDialSendsTheSignedHeadersAndNoExtras(t *testing.T) {
	got := make(chan *http.Request, 1)
	p := serve(t, func(c *websocket.Conn, r *http.Request) { got <- r; drain(c) })
	d := Dialer{NetDial: p.Dial, Sign: func(_ context.Context, u string) (http.Header, error) {
		if u != "ws://acs.test:8080/ws?a=b+c" {
			t.Errorf("signed %q", u)
		}
		return http.Header{"Host": {"signed.test"}, "Authorization": {"sig"}, "X-Amz-Date": {"d"}, "X-Amz-Security-Token": {"tok"}}, nil
	}}
	conn, err := d.Dial(t.Context(), "ws://acs.test:8080/ws?a=b+c")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := <-got
	if r.Host != "signed.test" || r.URL.RawQuery != "a=b+c" {
		t.Errorf("host %q, query %q", r.Host, r.URL.RawQuery)
	}
	for name, want := range map[string]string{
		"Authorization": "sig", "X-Amz-Date": "d", "X-Amz-Security-Token": "tok",
		"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Version": "13",
		"Sec-Websocket-Protocol": "", "Sec-Websocket-Extensions": "",
	} {
		if r.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, r.Header.Get(name), want)
		}
	}
}

func TestDialFailsWithoutASignature(t *testing.T) {
	d := Dialer{
		NetDial: func(context.Context, string, string) (net.Conn, error) { t.Error("dialed"); return nil, net.ErrClosed },
		Sign:    func(context.Context, string) (http.Header, error) { return nil, errors.New("no keys") },
	}
	_, err := d.Dial(t.Context(), "wss://acs.test/ws?secret=1")
	if err == nil || err.Error() != "websocket client: unable to sign the request to acs.test: no keys" {
		t.Error(err)
	}
}

func TestRefusedUpgrade(t *testing.T) {
	types := []string{"InvalidClusterException", "ServerException"}
	cases := []struct {
		name, body, want string
	}{
		{"bare form", `{"InvalidClusterException":"Invalid cluster"}`, "InvalidClusterException: Invalid cluster"},
		{"envelope", `{"type":"InvalidClusterException","message":{"message":"no"}}`, "InvalidClusterException: no"},
		{"envelope without a text", `{"type":"ServerException","message":{}}`, "ServerException: null"},
		{"unknown error", `{"OtherException":"x"}`, `websocket client: unable to dial acs.test response: {"OtherException":"x"}: websocket: bad handshake`},
		{"no JSON", "not json\n", "websocket client: unable to dial acs.test response: not json: websocket: bad handshake"},
		{"long body", strings.Repeat("x", 5000), "websocket client: unable to dial acs.test response: " + strings.Repeat("x", 1024) + ": websocket: bad handshake"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := wsconntest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, c.body)
			}))
			d := Dialer{NetDial: p.Dial, ErrorTypes: types}
			_, err := d.Dial(t.Context(), "ws://acs.test/ws?")
			if err == nil || err.Error() != c.want {
				t.Fatalf("got  %v\nwant %s", err, c.want)
			}
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
				t.Errorf("%#v", err)
			}
		})
	}
}

// The certificate is for the bare host, whatever the port; nothing but a trusted certificate will do.
func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(upgrade(func(c *websocket.Conn, _ *http.Request) { drain(c) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	address := "wss://" + server.Listener.Addr().String() + "/ws?"

	conn, err := (&Dialer{TLS: &tls.Config{RootCAs: roots}}).Dial(t.Context(), address)
	if err != nil {
		t.Fatal("trusted:", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	named := &Dialer{TLS: &tls.Config{RootCAs: roots}, NetDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	conn, err = named.Dial(t.Context(), "wss://example.com:9443/ws?")
	if err != nil {
		t.Fatal("by name:", err)
	}
	_ = conn.Close()
	if _, err = named.Dial(t.Context(), "wss://other.test:9443/ws?"); err == nil {
		t.Error("accepted a certificate for another name")
	}
	if _, err = (&Dialer{}).Dial(t.Context(), address); err == nil {
		t.Error("accepted an unknown certificate")
	}
	conn, err = (&Dialer{TLS: &tls.Config{InsecureSkipVerify: true}}).Dial(t.Context(), address)
	if err != nil {
		t.Fatal("insecure:", err)
	}
	_ = conn.Close()
}

// httpProxy is a CONNECT proxy that notes what it was asked for.
func httpProxy(t *testing.T, asked chan<- *http.Request, target string) *httptest.Server {
	t.Helper()
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		far, err := net.Dial("tcp", target)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer far.Close()
		near, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer near.Close()
		_, _ = near.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		done := make(chan struct{})
		go func() { defer close(done); _, _ = io.Copy(far, buffered); _ = far.Close() }()
		_, _ = io.Copy(near, far)
		_ = near.Close()
		<-done
	}))
}

func TestHTTPProxy(t *testing.T) {
	server := httptest.NewServer(upgrade(func(c *websocket.Conn, _ *http.Request) { _ = c.WriteMessage(websocket.TextMessage, []byte("hi")) }))
	defer server.Close()
	asked := make(chan *http.Request, 1)
	proxy := httpProxy(t, asked, server.Listener.Addr().String())
	defer proxy.Close()
	d := Dialer{Proxy: func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme != "http" || r.URL.Host != "acs.test" {
			t.Errorf("asked for a proxy to %s", r.URL)
		}
		u, err := url.Parse(proxy.URL)
		u.User = url.UserPassword("user", "pass")
		return u, err
	}}
	conn, err := d.Dial(t.Context(), "ws://acs.test/ws?")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if text, _, err := conn.Read(); err != nil || string(text) != "hi" {
		t.Errorf("%q, %v", text, err)
	}
	r := <-asked
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pass"))
	if r.Method != http.MethodConnect || r.Host != "acs.test:80" || r.Header.Get("Proxy-Authorization") != auth {
		t.Errorf("%s %s %q", r.Method, r.Host, r.Header.Get("Proxy-Authorization"))
	}
}

func TestSocksProxy(t *testing.T) {
	for _, scheme := range []string{"socks5", "socks5h"} {
		t.Run(scheme, func(t *testing.T) {
			p := serve(t, func(c *websocket.Conn, _ *http.Request) { _ = c.WriteMessage(websocket.TextMessage, []byte("hi")) })
			d := Dialer{
				Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(scheme + "://proxy.test:1080") },
				NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
					if address != "proxy.test:1080" {
						t.Errorf("dialed %s", address)
					}
					near, far := net.Pipe()
					go relay(t, p, far)
					return near, nil
				},
			}
			conn, err := d.Dial(t.Context(), "ws://acs.test/ws?")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if text, _, err := conn.Read(); err != nil || string(text) != "hi" {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

// relay is a SOCKS 5 proxy for one connection to acs.test:80.
func relay(t *testing.T, p *wsconntest.Pipes, near net.Conn) {
	defer near.Close()
	hello := make([]byte, 2)
	_, _ = io.ReadFull(near, hello)
	_, _ = io.ReadFull(near, make([]byte, hello[1]))
	_, _ = near.Write([]byte{5, 0})
	head := make([]byte, 5)
	_, _ = io.ReadFull(near, head)
	target := make([]byte, int(head[4])+2)
	_, _ = io.ReadFull(near, target)
	if string(target[:head[4]]) != "acs.test" {
		t.Errorf("asked for %q", target)
	}
	_, _ = near.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	far, err := p.Dial(context.Background(), "", "")
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(far, near); _ = far.Close() }()
	_, _ = io.Copy(near, far)
	_ = near.Close()
	<-done
}

func TestProxySettingThatCannotBeUsed(t *testing.T) {
	d := Dialer{Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("proxy setting: bad") }}
	if _, err := d.Dial(t.Context(), "ws://acs.test/ws?"); err == nil || !strings.Contains(err.Error(), "proxy setting: bad") {
		t.Error(err)
	}
}

// mute accepts a connection and says nothing.
func mute(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far); _ = far.Close() }()
		return near, nil
	}
}

func TestDialGivesUpAfter30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, err := (&Dialer{NetDial: mute(t)}).Dial(t.Context(), "ws://acs.test/ws?")
		if !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "timeout") {
			t.Error(err)
		}
		if took := time.Since(begun); took != 30*time.Second {
			t.Errorf("gave up after %v", took)
		}
	})
}

func TestDialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		begun := time.Now()
		_, err := (&Dialer{NetDial: mute(t)}).Dial(ctx, "ws://acs.test/ws?")
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

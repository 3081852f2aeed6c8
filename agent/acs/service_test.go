package acs

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

// service is an ACS on pipes in memory, so that it works where time is simulated.
type service struct {
	t      *testing.T
	dials  chan net.Conn
	closed chan struct{}
	once   sync.Once

	peers chan *peer
	// refuse, if set, answers a connect instead; false: it does not. n counts the connects from 0.
	refuse func(n int, w http.ResponseWriter) bool
	// ignoreClose, if set, lets the service go on after a close frame from the agent, until it is closed.
	ignoreClose chan struct{}
	// times of the connects, refused ones too.
	mu    sync.Mutex
	times []time.Time
}

// peer is the service's end of a connection.
type peer struct {
	*websocket.Conn
	t     *testing.T
	query url.Values
	ended chan struct{}
	// messages from the agent; closed at the end of the connection, when err is set.
	messages chan envelope
	err      error
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{t: t, dials: make(chan net.Conn), closed: make(chan struct{}), peers: make(chan *peer, 100)}
	server := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(s) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return s
}

func (s *service) Accept() (net.Conn, error) {
	select {
	case c := <-s.dials:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *service) Close() error   { s.once.Do(func() { close(s.closed) }); return nil }
func (s *service) Addr() net.Addr { return &net.TCPAddr{} }

func (s *service) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case s.dials <- far:
		return near, nil
	case <-s.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := len(s.times)
	s.times = append(s.times, time.Now())
	s.mu.Unlock()
	if s.refuse != nil && s.refuse(n, w) {
		return
	}
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		s.t.Error(err)
		return
	}
	if s.ignoreClose != nil {
		conn.SetCloseHandler(func(int, string) error { return nil })
	}
	p := &peer{Conn: conn, t: s.t, query: r.URL.Query(), messages: make(chan envelope, 1000), ended: make(chan struct{})}
	s.peers <- p
	defer close(p.ended)
	defer conn.Close()
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			p.err = err
			close(p.messages)
			if s.ignoreClose != nil {
				<-s.ignoreClose
			}
			return
		}
		var e envelope
		if err := json.Unmarshal(data, &e); err != nil || kind != websocket.TextMessage {
			s.t.Errorf("the agent sent %q, %v", data, err)
		}
		p.messages <- e
	}
}

// gaps are the times between connects.
func (s *service) gaps() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gaps []time.Duration
	for i := 1; i < len(s.times); i++ {
		gaps = append(gaps, s.times[i].Sub(s.times[i-1]))
	}
	return gaps
}

// patience is how long a test waits for what should come, in simulated time or not.
const patience = 30 * time.Second

// accept is the next connection.
func (s *service) accept() *peer {
	s.t.Helper()
	select {
	case p := <-s.peers:
		return p
	case <-time.After(patience):
		s.t.Fatal("the agent did not connect")
		return nil
	}
}

func (p *peer) send(frame []byte) {
	p.t.Helper()
	if err := p.WriteMessage(websocket.TextMessage, frame); err != nil {
		p.t.Error(err)
	}
}

// end closes the connection with a close frame.
func (p *peer) end(code int) {
	_ = p.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(time.Second))
}

// receive is the next message from the agent.
func (p *peer) receive() envelope {
	p.t.Helper()
	select {
	case e, ok := <-p.messages:
		if !ok {
			p.t.Fatal("the connection ended:", p.err)
		}
		return e
	case <-time.After(patience):
		p.t.Fatal("the agent sent nothing")
	}
	return envelope{}
}

// expect checks the type of the next message and a member of it.
func (p *peer) expect(kind, messageID string) {
	p.t.Helper()
	e := p.receive()
	var m struct{ MessageID string }
	if err := json.Unmarshal(e.Message, &m); err != nil || e.Type != kind || m.MessageID != messageID {
		p.t.Errorf("the agent sent %s %s, want %s of message %s", e.Type, e.Message, kind, messageID)
	}
}

func heartbeat(id string) []byte { return frame("HeartbeatMessage", `{"messageId":"`+id+`"}`) }

// endpoints always gives the same address, or an error.
type endpoints struct{ err error }

func (e endpoints) DiscoverPollEndpoint(_ context.Context, cluster, instance string) (string, error) {
	if cluster != "default" || instance != instanceARN {
		return "", errors.New("asked for another instance")
	}
	return "http://acs.test", e.err
}

// running is a session under test.
type running struct {
	*Session
	service  *service
	engine   *fakeEngine
	manifest *fakeManifest
	stop     func() // ends it and waits
}

// start runs a session against a service until the test ends.
func start(t *testing.T, change ...func(*Config, *service)) *running {
	t.Helper()
	r := &running{service: newService(t), engine: &fakeEngine{}, manifest: &fakeManifest{seq: -1}}
	config := Config{
		Cluster: "default", ContainerInstanceARN: instanceARN, AgentVersion: "1.23.4", AgentHash: "ffffffff",
		Endpoints: endpoints{}, Dialer: &wsconn.Dialer{NetDial: r.service.dial, ErrorTypes: ErrorTypes},
		Engine: r.engine, Credentials: &credentials.Store{}, Manifest: r.manifest,
	}
	for _, c := range change {
		c(&config, r.service)
	}
	if config.Engine != r.engine {
		r.engine = nil
	}
	r.Session = New(config)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	r.stop = func() { cancel(); <-ended }
	t.Cleanup(r.stop)
	return r
}

package tcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

func TestMain(m *testing.M) {
	logger.Setup(logger.Options{Driver: &logs})
	goleak.VerifyTestMain(m)
}

// logs is everything the package has logged.
var logs logBuffer

type logBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

// mark returns a function that gives what was logged since.
func (b *logBuffer) mark() func() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.all.Len()
	return func() string {
		b.mu.Lock()
		defer b.mu.Unlock()
		return string(b.all.Bytes()[from:])
	}
}

// service is a TCS on pipes in memory, so that it works where time is simulated. It acknowledges what it gets.
type service struct {
	t      *testing.T
	dials  chan net.Conn
	closed chan struct{}
	once   sync.Once
	peers  chan *peer

	// refuse, if set, answers a connect instead; false: it does not. n counts the connects from 0.
	refuse func(n int, w http.ResponseWriter) bool
	// mute, if set, keeps the service from acknowledging and from answering close frames, until it is closed.
	mute chan struct{}

	mu    sync.Mutex
	times []time.Time // of the connects, refused ones too
}

// received is a request from the agent.
type received struct {
	at      time.Time
	header  string
	Type    string
	Message struct {
		Metadata struct {
			MessageID, RequestID string
			Fin, Idle            bool
		}
		TaskMetrics []struct{ TaskARN string }
		Tasks       []struct{ TaskARN string }
		Statuses    []struct {
			Type, Status                  string
			LastUpdated, LastStatusChange float64
		}
		Timestamp float64
	}
}

// peer is the service's end of a connection.
type peer struct {
	*websocket.Conn
	t        *testing.T
	writing  sync.Mutex
	requests chan received // closed at the end of the connection, when err is set
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

var acks = map[string]string{kindMetrics: "AckPublishMetric", kindHealth: "AckPublishHealth", kindStatus: "AckPublishInstanceStatus"}

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
	p := &peer{Conn: conn, t: s.t, requests: make(chan received, 10_000)}
	if s.mute != nil {
		conn.SetCloseHandler(func(int, string) error { return nil })
	}
	s.peers <- p
	defer conn.Close()
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			p.err = err
			close(p.requests)
			if s.mute != nil {
				<-s.mute
			}
			return
		}
		request := received{at: time.Now()}
		header, body, found := strings.Cut(string(data), "\r\n\r\n")
		request.header = header
		if err := json.Unmarshal([]byte(body), &request); err != nil || !found || kind != websocket.TextMessage {
			s.t.Errorf("the agent sent %q, %v", data, err)
		}
		p.requests <- request
		if s.mute == nil {
			p.send(`{"type":"` + acks[request.Type] + `","message":{}}`)
		}
	}
}

// connects counts the connects.
func (s *service) connects() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
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

// patience is how long a test waits for what should come, in simulated time.
const patience = 90 * time.Second

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

func (p *peer) send(text string) {
	p.writing.Lock()
	defer p.writing.Unlock()
	_ = p.WriteMessage(websocket.TextMessage, []byte(text))
}

// end closes the connection with a close frame; code 0 without one.
func (p *peer) end(code int) {
	if code == 0 {
		_ = p.NetConn().Close()
		return
	}
	_ = p.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(time.Second))
}

// receive is the next request from the agent.
func (p *peer) receive() received {
	p.t.Helper()
	select {
	case r, ok := <-p.requests:
		if !ok {
			p.t.Fatal("the connection ended:", p.err)
		}
		return r
	case <-time.After(patience):
		p.t.Fatal("the agent sent nothing")
	}
	return received{}
}

// pending are the requests that came already.
func (p *peer) pending() (list []received) {
	for {
		select {
		case r, ok := <-p.requests:
			if !ok {
				return list
			}
			list = append(list, r)
		default:
			return list
		}
	}
}

// lasts waits for the end of the connection and gives its error.
func (p *peer) lasts() error {
	for range p.requests {
	}
	return p.err
}

// endpoints always gives the same address, or an error.
type endpoints struct{ err error }

func (e endpoints) DiscoverTelemetryEndpoint(_ context.Context, cluster, instance string) (string, error) {
	if cluster != "prod" || instance != instanceARN {
		return "", errors.New("asked for another instance")
	}
	return "http://tcs.test", e.err
}

// source is what there is to report.
type source struct {
	mu      sync.Mutex
	metrics stats.Metrics
	err     error
	health  []stats.TaskHealth
	asked   []bool // for metrics; with those of Service Connect?
}

func (s *source) Metrics(_ context.Context, withServiceConnect bool) (stats.Metrics, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, withServiceConnect)
	return s.metrics, s.err
}

func (s *source) Health() []stats.TaskHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health
}

// running is a session under test.
type running struct {
	*Session
	service *service
	source  *source
	began   time.Time
	stop    func() // ends it and waits
}

// start runs a session against a service until the test ends. It has nothing but itself to report: it is idle.
func start(t *testing.T, change ...func(*Config, *service)) *running {
	t.Helper()
	r := &running{service: newService(t), source: &source{metrics: stats.Metrics{Idle: true}}, began: time.Now()}
	config := Config{
		Cluster: "prod", ContainerInstanceARN: instanceARN, AgentVersion: "1.23.4", AgentHash: "ffffffff",
		Endpoints: endpoints{}, Dialer: &wsconn.Dialer{NetDial: r.service.dial, ErrorTypes: ErrorTypes}, Source: r.source,
		Sign: func(_ context.Context, url string, payload []byte) (http.Header, error) {
			if !strings.HasPrefix(url, "ws://tcs.test/ws?agentHash=ffffffff&") || !bytes.HasPrefix(payload, []byte(`{"type":"Publish`)) {
				t.Errorf("signed %s %s", url, payload)
			}
			return http.Header{"Authorization": {"signed"}}, nil
		},
	}
	for _, c := range change {
		c(&config, r.service)
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

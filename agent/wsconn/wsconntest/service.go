package wsconntest

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// patience is how long a test waits for what should come, in simulated time or not.
const patience = 90 * time.Second

// room is how many messages of the agent wait for the test to look at them. Then the service stops reading.
const room = 10_000

// Service is a service of ECS that agents connect to. A message of the agent is read as an M.
type Service[M any] struct {
	*Pipes
	// Refuse, if set, answers a connect instead; false: it does not. n counts the connects from 0.
	Refuse func(n int, w http.ResponseWriter) bool
	// Answer, if set, gives what the service answers a message with at once; nil: nothing.
	Answer func(M) []byte
	// Deaf, if set, keeps the service from answering close frames until it is closed.
	Deaf chan struct{}

	t      *testing.T
	decode func(frame []byte) (M, error)
	peers  chan *Peer[M]

	mu    sync.Mutex
	times []time.Time // of the connects, refused ones too
}

// Peer is the service's end of a connection.
type Peer[M any] struct {
	*websocket.Conn
	// Messages come from the agent. Closed at the end of the connection, when Err is set.
	Messages chan M
	Err      error

	t       *testing.T
	writing sync.Mutex
	ended   chan struct{}
}

// Start runs a service until the test ends. A frame that cannot be decoded fails the test.
func Start[M any](t *testing.T, decode func(frame []byte) (M, error)) *Service[M] {
	t.Helper()
	s := &Service[M]{t: t, decode: decode, peers: make(chan *Peer[M], 100)}
	s.Pipes = Serve(t, s)
	return s
}

func (s *Service[M]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := len(s.times)
	s.times = append(s.times, time.Now())
	s.mu.Unlock()
	if s.Refuse != nil && s.Refuse(n, w) {
		return
	}
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		s.t.Error(err)
		return
	}
	if s.Deaf != nil {
		conn.SetCloseHandler(func(int, string) error { return nil })
	}
	p := &Peer[M]{Conn: conn, t: s.t, Messages: make(chan M, room), ended: make(chan struct{})}
	s.peers <- p
	defer close(p.ended)
	defer conn.Close()
	p.Err = s.read(p)
	close(p.Messages)
	if s.Deaf != nil {
		<-s.Deaf
	}
}

// read receives messages until the connection ends.
func (s *Service[M]) read(p *Peer[M]) error {
	for {
		kind, frame, err := p.ReadMessage()
		if err != nil {
			return err
		}
		message, err := s.decode(frame)
		if err != nil || kind != websocket.TextMessage {
			s.t.Errorf("the agent sent %q, %v", frame, err)
		}
		p.Messages <- message
		if s.Answer != nil {
			if answer := s.Answer(message); answer != nil {
				_ = p.write(answer) // the agent may have gone
			}
		}
	}
}

// Connects counts the connects, refused ones too.
func (s *Service[M]) Connects() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

// Gaps are the times between connects.
func (s *Service[M]) Gaps() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gaps []time.Duration
	for i := 1; i < len(s.times); i++ {
		gaps = append(gaps, s.times[i].Sub(s.times[i-1]))
	}
	return gaps
}

// Peer is the next connection.
func (s *Service[M]) Peer() *Peer[M] {
	s.t.Helper()
	select {
	case p := <-s.peers:
		return p
	case <-time.After(patience):
		s.t.Fatal("the agent did not connect")
		return nil
	}
}

func (p *Peer[M]) write(frame []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	return p.WriteMessage(websocket.TextMessage, frame)
}

// Send sends a message to the agent.
func (p *Peer[M]) Send(frame []byte) {
	p.t.Helper()
	if err := p.write(frame); err != nil {
		p.t.Error(err)
	}
}

// End closes the connection with a close frame.
func (p *Peer[M]) End(code int) {
	_ = p.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(time.Second))
}

// Drop closes the connection without a close frame.
func (p *Peer[M]) Drop() { _ = p.NetConn().Close() }

// Receive is the next message of the agent.
func (p *Peer[M]) Receive() M {
	p.t.Helper()
	select {
	case m, ok := <-p.Messages:
		if !ok {
			p.t.Fatal("the connection ended:", p.Err)
		}
		return m
	case <-time.After(patience):
		p.t.Fatal("the agent sent nothing")
	}
	panic("not reached: Fatal ends the test")
}

// Pending are the messages that have come already.
func (p *Peer[M]) Pending() (list []M) {
	for {
		select {
		case m, ok := <-p.Messages:
			if !ok {
				return list
			}
			list = append(list, m)
		default:
			return list
		}
	}
}

// Ended is closed when the service is done with the connection.
func (p *Peer[M]) Ended() <-chan struct{} { return p.ended }

// Lasts waits for the end of the connection and gives its error.
func (p *Peer[M]) Lasts() error {
	for range p.Messages {
	}
	return p.Err
}

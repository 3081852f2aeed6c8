package acs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

const (
	// inactivityTimeout, plus up to as much again, is how long the service may send nothing that the agent understands.
	inactivityTimeout = 60 * time.Second
	inactivityJitter  = 60 * time.Second
	// farewell is how long the service may take to answer the agent's close frame.
	farewell = 3 * time.Minute
	// settled, plus its jitter, is after how long a connection counts as a success and the backoff starts over.
	settled       = 60 * time.Second
	settledJitter = 60 * time.Second

	// beatLimit is how many heartbeats may wait to be answered.
	beatLimit = 16
)

var (
	errInactive   = errors.New("nothing came from ACS for a while; closed the connection")
	errNoAnswer   = errors.New("ACS did not answer the close frame; closed the connection")
	errShutdown   = errors.New("the agent is ending")
	errOutboxFull = errors.New("too many answers wait for a connection")
)

// jittered adds up to extra to d.
func jittered(d, extra time.Duration) time.Duration { return d + rand.N(extra) }

// converse makes one connection and serves it to its end.
func (s *Session) converse(ctx context.Context) ending {
	conn, err := s.connect(ctx)
	if err != nil {
		return ending{err: err}
	}
	s.everConnected = true
	s.counts.Opened()
	defer s.counts.Closed()
	return s.serve(ctx, conn)
}

func (s *Session) connect(ctx context.Context) (*wsconn.Conn, error) {
	endpoint, err := s.config.Endpoints.DiscoverPollEndpoint(ctx, s.config.Cluster, s.config.ContainerInstanceARN)
	if err != nil {
		return nil, fmt.Errorf("discover the ACS endpoint: %w", err)
	}
	address, err := wsconn.URL(endpoint, s.query(ctx))
	if err != nil {
		return nil, err
	}
	conn, err := s.config.Dialer.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	logger.Info("Connected to ACS endpoint", logger.F("endpoint", endpoint))
	return conn, nil
}

// query are the parameters of the address (ACS operation Poll).
func (s *Session) query(ctx context.Context) url.Values {
	q := url.Values{
		"agentHash":            {s.config.AgentHash},
		"agentVersion":         {s.config.AgentVersion},
		"clusterArn":           {s.config.Cluster},
		"containerInstanceArn": {s.config.ContainerInstanceARN},
		"protocolVersion":      {"2"}, // the service ends a connection whose heartbeats are not answered
		"sendCredentials":      {"true"},
		"seqNum":               {"1"},
	}
	if s.everConnected {
		q.Set("sendCredentials", "false")
	}
	if s.config.DockerVersion != nil {
		switch version := s.config.DockerVersion(ctx); version {
		case "":
		case "containerd":
			q.Set("dockerVersion", version)
		default:
			q.Set("dockerVersion", "DockerVersion: "+version)
		}
	}
	return q
}

// connection is what reader, writer and serve share about one connection.
type connection struct {
	conn       *wsconn.Conn
	beats      chan outgoing // answers to heartbeats: worthless on any other connection
	age        chan struct{} // closed when the writer shall say good-bye
	inactivity *time.Timer
}

// serve reads and writes until the connection ends, and returns when reader and writer have ended.
func (s *Session) serve(ctx context.Context, conn *wsconn.Conn) ending {
	begun := time.Now()
	c := &connection{
		conn:       conn,
		beats:      make(chan outgoing, beatLimit),
		age:        make(chan struct{}),
		inactivity: time.NewTimer(jittered(inactivityTimeout, inactivityJitter)),
	}
	defer c.inactivity.Stop()
	ageTimer := time.NewTimer(wsconn.MaxAge())
	defer ageTimer.Stop()
	settledTimer := time.NewTimer(jittered(settled, settledJitter))
	defer settledTimer.Stop()
	var farewellTimer <-chan time.Time

	var writer sync.WaitGroup
	writing, stopWriting := context.WithCancel(ctx)
	writer.Go(func() { s.write(writing, c) })
	ended := make(chan error, 1)
	go func() { ended <- s.read(c) }()

	e := ending{connected: true}
	for done := false; !done; {
		select {
		case <-ctx.Done():
			e.err, done = errShutdown, true
		case <-c.inactivity.C:
			e.err, done = errInactive, true
		case <-farewellTimer:
			e.err, done = errNoAnswer, true
		case <-ageTimer.C:
			logger.Info("ACS connection has reached its maximum age; asking the service to close it")
			e.expired = true
			close(c.age)
			farewellTimer = time.After(farewell)
		case <-settledTimer.C:
			s.waits.reset()
		case err := <-ended:
			e.err, done = err, true
			ended <- err
		}
	}
	e.lived = time.Since(begun)
	stopWriting()
	_ = conn.Close()
	writer.Wait()
	<-ended
	return e
}

// read receives messages until the connection fails.
func (s *Session) read(c *connection) error {
	for {
		data, binary, err := c.conn.Read()
		if err != nil {
			return err
		}
		if binary {
			logger.Warn("ACS sent a binary message; reading it like a text message", logger.F("bytes", len(data)))
		}
		r, err := decode(data)
		if err != nil {
			s.counts.Unreadable.Add(1)
			logger.Warn("Dropped a message from ACS", logger.Err(err))
			continue
		}
		s.counts.Received.Add(1)
		c.inactivity.Reset(jittered(inactivityTimeout, inactivityJitter))
		s.dispatch(c, r)
	}
}

// dispatch hands a message to whom it concerns. It never waits.
func (s *Session) dispatch(c *connection, r received) {
	logger.Debug("Received a message from ACS", logger.F("type", r.kind), logger.F("bytes", r.size))
	room := true
	switch m := r.body.(type) {
	case *heartbeatMessage:
		select {
		case s.beat <- struct{}{}:
		default: // the checks are running or about to
		}
		select {
		case c.beats <- outgoing{kind: "HeartbeatAckRequest", message: heartbeatAck{MessageID: m.MessageID}}:
		default:
			room = false
		}
	case *noticeMessage:
		logger.Info("No handler for message type", logger.F("type", r.kind), logger.F("message", excerpt([]byte(m.Message))))
	default:
		switch {
		case r.empty:
			rejected(r.kind, errEmptyMessage)
		case isUpdate(r):
			room = s.updates.put(r)
		default:
			r.at = time.Now()
			room = s.work.put(r)
		}
	}
	if !room {
		s.counts.Dropped.Add(1)
		logger.Warn("Dropped a message from ACS because too many wait already; the service will send it again", logger.F("type", r.kind))
	}
}

package tcs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

const (
	// heartbeatTimeout, plus up to as much again, is how long the service may neither acknowledge anything nor send a
	// heartbeat.
	heartbeatTimeout = 60 * time.Second
	heartbeatJitter  = 60 * time.Second
	// statusInterval is how often a new status of the instance is looked for.
	statusInterval = 20 * time.Second
)

// converse makes one connection and serves it to its end.
func (s *Session) converse(ctx context.Context) ending {
	address, conn, err := s.connect(ctx)
	if err != nil {
		return ending{err: err}
	}
	s.counts.Opened()
	defer s.counts.Closed()
	return s.serve(ctx, address, conn)
}

func (s *Session) connect(ctx context.Context) (address string, conn *wsconn.Conn, err error) {
	endpoint, err := s.config.Endpoints.DiscoverTelemetryEndpoint(ctx, s.config.Cluster, s.config.ContainerInstanceARN)
	if err != nil {
		logger.Error("tcs: unable to discover poll endpoint", logger.Err(err))
		return "", nil, fmt.Errorf("discover the TCS endpoint: %w", err)
	}
	if address, err = wsconn.URL(endpoint, s.query(ctx)); err == nil {
		conn, err = s.config.Dialer.Dial(ctx, address)
	}
	if err != nil {
		if ctx.Err() == nil {
			logger.Error("Error connecting to TCS", logger.Err(err))
		}
		return "", nil, err
	}
	logger.Info("Connected to TCS endpoint", logger.F("endpoint", endpoint))
	return address, conn, nil
}

// query are the parameters of the address (TCS operation StartTelemetrySession).
func (s *Session) query(ctx context.Context) url.Values {
	q := url.Values{
		"agentHash":         {s.config.AgentHash},
		"agentVersion":      {s.config.AgentVersion},
		"cluster":           {s.config.Cluster},
		"containerInstance": {s.config.ContainerInstanceARN},
	}
	if s.config.DockerVersion != nil {
		if version := s.config.DockerVersion(ctx); version != "" {
			q.Set("dockerVersion", version)
		}
	}
	return q
}

// serve reads and writes until the connection ends, and returns when reader and writer have ended.
func (s *Session) serve(ctx context.Context, address string, conn *wsconn.Conn) ending {
	begun := time.Now()
	heartbeat := time.NewTimer(heartbeatTimeout + rand.N(heartbeatJitter))
	defer heartbeat.Stop()
	age := time.NewTimer(wsconn.MaxAge())
	defer age.Stop()

	var writer sync.WaitGroup
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	writer.Go(func() { s.write(writing, address, conn) })
	ended := make(chan error, 1)
	go func() {
		ended <- s.read(conn, func() { heartbeat.Reset(heartbeatTimeout + rand.N(heartbeatJitter)) })
	}()

	e := ending{connected: true}
	reading, closing := true, false
	for e.err == nil {
		expired := false
		select {
		case <-ctx.Done():
			e.err = errShutdown
		case <-s.deregistered:
			s.silent.Store(true)
			e.err = errDeregistered
		case <-heartbeat.C:
			expired = true
		case <-age.C:
			expired = true
		case e.err = <-ended:
			reading = false
		}
		if expired && !closing {
			// The service answers with its own close frame. If it is dead, the reader's deadline ends the connection.
			closing = true
			logger.Warn("Closing connection", logger.F("reason", wsconn.ExpiredText))
			stopWriting() // the buffers wait for the next connection
			if err := conn.WriteExpired(); err != nil {
				logger.Warn("Could not send the close frame to TCS", logger.Err(err))
				_ = conn.Close()
			}
		}
	}
	e.lived = time.Since(begun)
	stopWriting()
	_ = conn.Close()
	writer.Wait()
	if reading {
		<-ended
	}
	return e
}

// read receives messages until the connection fails. alive is called for those that prove that the service works.
func (s *Session) read(conn *wsconn.Conn, alive func()) error {
	for {
		data, _, err := conn.Read()
		if err != nil {
			return err
		}
		kind, text, err := decode(data)
		if err != nil {
			s.counts.Unreadable.Add(1)
			logger.Warn(fmt.Sprintf("Unable to handle message from backend: %v", err))
			continue
		}
		s.counts.Received.Add(1)
		if proofs[kind] {
			alive()
			continue
		}
		logger.Info("No handler for message type: "+kind, logger.F("message", text))
	}
}

// write sends what is buffered, and the status of the instance, until ctx ends or the connection fails.
func (s *Session) write(ctx context.Context, address string, conn *wsconn.Conn) {
	status := time.NewTicker(statusInterval)
	defer status.Stop()
	w := &writer{session: s, address: address, conn: conn}
	s.metrics.wake()
	s.health.wake()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-status.C:
			w.status(ctx)
		case <-s.metrics.ready:
			w.drain(ctx, s.metrics, "Error publishing metrics")
		case <-s.health.ready:
			w.drain(ctx, s.health, "Error publishing health")
		}
	}
}

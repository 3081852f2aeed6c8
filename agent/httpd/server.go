// Package httpd is what the agent's HTTP servers have in common: listening and starting again, ending in order, limits,
// routing and the form of answers. The sub-packages answer: introspection for operators, credentials, metadata and
// agentapi for containers.
package httpd

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Addresses of the two servers. Introspection listens on all interfaces, off-host access is blocked by the packet filter;
// the task server is reached through the link-local address 169.254.170.2 only.
const (
	IntrospectionAddress = ":51678"
	TaskAddress          = "127.0.0.1:51679"
)

// Limits of every connection.
const (
	timeout = 5 * time.Second // reading a request, writing an answer; an idle connection is closed after as long
	// ProfilingWriteTimeout is the write timeout of a server that serves profiles; it bounds their length.
	ProfilingWriteTimeout = 5 * time.Minute

	maxHeaderBytes = 64 << 10
	maxBodyBytes   = 64 << 10
)

// restart is before a server is started again after it failed.
var restart = backoff.Policy{First: time.Second, Longest: time.Minute, Factor: 2, Jitter: 0.2}

// shutdownGrace is how long answers under way may take when the agent ends. Requests that wait for others are cancelled.
const shutdownGrace = 200 * time.Millisecond

// Server serves one handler on one TCP address.
type Server struct {
	// Name is what fails in "Error running <Name>: …".
	Name    string
	Address string
	Handler http.Handler
	// WriteTimeout replaces the 5 s of every answer when not zero.
	WriteTimeout time.Duration
	// Listening is called whenever the server listens (again). Optional.
	Listening func()

	listen      func(ctx context.Context) (net.Listener, error) // for tests
	connections int                                             // at most; for tests
}

// Run serves until ctx ends. A listener that fails is logged and tried again for ever: the agent does its work without.
func (s Server) Run(ctx context.Context) error {
	if s.listen == nil {
		s.listen = func(ctx context.Context) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
		}
	}
	if s.connections == 0 {
		s.connections = connectionLimit(openFiles())
	}
	pauses := restart.Start()
	for {
		served, err := s.serve(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if served {
			pauses.Reset()
		}
		logger.Error("Error running "+s.Name+": "+err.Error(), logger.F("address", s.Address))
		if pauses.Sleep(ctx) != nil {
			return nil
		}
	}
}

// serve serves until ctx ends or the listener fails; served is false if it could not even listen.
func (s Server) serve(ctx context.Context) (served bool, err error) {
	listener, err := s.listen(ctx)
	if err != nil {
		return false, err
	}
	if s.Listening != nil {
		s.Listening()
	}
	connections := bound(listener, s.connections)
	server := &http.Server{
		ConnState:      connections.follow,
		Handler:        recovering{s.Handler},
		ReadTimeout:    timeout,
		WriteTimeout:   timeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       log.New(debugLog{}, "", 0),
		BaseContext:    func(net.Listener) context.Context { return ctx },
	}
	if s.WriteTimeout > 0 {
		server.WriteTimeout = s.WriteTimeout
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(connections) }()
	select {
	case err := <-ended:
		_ = server.Close()
		return true, err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return true, err
	}
	return true, nil
}

// debugLog takes what net/http has to say about connections.
type debugLog struct{}

func (debugLog) Write(line []byte) (int, error) {
	logger.Debug("HTTP server", logger.F("message", strings.TrimSpace(string(line))))
	return len(line), nil
}

package httpd

import (
	"context"
	"net/http"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/httpd/audit"
)

// TaskServer is the server for containers: credentials, metadata and agent API on one port.
type TaskServer struct {
	Routes  *Router
	Limiter *Limiter
	// Audit may be nil.
	Audit *audit.Log
	// Observe hears of every answer: the pattern of the route, empty when there is none, and the status. It may be nil.
	Observe func(pattern string, status int)
	// Address replaces TaskAddress when not empty.
	Address string
}

// Handler is the whole way of a request: clean path, rate limit, access log, route. The order is part of the contract.
func (s TaskServer) Handler() http.Handler {
	h := CleanPath(s.Limiter.handler(AccessLog(s.Routes), s.Audit.Throttled))
	if s.Observe == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pattern := s.Routes.Pattern(r.URL.Path)
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(seen, r)
		s.Observe(pattern, seen.status)
	})
}

// Run serves until ctx ends, and writes the audit log to its end.
func (s TaskServer) Run(ctx context.Context) error {
	auditing, stopAudit := context.WithCancel(context.WithoutCancel(ctx))
	var audit sync.WaitGroup
	audit.Go(func() { s.Audit.Run(auditing) })
	defer audit.Wait()
	defer stopAudit()
	address := s.Address
	if address == "" {
		address = TaskAddress
	}
	return Server{Name: "task api", Address: address, Handler: s.Handler()}.Run(ctx)
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

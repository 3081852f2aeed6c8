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
	// Address replaces TaskAddress when not empty.
	Address string
}

// Handler is the whole way of a request: clean path, rate limit, access log, route. The order is part of the contract.
func (s TaskServer) Handler() http.Handler {
	return CleanPath(s.Limiter.handler(AccessLog(s.Routes), s.Audit.Throttled))
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

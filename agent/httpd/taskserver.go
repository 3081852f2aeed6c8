package httpd

import (
	"net/http"

	"github.com/aws/amazon-ecs-agent/agent/httpd/audit"
)

// TaskServer is what answers containers: credentials, metadata and agent API on one port.
type TaskServer struct {
	Routes  *Router
	Limiter *Limiter
	// Audit may be nil.
	Audit *audit.Log
	// Observe hears of every answer: the pattern of the route, empty when there is none, and the status. It may be nil.
	Observe func(pattern string, status int)
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

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Package fault lets tasks try how they bear a bad network (AWS Fault Injection Service): a black hole for a port, latency,
// packet loss. The faults are made with the host's own tools, iptables and tc, in the network namespace of the task. What
// runs is asked of the kernel, never remembered: it stays true over restarts of the agent.
package fault

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Limits of each endpoint, beside that of the whole server: one call in 5 s from each caller.
const (
	callsPerSecond = 0.2
	callsAtOnce    = 1
)

// maxLogged bounds what the log shows of a request's body.
const maxLogged = 2 << 10

// operation does what a request asks for, or says why it cannot be done.
type operation func(ctx context.Context, t target) (status string, err error)

// Register adds the routes.
func Register(routes *httpd.Router, tasks Tasks, injector *Injector) {
	h := &handler{tasks: tasks, injector: injector, limiter: httpd.NewLimiter(callsPerSecond, callsAtOnce)}
	type read func(body []byte) (operation, error)
	i := injector

	withBlackhole := func(do func(context.Context, target, blackhole) (string, error)) read {
		return func(body []byte) (operation, error) {
			b, err := readBlackhole(body)
			return func(ctx context.Context, t target) (string, error) { return do(ctx, t, b) }, err
		}
	}
	withImpairment := func(parse func([]byte) (impairment, error)) read {
		return func(body []byte) (operation, error) {
			im, err := parse(body)
			return func(ctx context.Context, t target) (string, error) { return i.startImpairment(ctx, t, im) }, err
		}
	}
	// Requests to end an impairment or to ask for it have no parameters; what is in their bodies does not matter.
	without := func(do func(context.Context, target, bool) (string, error), loss bool) read {
		return func([]byte) (operation, error) {
			return func(ctx context.Context, t target) (string, error) { return do(ctx, t, loss) }, nil
		}
	}
	for _, route := range []struct {
		fault               string
		start, stop, status read
	}{
		{"network-blackhole-port", withBlackhole(i.startBlackhole), withBlackhole(i.stopBlackhole), withBlackhole(i.statusBlackhole)},
		{"network-latency", withImpairment(readLatency), without(i.stopImpairment, false), without(i.statusImpairment, false)},
		{"network-packet-loss", withImpairment(readPacketLoss), without(i.stopImpairment, true), without(i.statusImpairment, true)},
	} {
		for _, o := range []struct {
			path, verb string
			read       read
		}{{"start", "start", route.start}, {"stop", "stop", route.stop}, {"status", "check status", route.status}} {
			routes.Handle("/api/{id}/fault/v1/"+route.fault+"/"+o.path, h.serve(o.verb+" "+route.fault, o.read), http.MethodPost)
		}
	}
}

type handler struct {
	tasks    Tasks
	injector *Injector
	limiter  *httpd.Limiter
}

// answer is the body of every answer; one of the two is set.
type answer struct {
	Status string `json:",omitempty"`
	Error  string `json:",omitempty"`
}

// serve answers requests of one kind.
func (h *handler) serve(request string, read func([]byte) (operation, error)) httpd.Handler {
	return func(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
		began := time.Now()
		status := http.StatusTooManyRequests
		if h.limiter.Admit(w, r) {
			var body answer
			status, body = h.answer(r, request, vars[0], read)
			httpd.JSON(w, status, request, body)
		} else {
			httpd.TextUTF8(w, status, request, []byte("You have reached maximum request limit"))
		}
		logger.Info("The telemetry middleware is complete", logger.F("responseCode", status), logger.F("elapsed", time.Since(began).Milliseconds()), logger.F("path", "/api/<id>/fault/v1: "+request))
	}
}

func (h *handler) answer(r *http.Request, request, id string, read func([]byte) (operation, error)) (int, answer) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return http.StatusBadRequest, answer{Error: err.Error()}
	}
	logger.Info("Network fault requested", logger.F("requestType", request), logger.F("body", string(body[:min(len(body), maxLogged)])))
	do, err := read(body)
	if err != nil {
		return http.StatusBadRequest, answer{Error: err.Error()}
	}
	t, err := h.find(id)
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), h.injector.budget)
		defer cancel()
		var status string
		if status, err = do(ctx, t); err == nil {
			logger.Info("Network fault request done", logger.F("requestType", request), logger.F("taskARN", t.task), logger.F("status", status))
			return http.StatusOK, answer{Status: status}
		}
	}
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		return refused.status, answer{Error: refused.text}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusInternalServerError, answer{Error: request + ": request timed out"}
	}
	logger.Error("Network fault request failed", logger.F("requestType", request), logger.F("taskARN", t.task), logger.Err(err))
	return http.StatusInternalServerError, answer{Error: "internal error"}
}

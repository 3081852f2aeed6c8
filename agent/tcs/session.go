// Package tcs is the conversation with the telemetry service of ECS (TCS): a websocket on which the agent sends metrics,
// the health of containers and the status of the instance.
//
//	stats ─► publisher ─► buffers ─┐
//	          every 20 s   15 + 15 ├─► writer ─► socket ─► reader (acknowledgements, heartbeats)
//	doctor ────────────────────────┘
//
// The publisher and the buffers outlive connections: what was measured while there was none is sent afterwards, with the
// time of its measurement and unless it is older than the service accepts.
package tcs

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

// Source is what there is to report; *stats.Collector is the real one.
type Source interface {
	Metrics(ctx context.Context, withServiceConnect bool) (stats.Metrics, error)
	Health() []stats.TaskHealth
}

// Endpoints finds the service's address.
type Endpoints interface {
	DiscoverTelemetryEndpoint(ctx context.Context, cluster, containerInstanceARN string) (string, error)
}

// Dialer connects to a signed websocket address. *wsconn.Dialer is the real one; its ErrorTypes are this package's.
type Dialer interface {
	Dial(ctx context.Context, url string) (*wsconn.Conn, error)
}

// Config of a Session. What is not called optional is needed.
type Config struct {
	Cluster              string // name or ARN as configured
	ContainerInstanceARN string
	AgentVersion         string
	AgentHash            string // short, without a mark for uncommitted changes
	// DockerVersion returns the version of the Docker server, empty while it cannot be read. Optional.
	DockerVersion func(ctx context.Context) string
	// MetricsDisabled and HealthDisabled are settings of the agent; both together are worth a warning.
	MetricsDisabled, HealthDisabled bool

	Source    Source
	Doctor    *Doctor // examined by whoever hears the heartbeats of ACS
	Endpoints Endpoints
	Dialer    Dialer
	// Sign returns the headers that sign a GET of the connection's URL with a body: exactly the signed ones, Host among
	// them. It is called for every message, because credentials change.
	Sign func(ctx context.Context, url string, payload []byte) (http.Header, error)
	// Accepted reports whether ECS talks to this instance (ACS is connected). It ends the silence that begins with
	// Deregistered. Optional: without it the silence lasts.
	Accepted func() bool
}

// acceptedPoll is how often a deregistered instance looks whether it is registered again.
const acceptedPoll = time.Minute

// Session is the conversation. Make one with New and call Run once.
type Session struct {
	config  Config
	metrics *buffer
	health  *buffer

	deregistered chan struct{} // has room for one: the instance is not registered any more
	silent       atomic.Bool   // nothing is collected or sent

	waits  waits // owned by Run's goroutine
	counts wsconn.Counts
}

// New gives a session that has not begun.
func New(config Config) *Session {
	if config.Doctor == nil {
		config.Doctor = NewDoctor()
	}
	return &Session{
		waits:        newWaits(),
		config:       config,
		metrics:      newBuffer("timeout sending telemetry message, discarding metrics"),
		health:       newBuffer("timeout sending health message, discarding metrics"),
		deregistered: make(chan struct{}, 1),
	}
}

// Deregistered ends the telemetry of an instance that is not registered any more (told by ACS). It may be called at any
// time and does not wait.
func (s *Session) Deregistered() {
	s.silent.Store(true)
	select {
	case s.deregistered <- struct{}{}:
	default:
	}
}

// Connected reports whether there is a connection now.
func (s *Session) Connected() bool { return s.counts.Connected() }

// Stats returns the numbers as they are now.
func (s *Session) Stats() wsconn.Stats { return s.counts.Stats() }

// Run collects and talks to the service until ctx ends, over as many connections as it takes. It never gives up; it
// returns nil.
func (s *Session) Run(ctx context.Context) error {
	if s.config.MetricsDisabled && s.config.HealthDisabled {
		logger.Warn("Both metrics and health were disabled, but still starting the telemetry session for service connect metrics")
	}
	var owned sync.WaitGroup
	defer owned.Wait()
	owned.Go(func() { s.publish(ctx) })

	for ctx.Err() == nil {
		if s.silent.Load() {
			s.waitForRegistration(ctx)
			continue
		}
		e := s.converse(ctx)
		if ctx.Err() != nil {
			break
		}
		s.counts.Ended(e.err, e.connected)
		if e.deregistered() {
			logger.Info("The container instance is deregistered; its telemetry ends")
			continue
		}
		wait := s.waits.after(e)
		report(e, wait)
		s.pause(ctx, wait)
	}
	return nil
}

// report logs how a connection, or the attempt to make one, ended.
func report(e ending, wait time.Duration) {
	next := logger.F("reconnectIn", wait.Round(time.Millisecond).String())
	if e.valid() {
		logger.Info("TCS Websocket connection closed for a valid reason", logger.F("reason", e.err), next)
		return
	}
	logger.Error("Error: lost websocket connection with ECS Telemetry service (TCS): "+e.err.Error(), next)
}

// pause waits for d, but not beyond ctx or the registration.
func (s *Session) pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-s.deregistered:
		s.silent.Store(true)
	}
}

// waitForRegistration says and collects nothing until ECS accepts the instance again.
func (s *Session) waitForRegistration(ctx context.Context) {
	s.metrics.clear()
	s.health.clear()
	ticker := time.NewTicker(acceptedPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if s.config.Accepted != nil && s.config.Accepted() {
			logger.Info("ECS accepts the container instance again; its telemetry goes on")
			s.waits.reset()
			s.silent.Store(false)
			select {
			case <-s.deregistered: // said before; if just now, silent is set again
			default:
			}
			return
		}
	}
}

// Package acs is the conversation with the agent communication service of ECS: a websocket on which the service sends
// tasks, credentials and questions, and the agent answers.
//
//	                 ┌─ heartbeats ──────────────► writer ─► socket
//	socket ─► reader ┼─ tasks, credentials, … ─► worker ─┐    ▲
//	                 └─ updates ────────────────► updater ┴► outbox
//
// The reader never waits for work. Reader and writer live as long as one connection; worker, updater and the answers that
// wait in the outbox outlive it, so that a slow answer goes out on whichever connection there is.
package acs

import (
	"context"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

// Engine runs the tasks.
type Engine interface {
	// Tasks are snapshots of all tasks.
	Tasks() []*task.Task
	Task(arn string) (*task.Task, bool)
	// Accept takes tasks in, in the given order. New ones are durable when it returns; of known ones only the desired
	// status is looked at. An error means that they could not be saved.
	Accept(ctx context.Context, tasks ...*task.Task) error
	// Refuse reports a task STOPPED that cannot be run; nothing if it is known.
	Refuse(ctx context.Context, arn, reason string)
	// Stop stops a task; false when it is not known.
	Stop(arn string) bool
	// SetCredentials notes the id of a role's new credentials; false when the task is not known.
	SetCredentials(arn string, role credentials.RoleType, credentialsID string) bool
}

// ENIs follows the network interfaces that ECS attaches to the instance.
type ENIs interface {
	// Accept takes interfaces in that are being attached. They are durable when it returns, if the disk allows it.
	Accept(ctx context.Context, announced ...task.Attachment)
}

// Endpoints finds the service's address.
type Endpoints interface {
	DiscoverPollEndpoint(ctx context.Context, cluster, containerInstanceARN string) (string, error)
}

// ManifestStore keeps the highest sequence number of manifests and payloads over restarts: −1 when none was ever seen.
type ManifestStore interface {
	ManifestSeq() int64
	// SetManifestSeq returns when the number is durable.
	SetManifestSeq(int64) error
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

	Endpoints   Endpoints
	Dialer      Dialer
	Engine      Engine
	ENIs        ENIs
	Credentials *credentials.Store
	Manifest    ManifestStore

	// CheckHealth runs the health checks of the instance, at each heartbeat, one run at a time. Optional.
	CheckHealth func(ctx context.Context)
	// Deregistered is called when the service says that this instance is not registered any more. Optional.
	Deregistered func()
	Updates      Updates
}

// outboxLimit is how many answers may wait for a connection.
const outboxLimit = 1024

// Session is the conversation. Make one with New and call Run once.
type Session struct {
	config  Config
	outbox  chan outgoing
	work    *lane // for the worker
	updates *updater
	beat    chan struct{} // wakes the health checks

	// Owned by Run's goroutine.
	everConnected bool
	waits         waits

	// Owned by the worker.
	known      int64  // highest sequence number seen
	manifestID string // of the last accepted manifest, until its stops were verified

	counts wsconn.Counts
}

// New gives a session that has not begun.
func New(config Config) *Session {
	s := &Session{
		waits:  newWaits(),
		config: config,
		outbox: make(chan outgoing, outboxLimit),
		work:   newLane(),
		beat:   make(chan struct{}, 1),
		known:  config.Manifest.ManifestSeq(),
	}
	s.updates = newUpdater(config.Updates, s.answer, s.deliver)
	return s
}

// Connected reports whether there is a connection now.
func (s *Session) Connected() bool { return s.counts.Connected() }

// Stats returns the numbers as they are now.
func (s *Session) Stats() wsconn.Stats { return s.counts.Stats() }

// Run talks to the service until ctx ends, over as many connections as it takes. It never gives up; it returns nil.
func (s *Session) Run(ctx context.Context) error {
	var owned sync.WaitGroup
	defer owned.Wait()
	owned.Go(func() { s.work.run(ctx, s.handle) })
	owned.Go(func() { s.updates.run(ctx) })
	owned.Go(func() { s.watchHealth(ctx) })

	for ctx.Err() == nil {
		e := s.converse(ctx)
		if ctx.Err() != nil {
			break
		}
		wait := s.waits.after(e)
		s.counts.Ended(e.err, e.connected)
		report(e, wait)
		if e.deregistered() && s.config.Deregistered != nil {
			s.config.Deregistered()
		}
		_ = backoff.Sleep(ctx, wait) // the loop looks at ctx
	}
	return nil
}

// report logs how a connection, or the attempt to make one, ended.
func report(e ending, wait time.Duration) {
	next := logger.F("reconnectIn", wait.Round(time.Millisecond).String())
	switch {
	case e.deregistered():
		logger.Error("Container instance is deregistered; its tasks are left alone", logger.Err(e.err), next)
	case !e.connected:
		logger.Error("Error connecting to ACS", logger.Err(e.err), next)
	case e.valid() || e.expired:
		logger.Info("ACS connection closed for a valid reason", logger.F("reason", e.err), next)
	default:
		logger.Error("ACS connection lost", logger.Err(e.err), next)
	}
}

// handle does what a message asks for. It runs on the worker, one message at a time.
func (s *Session) handle(ctx context.Context, r received) {
	switch m := r.body.(type) {
	case *payloadMessage:
		m.receivedAt = r.at
		s.handlePayload(ctx, m)
	case *credentialsMessage:
		s.handleCredentials(m)
	case *attachTaskENIMessage:
		s.handleTaskENIs(ctx, m)
	case *attachInstanceENIMessage:
		s.handleInstanceENIs(ctx, m)
	case *confirmAttachmentMessage:
		s.handleConfirmAttachment(m)
	case *taskManifestMessage:
		s.handleManifest(m)
	case *taskStopVerificationAck:
		s.handleStopVerification(m)
	}
}

// rejected logs a message that failed its checks and gets no answer.
func rejected(kind string, err error) {
	logger.Error("Invalid message from ACS; not answered", logger.F("type", kind), logger.Err(err))
}

// watchHealth runs the instance health checks when a heartbeat asks for them.
func (s *Session) watchHealth(ctx context.Context) {
	for {
		select {
		case <-s.beat:
			if s.config.CheckHealth != nil {
				s.config.CheckHealth(ctx)
			}
		case <-ctx.Done():
			return
		}
	}
}

package acs

import (
	"context"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

// outgoing is an answer on its way.
type outgoing struct {
	kind    string
	message any
	// sent hears whether it was written; nil when nobody waits. It must have room for one error.
	sent chan error
}

func (o outgoing) done(err error) {
	if o.sent != nil {
		o.sent <- err
	}
}

// answer sends a message on the connection there is, or on the next one. It does not wait.
func (s *Session) answer(kind string, message any) {
	s.enqueue(outgoing{kind: kind, message: message})
}

// deliver sends a message and waits until it was written, failed, or ctx ended.
func (s *Session) deliver(ctx context.Context, kind string, message any) error {
	o := outgoing{kind: kind, message: message, sent: make(chan error, 1)}
	s.enqueue(o)
	select {
	case err := <-o.sent:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Session) enqueue(o outgoing) {
	select {
	case s.outbox <- o:
	default:
		s.counts.SendFailures.Add(1)
		logger.Warn("Dropped an answer to ACS because too many wait for a connection", logger.F("type", o.kind))
		o.done(errOutboxFull)
	}
}

// write sends answers until ctx ends, the connection fails, or it is time to say good-bye: then the rest is left for the
// next connection.
func (s *Session) write(ctx context.Context, c *connection) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.age:
			if err := c.conn.WriteExpired(); err != nil {
				logger.Warn("Could not send the close frame to ACS", logger.Err(err))
				_ = c.conn.Close()
			}
			return
		case o := <-c.beats:
			s.send(c, o)
		case o := <-s.outbox:
			s.send(c, o)
		}
	}
}

// send writes one message. One that fails is lost: the service sends again what was not acknowledged.
func (s *Session) send(c *connection, o outgoing) {
	data, err := wsconn.Encode(o.kind, o.message)
	if err == nil {
		err = c.conn.WriteText(data)
	}
	if err != nil {
		s.counts.SendFailures.Add(1)
		logger.Warn("Could not send an answer to ACS", logger.F("type", o.kind), logger.Err(err))
	} else {
		s.counts.Sent.Add(1)
		logger.Debug("Sent an answer to ACS", logger.F("type", o.kind))
	}
	o.done(err)
}

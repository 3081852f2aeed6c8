package tcs

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

// signTimeout bounds the fetching of credentials and the signing of one message.
const signTimeout = time.Minute

// writer sends on one connection.
type writer struct {
	session *Session
	address string
	conn    *wsconn.Conn
}

// drain sends all messages of a buffer. A request that fails takes the rest of its message with it; the other messages wait
// for the next one, or for the next connection.
func (w *writer) drain(ctx context.Context, b *buffer, complaint string) {
	for ctx.Err() == nil {
		m, ok := b.take(time.Now())
		if !ok {
			return
		}
		for i, body := range m.requests {
			if err := w.send(ctx, m.kind, body); err != nil {
				if ctx.Err() == nil {
					logger.Warn(complaint, logger.F("request", i+1), logger.F("of", len(m.requests)), logger.Err(err))
				}
				return
			}
		}
	}
}

// send signs and writes one request.
func (w *writer) send(ctx context.Context, kind string, body []byte) error {
	payload := envelope(kind, body)
	signing, cancel := context.WithTimeout(ctx, signTimeout)
	header, err := w.session.config.Sign(signing, w.address, payload)
	cancel()
	if err != nil {
		w.session.counts.SendFailures.Add(1)
		return fmt.Errorf("sign %s: %w", kind, err)
	}
	if err := w.conn.WriteText(frame(header, payload)); err != nil {
		w.session.counts.SendFailures.Add(1)
		return fmt.Errorf("send %s: %w", kind, err)
	}
	w.session.counts.Sent.Add(1)
	logger.Debug("Sent a message to TCS", logger.F("type", kind), logger.F("bytes", len(body)))
	return nil
}

// status reports the status of the instance if there is a new one.
func (w *writer) status(ctx context.Context) {
	doctor := w.session.config.Doctor
	statuses, run, news := doctor.news()
	if !news {
		return
	}
	if len(statuses) == 0 {
		logger.Error("Unable to create instance status message from doctor", logger.F("error", "No instance healthcheck status metrics to report"))
		return
	}
	id := newID()
	body, err := w.session.statusRequest(id, statuses, time.Now())
	if err == nil {
		err = w.send(ctx, kindStatus, body)
	}
	if err != nil {
		if ctx.Err() == nil {
			logger.Warn("Unable to publish instance status", logger.Err(err))
		}
		return // the next tick tries again
	}
	doctor.reported(run)
	logger.Info("Successfully published instance status message to TCS with request ID: " + id)
}

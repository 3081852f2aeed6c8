package tcs

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

const (
	// lasting is how long a connection must have lived for its end to be nothing to worry about.
	lasting = time.Minute
	// breath is the most that is waited after the service dropped a connection, so that not all agents come back in the
	// same instant.
	breath = time.Second
)

var reconnecting = backoff.Policy{First: time.Second, Longest: time.Minute, Factor: 2, Jitter: 0.2}

var (
	errDeregistered = errors.New("the container instance is not registered any more")
	errShutdown     = errors.New("the agent is ending")
)

// ending is how a connection, or the attempt to make one, ended.
type ending struct {
	err       error // never nil
	connected bool
	lived     time.Duration
}

// deregistered reports whether the agent itself ended the connection because of that.
func (e ending) deregistered() bool { return errors.Is(e.err, errDeregistered) }

// valid reports whether the connection was ended in one of the ways in which the service ends connections now and then.
func (e ending) valid() bool { return e.orderly() || e.dropped() }

func (e ending) orderly() bool { return e.connected && wsconn.Orderly(e.err) }
func (e ending) dropped() bool { return e.connected && wsconn.Dropped(e.err) }

// waits are those between connections.
type waits struct {
	pauses backoff.Pauses
	// hurried is set after a quick reconnect that followed a short connection: one is fine, two are a loop.
	hurried bool
}

func newWaits() waits { return waits{pauses: reconnecting.Start()} }

func (w *waits) reset() { *w = newWaits() }

// after says how long to wait before the next connection.
//
// The service ends connections at times, and then the agent is to be back at once; but a service that accepts connections
// only to end them must not be hammered.
func (w *waits) after(e ending) time.Duration {
	if e.lived >= lasting {
		w.reset()
		switch {
		case e.orderly():
			return 0
		case e.dropped():
			return rand.N(breath)
		}
		return w.pauses.Next()
	}
	if w.hurried || !e.valid() {
		return w.pauses.Next()
	}
	w.hurried = true
	if e.orderly() {
		return 0
	}
	return rand.N(breath)
}

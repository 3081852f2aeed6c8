package acs

import (
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

const (
	// deregisteredDelay is the wait after the service said that the instance is not registered.
	deregisteredDelay = time.Hour
	// lasting is how long a connection must have lived for its end to be nothing to worry about.
	lasting = time.Minute
)

var reconnecting = backoff.Policy{First: 250 * time.Millisecond, Longest: 120 * time.Second, Factor: 1.5, Jitter: 0.2}

// ending is how a connection, or the attempt to make one, ended.
type ending struct {
	err       error // never nil
	connected bool
	lived     time.Duration
	// expired is set when the agent itself had asked for the end, because of the connection's age.
	expired bool
}

// deregistered reports whether the service does not know this instance any more.
func (e ending) deregistered() bool { return strings.Contains(e.err.Error(), inactiveInstance) }

// valid reports whether the connection was ended in one of the ways in which the service ends connections now and then.
func (e ending) valid() bool { return e.orderly() || e.dropped() }

func (e ending) orderly() bool { return e.connected && wsconn.Orderly(e.err) }
func (e ending) dropped() bool { return e.connected && wsconn.Dropped(e.err) }

// waits are those between connections.
type waits struct {
	pauses backoff.Pauses
	// hurried is set after a reconnect without a wait that followed a short connection: one is fine, two are a loop.
	hurried bool
}

func newWaits() waits { return waits{pauses: reconnecting.Start()} }

func (w *waits) reset() { *w = newWaits() }

// after says how long to wait before the next connection.
//
// The service ends connections at times, and then the agent is to be back at once. But a service that accepts connections
// only to end them must not be hammered, and one that broke down shall not see all agents in the same instant: a
// connection that was short, or was dropped, is followed by a delay.
func (w *waits) after(e ending) time.Duration {
	if e.deregistered() {
		return deregisteredDelay
	}
	if !e.valid() {
		return w.pauses.Next()
	}
	if e.lived >= lasting {
		w.reset()
		if e.expired || e.orderly() {
			return 0
		}
		return w.pauses.Next()
	}
	if e.orderly() && !w.hurried {
		w.hurried = true
		return 0
	}
	return w.pauses.Next()
}

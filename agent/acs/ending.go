package acs

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

const (
	firstDelay  = 250 * time.Millisecond
	delayFactor = 1.5
	longest     = 120 * time.Second
	delayJitter = 0.2 // of the delay, added

	// deregisteredDelay is the wait after the service said that the instance is not registered.
	deregisteredDelay = time.Hour
	// lasting is how long a connection must have lived for its end to be nothing to worry about.
	lasting = time.Minute
)

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

// orderly: with a close frame that says normal closure or going away.
func (e ending) orderly() bool { return e.closedWith(wsconn.CloseNormal, wsconn.CloseGoingAway) }

// dropped: without a close frame, or with one that says internal error.
func (e ending) dropped() bool { return e.closedWith(wsconn.CloseAbnormal, wsconn.CloseInternal) }

func (e ending) closedWith(codes ...int) bool {
	if !e.connected {
		return false
	}
	code, ok := wsconn.CloseCode(e.err)
	for _, c := range codes {
		if ok && c == code {
			return true
		}
	}
	return false
}

// backoff is the wait between connections. The zero value is ready.
type backoff struct {
	delay time.Duration // before jitter, of the next wait; 0 for the first
	// hurried is set after a reconnect without a wait that followed a short connection: one is fine, two are a loop.
	hurried bool
}

func (b *backoff) reset() { *b = backoff{} }

// next is the next delay: 250 ms and half as much again each time, up to 120 s; plus up to a fifth.
func (b *backoff) next() time.Duration {
	if b.delay == 0 {
		b.delay = firstDelay
	}
	d := b.delay
	b.delay = min(time.Duration(float64(b.delay)*delayFactor), longest)
	return d + time.Duration(rand.Float64()*delayJitter*float64(d))
}

// after says how long to wait before the next connection.
//
// The service ends connections at times, and then the agent is to be back at once. But a service that accepts connections
// only to end them must not be hammered, and one that broke down shall not see all agents in the same instant: a
// connection that was short, or was dropped, is followed by a delay.
func (b *backoff) after(e ending) time.Duration {
	if e.deregistered() {
		return deregisteredDelay
	}
	if !e.valid() {
		return b.next()
	}
	if e.lived >= lasting {
		b.reset()
		if e.expired || e.orderly() {
			return 0
		}
		return b.next()
	}
	if e.orderly() && !b.hurried {
		b.hurried = true
		return 0
	}
	return b.next()
}

package tcs

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

const (
	firstDelay  = time.Second
	longest     = time.Minute
	delayFactor = 2
	delayJitter = 0.2 // of the delay, added

	// lasting is how long a connection must have lived for its end to be nothing to worry about.
	lasting = time.Minute
	// breath is the most that is waited after the service dropped a connection, so that not all agents come back in the
	// same instant.
	breath = time.Second
)

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

// orderly: with a close frame that says normal closure or going away.
func (e ending) orderly() bool { return e.closedWith(wsconn.CloseNormal, wsconn.CloseGoingAway) }

// dropped: without a close frame, or with one that says internal error.
func (e ending) dropped() bool { return e.closedWith(wsconn.CloseAbnormal, wsconn.CloseInternal) }

func (e ending) closedWith(codes ...int) bool {
	code, ok := wsconn.CloseCode(e.err)
	return e.connected && ok && slices.Contains(codes, code)
}

// backoff is the wait between connections. The zero value is ready.
type backoff struct {
	delay time.Duration // before jitter, of the next wait; 0 for the first
	// hurried is set after a quick reconnect that followed a short connection: one is fine, two are a loop.
	hurried bool
}

func (b *backoff) reset() { *b = backoff{} }

// next is the next delay: 1 s and twice as much each time, up to 60 s; plus up to a fifth.
func (b *backoff) next() time.Duration {
	if b.delay == 0 {
		b.delay = firstDelay
	}
	d := b.delay
	b.delay = min(b.delay*delayFactor, longest)
	return d + time.Duration(rand.Float64()*delayJitter*float64(d))
}

// after says how long to wait before the next connection.
//
// The service ends connections at times, and then the agent is to be back at once; but a service that accepts connections
// only to end them must not be hammered.
func (b *backoff) after(e ending) time.Duration {
	if e.lived >= lasting {
		b.reset()
		switch {
		case e.orderly():
			return 0
		case e.dropped():
			return rand.N(breath)
		}
		return b.next()
	}
	if b.hurried || !e.valid() {
		return b.next()
	}
	b.hurried = true
	if e.orderly() {
		return 0
	}
	return rand.N(breath)
}

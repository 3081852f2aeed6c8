package tcs

import (
	"sync/atomic"
	"time"
)

// Connected reports whether there is a connection now.
func (s *Session) Connected() bool { return s.counts.connected.Load() }

// Stats are the numbers of a session since the agent started.
type Stats struct {
	Connected       bool
	ConnectedAt     time.Time // zero while not connected
	Connects        uint64    // successful ones
	ConnectFailures uint64    // discovery, dial, refused upgrades
	Received        uint64    // messages of a known type
	Unreadable      uint64    // messages that could not be decoded, or of an unknown type
	Sent            uint64    // requests
	SendFailures    uint64
	// LastEnd says how the last connection, or attempt to make one, ended; empty before.
	LastEnd string
}

type counters struct {
	connected                                                    atomic.Bool
	since                                                        atomic.Int64 // Unix nanoseconds
	connects, failures, received, unreadable, sent, sendFailures atomic.Uint64
	lastEnd                                                      atomic.Pointer[string]
}

func (c *counters) opened() {
	c.connects.Add(1)
	c.since.Store(time.Now().UnixNano())
	c.connected.Store(true)
}

func (c *counters) ended(e ending) {
	if !e.connected {
		c.failures.Add(1)
	}
	text := e.err.Error()
	c.lastEnd.Store(&text)
}

// Stats returns the numbers as they are now.
func (s *Session) Stats() Stats {
	c := &s.counts
	stats := Stats{
		Connected: c.connected.Load(), Connects: c.connects.Load(), ConnectFailures: c.failures.Load(),
		Received: c.received.Load(), Unreadable: c.unreadable.Load(), Sent: c.sent.Load(), SendFailures: c.sendFailures.Load(),
	}
	if stats.Connected {
		stats.ConnectedAt = time.Unix(0, c.since.Load()).UTC()
	}
	if text := c.lastEnd.Load(); text != nil {
		stats.LastEnd = *text
	}
	return stats
}

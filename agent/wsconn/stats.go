package wsconn

import (
	"sync/atomic"
	"time"
)

// Stats are the numbers of a conversation, over all of its connections, since the agent started.
type Stats struct {
	Connected       bool
	ConnectedAt     time.Time // zero while not connected
	Connects        uint64    // successful ones
	ConnectFailures uint64    // discovery, dial, refused upgrades
	Received        uint64    // messages of a known type
	Unreadable      uint64    // messages that could not be decoded, or of an unknown type
	Dropped         uint64    // messages for which there was no room, left to be sent again by the service
	Sent            uint64
	SendFailures    uint64
	// LastEnd says how the last connection, or attempt to make one, ended; empty before.
	LastEnd string
}

// Counts is where a conversation counts for its Stats.
type Counts struct {
	Received, Unreadable, Dropped, Sent, SendFailures atomic.Uint64

	since              atomic.Int64 // Unix nanoseconds; 0 while there is no connection
	connects, failures atomic.Uint64
	lastEnd            atomic.Pointer[string]
}

// Opened notes that there is a connection now.
func (c *Counts) Opened() {
	c.connects.Add(1)
	c.since.Store(time.Now().UnixNano())
}

// Closed notes that there is none any more.
func (c *Counts) Closed() { c.since.Store(0) }

// Ended notes how a connection ended, or the attempt to make one.
func (c *Counts) Ended(err error, connected bool) {
	if !connected {
		c.failures.Add(1)
	}
	text := err.Error()
	c.lastEnd.Store(&text)
}

// Connected reports whether there is a connection now.
func (c *Counts) Connected() bool { return c.since.Load() != 0 }

// Stats are the numbers as they are now.
func (c *Counts) Stats() Stats {
	stats := Stats{
		Connects: c.connects.Load(), ConnectFailures: c.failures.Load(),
		Received: c.Received.Load(), Unreadable: c.Unreadable.Load(), Dropped: c.Dropped.Load(),
		Sent: c.Sent.Load(), SendFailures: c.SendFailures.Load(),
	}
	if since := c.since.Load(); since != 0 {
		stats.Connected, stats.ConnectedAt = true, time.Unix(0, since).UTC()
	}
	if text := c.lastEnd.Load(); text != nil {
		stats.LastEnd = *text
	}
	return stats
}

// Package backoff gives the pauses between attempts: each longer than the one before, up to a limit, plus a random share, so
// that those who failed together do not come back together.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Policy says how pauses grow.
type Policy struct {
	First, Longest time.Duration
	Factor         float64 // from one pause to the next
	Jitter         float64 // share of a pause that is added at most
}

// Pauses are those of one series of failures. Start one with Policy.Start.
type Pauses struct {
	// Failures in a row so far.
	Failures int

	policy Policy
	base   time.Duration // the last pause without its jitter
}

// Start begins a series.
func (p Policy) Start() Pauses { return Pauses{policy: p} }

// Next counts a failure and gives the pause after it.
func (p *Pauses) Next() time.Duration {
	p.Failures++
	if p.base == 0 {
		p.base = p.policy.First
	} else {
		p.base = min(time.Duration(float64(p.base)*p.policy.Factor), p.policy.Longest)
	}
	return jittered(p.base, p.policy.Jitter)
}

// Reset ends the series: the next failure is the first of another.
func (p *Pauses) Reset() { p.Failures, p.base = 0, 0 }

// Sleep counts a failure and waits after it; see the function Sleep.
func (p *Pauses) Sleep(ctx context.Context) error { return Sleep(ctx, p.Next()) }

// jittered adds up to share of d.
func jittered(d time.Duration, share float64) time.Duration {
	return d + time.Duration(rand.Float64()*share*float64(d))
}

// Sleep waits for d; the error is the reason why ctx ended before.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

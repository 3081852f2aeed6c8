package supervise

import (
	"math/rand/v2"
	"time"
)

// Pauses between two starts double from the first to the longest one.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 15 * time.Second
	pauseJitter  = 0.1 // share of a pause that is added at most, so that instances do not start together
)

// backoff counts the pauses of a series of failures.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = max(firstPause, min(2*b.last, longestPause))
	return b.last + time.Duration(rand.Float64()*pauseJitter*float64(b.last))
}

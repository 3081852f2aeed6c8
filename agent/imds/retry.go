package imds

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	retryCalls  = 5
	retryFirst  = time.Second
	retryFactor = 1.3
	retryMax    = 5 * time.Second
	retryJitter = 0.2 // at most this share is added to a pause
)

// Retry makes the call up to 5 times, with growing pauses from 1 s, until it succeeds. It gives up at once on a black-holed
// service and when ctx ends. Each call has its own retries already; this bridges a service that is away for seconds.
func Retry[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	pause := retryFirst
	for n := 1; ; n++ {
		v, err := call(ctx)
		if err == nil || n == retryCalls || IsBlackholed(err) {
			return v, err
		}
		select {
		case <-time.After(pause + time.Duration(rand.Float64()*retryJitter*float64(pause))):
		case <-ctx.Done():
			return v, err
		}
		pause = min(time.Duration(float64(pause)*retryFactor), retryMax)
	}
}

// IsBlackholed reports whether err comes from a black-holed client.
func IsBlackholed(err error) bool { return errors.Is(err, ErrBlackholed) }

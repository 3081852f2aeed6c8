package engine

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// turnstile lets a number of steps through at once, in the order of their arrival.
type turnstile struct {
	slots   *semaphore.Weighted // nil: no bound
	limit   int
	inside  atomic.Int64
	waiting atomic.Int64
}

func newTurnstile(limit int) *turnstile {
	t := &turnstile{limit: limit}
	if limit > 0 {
		t.slots = semaphore.NewWeighted(int64(limit))
	}
	return t
}

// enter waits for a slot; the error is that of ctx.
func (t *turnstile) enter(ctx context.Context) error {
	if t.slots != nil {
		t.waiting.Add(1)
		err := t.slots.Acquire(ctx, 1)
		t.waiting.Add(-1)
		if err != nil {
			return err
		}
	}
	t.inside.Add(1)
	return nil
}

func (t *turnstile) leave() {
	t.inside.Add(-1)
	if t.slots != nil {
		t.slots.Release(1)
	}
}

// Throttle is how many steps of a kind are under way and wait for others; Limit 0 means that none ever waits.
type Throttle struct {
	Limit, Running, Waiting int
}

func (t *turnstile) state() Throttle {
	return Throttle{Limit: t.limit, Running: int(t.inside.Load()), Waiting: int(t.waiting.Load())}
}

// Throttles says how busy pulls and starts are.
func (e *Engine) Throttles() (pulls, starts Throttle) { return e.pulls.state(), e.starts.state() }

// Package turnstile bounds how much work of one kind is under way at once.
package turnstile

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// Turnstile lets a number of callers through at once, in the order of their arrival.
type Turnstile struct {
	slots    *semaphore.Weighted // nil: no bound
	limit    int
	patience time.Duration
	inside   atomic.Int64
	waiting  atomic.Int64
}

// New gives a turnstile that lets limit callers through at once; 0: any number. Work that takes longer than patience does
// not count any more, so that what hangs does not hold up the rest; 0: all work counts until it ends.
func New(limit int, patience time.Duration) *Turnstile {
	t := &Turnstile{limit: limit, patience: patience}
	if limit > 0 {
		t.slots = semaphore.NewWeighted(int64(limit))
	}
	return t
}

// Enter waits for a slot; the error is that of ctx. leave gives the slot back and may be called more than once.
func (t *Turnstile) Enter(ctx context.Context) (leave func(), err error) {
	if t.slots != nil {
		t.waiting.Add(1)
		err := t.slots.Acquire(ctx, 1)
		t.waiting.Add(-1)
		if err != nil {
			return nil, err
		}
	}
	t.inside.Add(1)
	var once sync.Once
	free := func() {
		once.Do(func() {
			t.inside.Add(-1)
			if t.slots != nil {
				t.slots.Release(1)
			}
		})
	}
	if t.slots == nil || t.patience == 0 {
		return free, nil
	}
	late := time.AfterFunc(t.patience, free)
	return func() {
		late.Stop()
		free()
	}, nil
}

// State is how much work is under way and waits for other work; Limit 0 means that none ever waits.
type State struct {
	Limit, Running, Waiting int
}

// State tells how busy the turnstile is.
func (t *Turnstile) State() State {
	return State{Limit: t.limit, Running: int(t.inside.Load()), Waiting: int(t.waiting.Load())}
}

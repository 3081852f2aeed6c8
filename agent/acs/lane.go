package acs

import (
	"context"
	"sync"
)

const (
	// laneLimit and laneBytes bound what waits for the worker. The service sends again what is not answered, so there is
	// no need to keep everything.
	laneLimit = 64
	laneBytes = 32 << 20
)

// lane is a queue of messages with one worker, which takes them in the order of their arrival.
type lane struct {
	mu    sync.Mutex
	queue []received
	bytes int

	wake chan struct{}
}

func newLane() *lane { return &lane{wake: make(chan struct{}, 1)} }

// put queues a message; false when there is no room for it. One message, be it ever so big, always finds room.
func (l *lane) put(r received) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) >= laneLimit || len(l.queue) > 0 && l.bytes+r.size > laneBytes {
		return false
	}
	l.queue = append(l.queue, r)
	l.bytes += r.size
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return true
}

func (l *lane) take() (received, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return received{}, false
	}
	r := l.queue[0]
	l.queue[0] = received{}
	l.queue = l.queue[1:]
	l.bytes -= r.size
	return r, true
}

// run handles messages until ctx ends.
func (l *lane) run(ctx context.Context, handle func(context.Context, received)) {
	for {
		select {
		case <-l.wake:
		case <-ctx.Done():
			return
		}
		for r, ok := l.take(); ok && ctx.Err() == nil; r, ok = l.take() {
			handle(ctx, r)
		}
	}
}

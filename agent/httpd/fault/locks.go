package fault

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Shares of a namespace's lock: changes exclude each other and looks, looks share.
const (
	shared    = 1
	exclusive = 1 << 30
)

// locks are a lock for each namespace in use.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	*semaphore.Weighted
	users int
}

// acquire waits for a share of the namespace's lock.
func (l *locks) acquire(ctx context.Context, namespace string, share int64) (release func(), err error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*lock{}
	}
	k := l.held[namespace]
	if k == nil {
		k = &lock{Weighted: semaphore.NewWeighted(exclusive)}
		l.held[namespace] = k
	}
	k.users++
	l.mu.Unlock()

	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.held, namespace)
		}
	}
	if err := k.Acquire(ctx, share); err != nil {
		leave()
		return nil, err
	}
	return func() {
		k.Release(share)
		leave()
	}, nil
}

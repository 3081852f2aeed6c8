package engine

import (
	"context"
	"sync"
	"time"
)

// mailbox is a queue of events without a limit: whoever posts never waits for the task. Its length is bounded by what
// can happen to one task between two looks of its owner.
type mailbox struct {
	mu     sync.Mutex
	events []Event
	wakeup chan struct{}
}

func newMailbox() *mailbox { return &mailbox{wakeup: make(chan struct{}, 1)} }

func (m *mailbox) put(ev Event) {
	m.mu.Lock()
	m.events = append(m.events, ev)
	m.mu.Unlock()
	select {
	case m.wakeup <- struct{}{}:
	default:
	}
}

// next takes the oldest event; at the time wake (unless zero) it gives a Tick. ok is false when ctx ended.
func (m *mailbox) next(ctx context.Context, wake time.Time) (ev Event, ok bool) {
	if ctx.Err() != nil {
		return nil, false // what is left stays
	}
	if ev, has := m.take(); has {
		return ev, true
	}
	var alarm <-chan time.Time
	if !wake.IsZero() {
		timer := time.NewTimer(time.Until(wake))
		defer timer.Stop()
		alarm = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil, false
		case <-alarm:
			return Tick{}, true
		case <-m.wakeup:
			if ev, has := m.take(); has {
				return ev, true
			}
		}
	}
}

func (m *mailbox) take() (Event, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.events) == 0 {
		return nil, false
	}
	ev := m.events[0]
	m.events = m.events[1:]
	if len(m.events) == 0 {
		m.events = nil
	}
	return ev, true
}

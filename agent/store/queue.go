package store

import (
	"context"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// queue holds what is to be written next. A record is in it at most once, in its newest form, so that its size is
// bounded by the number of live records however slow the disk is.
type queue struct {
	mu       sync.Mutex
	pending  *batch
	inFlight *batch // what the writer is busy with; nil between two batches
	urgent   bool   // somebody waits: do not pause before the next attempt
	closed   bool

	wake chan struct{} // holds one token; the writer sleeps on it
}

// batch is what becomes one transaction.
type batch struct {
	tasks  map[string]*taskChange // by task id
	values map[valueKey][]byte    // records of other buckets; nil deletes
	errs   []error                // records that could not even be queued
	done   chan struct{}          // closed when the attempt to write is over
	err    error                  // its outcome, readable once done is closed
}

// valueKey names a record that does not belong to a task.
type valueKey struct{ bucket, key string }

// taskChange is what happens to the records of one task. Removal comes first, then the saves.
type taskChange struct {
	arn        string
	remove     bool
	task       *task.Task
	containers map[string]*task.Container // by name
}

func (q *queue) init() {
	q.pending = newBatch()
	q.wake = make(chan struct{}, 1)
}

func newBatch() *batch {
	return &batch{tasks: map[string]*taskChange{}, values: map[valueKey][]byte{}, done: make(chan struct{})}
}

// len counts what is to be written.
func (b *batch) len() int { return len(b.tasks) + len(b.values) }

func (b *batch) empty() bool { return b.len() == 0 && len(b.errs) == 0 }

func (b *batch) change(id, arn string) *taskChange {
	c := b.tasks[id]
	if c == nil {
		c = &taskChange{arn: arn}
		b.tasks[id] = c
	}
	return c
}

// add edits the pending batch. After close nothing is taken any more.
func (q *queue) add(edit func(*batch)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	edit(q.pending)
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// gatherTime is how long a save that nobody waits for may wait for others: each transaction costs the disk as much as the
// engine's own writes, and what is lost with the agent in that time is found out again from the containers.
const gatherTime = 100 * time.Millisecond

// next gives the writer its next batch: at once when it is urgent or the queue is closed, else after gatherTime, or after
// pause when that is longer. last tells the writer to end; the batch is nil when nothing is left.
func (q *queue) next(pause time.Duration) (b *batch, last bool) {
	var timer <-chan time.Time
	for due := false; ; {
		q.mu.Lock()
		waiting := !q.pending.empty()
		if q.closed || waiting && (due || q.urgent) {
			b, last = q.take(), q.closed
			q.mu.Unlock()
			return b, last
		}
		q.mu.Unlock()
		if waiting && timer == nil {
			timer = time.After(max(pause, gatherTime))
		}
		select {
		case <-q.wake:
		case <-timer:
			due = true
		}
	}
}

// take makes the pending batch the one in flight. The caller holds mu.
func (q *queue) take() *batch {
	if q.pending.empty() {
		return nil
	}
	b := q.pending
	q.pending, q.inFlight, q.urgent = newBatch(), b, false
	return b
}

// hurry has what is pending written without waiting for more.
func (q *queue) hurry() {
	q.mu.Lock()
	q.urgent = !q.pending.empty()
	q.mu.Unlock()
	q.signal()
}

// finished tells those who wait for b how it ended and puts failed records back, beneath newer ones.
func (q *queue) finished(b, failed *batch, err error) {
	q.mu.Lock()
	q.inFlight = nil
	if failed != nil && !q.closed {
		failed.overlay(q.pending)
		q.pending.tasks, q.pending.values = failed.tasks, failed.values
	}
	q.mu.Unlock()
	b.err = err
	close(b.done)
}

// overlay puts newer changes on top of those in b.
func (b *batch) overlay(newer *batch) {
	for key, value := range newer.values {
		b.values[key] = value
	}
	for id, n := range newer.tasks {
		old := b.tasks[id]
		if old == nil || n.remove {
			b.tasks[id] = n
			continue
		}
		if n.task != nil {
			old.task = n.task
		}
		for _, c := range n.containers {
			old.save(c)
		}
	}
}

func (t *taskChange) save(c *task.Container) {
	if t.containers == nil {
		t.containers = map[string]*task.Container{}
	}
	t.containers[c.Name] = c
}

// sync waits for everything queued so far.
func (q *queue) sync(ctx context.Context) error {
	q.mu.Lock()
	b := q.inFlight
	if !q.pending.empty() {
		b = q.pending // written after the one in flight, and holds again what that one could not write
		q.urgent = true
		q.signal()
	}
	q.mu.Unlock()
	if b == nil {
		return nil
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// discard forgets what is pending, successfully for those who wait.
func (q *queue) discard() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.pending.done)
	q.pending = newBatch()
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

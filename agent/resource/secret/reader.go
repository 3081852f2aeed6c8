package secret

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

// Tasks that start side by side mostly have the same role and want the same parameters; each on its own would soon meet
// the rate limit of the service.
//
// A call takes ten names. One that is full leaves at once. One that has room takes along what other tasks will want that
// were accepted already. If there is room still, it waits: for gatherFor when its task is alone, else for gatherMost.
//
// So tasks that were accepted together make as few calls as their distinct names allow, however long it takes until each of
// them comes, and so do tasks that come within gatherMost of another one whose names filled its calls. Tasks that come one
// by one, with longer pauses, make one more for each pause.
const (
	gatherFor  = 20 * time.Millisecond
	gatherMost = 200 * time.Millisecond
	// shareFor is how much older than a task the answer may be that serves it: nobody changes a parameter because of what a
	// task has read and starts another one within this time.
	shareFor = 200 * time.Millisecond
	// joinFor is how long a call may be under way that one more task joins, and how long its answer is held.
	joinFor = time.Second
)

// reader makes the reads of parameters. Within one role and region, names that several tasks want at the same time are
// read once, and different names share calls.
type reader struct {
	services Services

	mu    sync.Mutex
	pools map[source]*pool
}

// source is what reads are shared within. Credentials without a role ARN stand for themselves.
type source struct{ role, region string }

// pool are the calls of a source that may still serve somebody.
type pool struct {
	source   source
	open     *call            // takes more names; nil: there is none
	byName   map[string]*call // who reads a name, or has read it
	sent     []*call          // under way, or sent less than gatherMost ago
	expected []*expectation   // in the order in which the tasks were accepted
	last     time.Time        // when a task came last
}

// call reads up to awsapi.MaxParameters parameters. It goes on while somebody waits for it.
type call struct {
	pool   *pool
	keys   awsclient.CredentialsProvider // of the read that began it
	names  []string
	ctx    context.Context
	cancel context.CancelFunc
	// begun by this read; mixed is set when another one's names came to it.
	by      *read
	mixed   bool
	waiting int

	begun, sent time.Time
	timer       *time.Timer // looks whether the call may leave

	ended bool

	done    chan struct{} // closed when what follows is set
	found   []awsapi.Parameter
	invalid []string
	err     error
}

// read is what one task wants of one region.
type read struct {
	task   string // ARN
	source source
	keys   awsclient.CredentialsProvider
	names  []string // distinct
	// received is when the task came from ECS. What was read later is new enough for it.
	received time.Time

	values  map[string]string
	invalid []string
	errs    []error
}

// joined is a call, and what of a read it answers.
type joined struct {
	*call
	names []string
}

// do makes the read. When ctx ends it returns at once, and calls that nobody waits for any more end before.
func (r *reader) do(ctx context.Context, want *read) {
	want.values = map[string]string{}
	var alone []string
	for _, j := range r.join(ctx, want) {
		c := j.call
		select {
		case <-c.done:
			r.leave(c)
		case <-ctx.Done():
			if r.leave(c) {
				<-c.done
			}
			want.errs = append(want.errs, ctx.Err())
			continue
		}
		if c.err != nil && (c.by != want || c.mixed) && definite(c.err) {
			alone = append(alone, j.names...) // another task's name, or its credentials, may be to blame
			continue
		}
		want.take(j.names, c.found, c.invalid, c.err)
	}
	r.readAlone(ctx, want, alone)
}

// take notes what came of names.
func (w *read) take(names []string, found []awsapi.Parameter, invalid []string, err error) {
	if err != nil {
		w.errs = append(w.errs, err)
		return
	}
	for _, name := range names {
		if value, has := valueOf(found, name); has && !slices.Contains(invalid, name) {
			w.values[name] = value
		} else {
			w.invalid = append(w.invalid, name) // refused, or neither refused nor found: there is no value either way
		}
	}
}

// valueOf finds what was asked for by name or by ARN: with its version or label if there was one in the question, so that
// "/p" and "/p:3" are told apart. Not every service repeats it.
func valueOf(found []awsapi.Parameter, name string) (string, bool) {
	for _, selected := range []bool{true, false} {
		for _, p := range found {
			selector := ""
			if selected {
				selector = p.Selector
			}
			if name == p.Name+selector || name == p.ARN+selector {
				return p.Value, true
			}
		}
	}
	return "", false
}

// readAlone reads names with no other task's.
func (r *reader) readAlone(ctx context.Context, want *read, names []string) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for batch := range slices.Chunk(names, awsapi.MaxParameters) {
		all.Go(func() {
			found, invalid, err := r.services.Parameters(ctx, want.source.region, want.keys, batch)
			mu.Lock()
			defer mu.Unlock()
			want.take(batch, found, invalid, err)
		})
	}
	all.Wait()
}

// definite reports whether a failed call would fail again: one that was tried several times failed for a reason that
// has nothing to do with what was asked.
func definite(err error) bool {
	var exhausted *awsclient.ExhaustedError
	return !errors.As(err, &exhausted)
}

// join finds or begins the calls that answer want.
func (r *reader) join(ctx context.Context, want *read) []joined {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pool(want.source)
	p.last = time.Now()
	received, came := want.received, p.expectation(want.task)
	if came != nil {
		received = came.received
	}
	var calls []joined
	for _, name := range want.names {
		c := p.byName[name]
		if c == nil || !c.serves(received) {
			c = r.add(ctx, p, want, name)
		}
		i := slices.IndexFunc(calls, func(j joined) bool { return j.call == c })
		if i < 0 {
			c.waiting++
			calls, i = append(calls, joined{call: c}), len(calls)
		}
		calls[i].names = append(calls[i].names, name)
	}
	if came != nil {
		r.fulfil(p, came)
	}
	r.advance(p)
	r.dropIfIdle(p)
	return calls
}

func (r *reader) pool(s source) *pool {
	if r.pools == nil {
		r.pools = map[source]*pool{}
	}
	p := r.pools[s]
	if p == nil {
		p = &pool{source: s, byName: map[string]*call{}}
		r.pools[s] = p
	}
	return p
}

// serves reports whether a task that was received at this time may have the call's answer.
func (c *call) serves(received time.Time) bool {
	if c.sent.IsZero() {
		return true
	}
	select {
	case <-c.done:
		return c.sent.After(received.Add(-shareFor))
	default:
		return !c.aged() // it may hang
	}
}

func (c *call) aged() bool { return !c.sent.IsZero() && time.Since(c.sent) >= joinFor }

// add puts a name into the open call.
func (r *reader) add(ctx context.Context, p *pool, want *read, name string) *call {
	c := p.open
	if c == nil {
		c = &call{pool: p, keys: want.keys, by: want, begun: time.Now(), done: make(chan struct{})}
		c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
		c.timer = time.AfterFunc(gatherMost, func() { r.look(c) })
		p.open = c
	}
	r.put(p, name, c.by != want)
	return c
}

// put adds a name to the open call, which leaves when it is full.
func (r *reader) put(p *pool, name string, mixed bool) {
	c := p.open
	c.mixed = c.mixed || mixed
	c.names = append(c.names, name)
	p.byName[name] = c
	if len(c.names) == awsapi.MaxParameters {
		r.send(p)
	}
}

// look sends a call if it is time.
func (r *reader) look(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.pool.open == c {
		r.advance(c.pool)
	}
}

// advance sends the open call if it is time, else sets its timer.
func (r *reader) advance(p *pool) {
	r.fill(p)
	if p.open == nil {
		return
	}
	if pause := p.pause(p.open); pause > 0 {
		p.open.timer.Reset(pause)
	} else {
		r.send(p)
	}
}

// pause is how long a call that has room may wait on.
func (p *pool) pause(c *call) time.Duration {
	end := c.begun.Add(gatherMost)
	next := p.last.Add(gatherFor)
	if p.others(c) || next.After(end) {
		next = end
	}
	return time.Until(next)
}

// others reports whether a call that another task began is under way, or was sent a moment ago.
func (p *pool) others(c *call) bool {
	p.forgetSent()
	return slices.ContainsFunc(p.sent, func(s *call) bool { return s.by != c.by })
}

func (p *pool) forgetSent() {
	p.sent = slices.DeleteFunc(p.sent, func(c *call) bool { return c.ended && time.Since(c.sent) >= gatherMost })
}

func (r *reader) send(p *pool) {
	c := p.open
	p.open = nil
	c.timer.Stop()
	c.sent = time.Now()
	p.forgetSent()
	p.sent = append(p.sent, c)
	go r.run(c)
}

// run makes a call.
func (r *reader) run(c *call) {
	p := c.pool
	defer close(c.done)
	defer c.cancel()
	aging := time.AfterFunc(joinFor, func() { r.retire(c) }) // also while it hangs
	c.found, c.invalid, c.err = r.services.Parameters(c.ctx, p.source.region, c.keys, c.names)
	r.mu.Lock()
	defer r.mu.Unlock()
	c.ended = true
	if c.err != nil {
		aging.Stop()
		r.retireLocked(c, true)
		r.disappoint(c)
	}
	r.advance(p)
	r.dropIfIdle(p)
}

// leave reports whether nobody waits for the call any more although it has not ended. Then nobody else may join it.
func (r *reader) leave(c *call) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.waiting--; c.waiting > 0 {
		return false
	}
	select {
	case <-c.done:
		return false
	default:
	}
	c.cancel()
	if c.pool.open == c {
		c.pool.open = nil
		c.timer.Stop()
		close(c.done)
	}
	r.retireLocked(c, true)
	return true
}

// retire is for a call that has aged.
func (r *reader) retire(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retireLocked(c, false)
}

// retireLocked lets nobody join a call any more for the names in it that no accepted task will want, or for all. Its values
// are held by those who wait alone.
func (r *reader) retireLocked(c *call, all bool) {
	p := c.pool
	for _, name := range c.names {
		if p.byName[name] == c && (all || !p.expects(name)) {
			delete(p.byName, name)
		}
	}
	p.forgetSent()
	r.dropIfIdle(p)
}

func (r *reader) dropIfIdle(p *pool) {
	flying := slices.ContainsFunc(p.sent, func(c *call) bool { return !c.ended })
	if p.open == nil && !flying && len(p.byName)+len(p.expected) == 0 && r.pools[p.source] == p {
		delete(r.pools, p.source)
	}
}

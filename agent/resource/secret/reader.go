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
const (
	// gatherFor is how long a call that has room for more names waits for another task, and gatherMost for all of them.
	gatherFor  = 20 * time.Millisecond
	gatherMost = 200 * time.Millisecond
	// shareFor is how old a call may be for its answer to serve one more task. A task never gets a value that is older.
	shareFor = time.Second
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
	open   *call // takes more names; nil: there is none
	byName map[string]*call
	last   time.Time // when a task came last
}

// call reads up to awsapi.MaxParameters parameters. It goes on while somebody waits for it.
type call struct {
	source source
	keys   awsclient.CredentialsProvider // of the read that began it
	names  []string
	full   chan struct{} // closed when there is no more room
	cancel context.CancelFunc
	// begun by this read; mixed is set when another one's names came to it.
	by      *read
	mixed   bool
	waiting int

	done    chan struct{} // closed when what follows is set
	found   []awsapi.Parameter
	invalid []string
	err     error
}

// read is what one task wants of one region.
type read struct {
	source source
	keys   awsclient.CredentialsProvider
	names  []string // distinct

	values  map[string]string
	invalid []string
	errs    []error
}

// do makes the read. When ctx ends it returns at once, and calls that nobody waits for any more end before.
func (r *reader) do(ctx context.Context, want *read) {
	want.values = map[string]string{}
	calls := r.join(ctx, want)
	var alone []string
	for _, c := range calls {
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
		names := want.of(c)
		if c.err != nil && (c.by != want || c.mixed) && definite(c.err) {
			alone = append(alone, names...) // another task's name, or its credentials, may be to blame
			continue
		}
		want.take(names, c.found, c.invalid, c.err)
	}
	r.readAlone(ctx, want, alone)
}

// of are the names that a call reads for this read.
func (w *read) of(c *call) []string {
	var names []string
	for _, name := range w.names {
		if slices.Contains(c.names, name) {
			names = append(names, name)
		}
	}
	return names
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
func (r *reader) join(ctx context.Context, want *read) []*call {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pools == nil {
		r.pools = map[source]*pool{}
	}
	p := r.pools[want.source]
	if p == nil {
		p = &pool{byName: map[string]*call{}}
		r.pools[want.source] = p
	}
	p.last = time.Now()
	var calls []*call
	for _, name := range want.names {
		c := p.byName[name]
		if c == nil {
			c = r.add(ctx, p, want, name)
		}
		if !slices.Contains(calls, c) {
			c.waiting++
			calls = append(calls, c)
		}
	}
	return calls
}

// add puts a name into the open call.
func (r *reader) add(ctx context.Context, p *pool, want *read, name string) *call {
	c := p.open
	if c == nil {
		workCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		c = &call{source: want.source, keys: want.keys, by: want, full: make(chan struct{}), done: make(chan struct{}), cancel: cancel}
		p.open = c
		go r.run(workCtx, c)
	}
	c.mixed = c.mixed || c.by != want
	c.names = append(c.names, name)
	p.byName[name] = c
	if len(c.names) == awsapi.MaxParameters {
		p.open = nil
		close(c.full)
	}
	return c
}

// run makes a call once it is full or has waited long enough.
func (r *reader) run(ctx context.Context, c *call) {
	defer close(c.done)
	defer c.cancel()
	aging := time.AfterFunc(shareFor, func() { r.retire(c) }) // also while it hangs
	r.gather(ctx, c)
	c.found, c.invalid, c.err = r.services.Parameters(ctx, c.source.region, c.keys, c.names)
	if c.err != nil {
		aging.Stop()
		r.retire(c)
	}
}

// gather waits until the call is full or no more tasks come.
func (r *reader) gather(ctx context.Context, c *call) {
	end := time.Now().Add(gatherMost)
	for {
		pause, open := r.pause(c, end)
		if !open {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-c.full:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// pause is how long the call may wait on; when that is over it takes no more names.
func (r *reader) pause(c *call, end time.Time) (pause time.Duration, open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pools[c.source]
	if p == nil || p.open != c {
		return 0, false // full, or nobody waits any more
	}
	next := p.last.Add(gatherFor)
	if next.After(end) {
		next = end
	}
	if pause = time.Until(next); pause <= 0 {
		p.open = nil
		return 0, false
	}
	return pause, true
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
		c.cancel()
		r.retireLocked(c)
		return true
	}
}

// retire lets nobody join a call any more. Its values are held by those who wait alone.
func (r *reader) retire(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retireLocked(c)
}

func (r *reader) retireLocked(c *call) {
	p := r.pools[c.source]
	if p == nil {
		return
	}
	if p.open == c {
		p.open = nil
	}
	for _, name := range c.names {
		if p.byName[name] == c {
			delete(p.byName, name)
		}
	}
	if len(p.byName) == 0 {
		delete(r.pools, c.source)
	}
}

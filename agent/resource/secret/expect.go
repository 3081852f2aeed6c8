package secret

import (
	"slices"
	"time"
)

// expectFor is how long after it was accepted a task is expected to come for its parameters. One that takes longer, because
// it waits for room on the host, reads them when it comes.
const expectFor = 10 * time.Second

// expectation is a task that was accepted and has not come for its parameters.
type expectation struct {
	task     string // ARN
	names    []string
	received time.Time
	timer    *time.Timer
}

// expect notes what a task that was just accepted will want.
func (r *reader) expect(want *read) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pool(want.source)
	if p.expectation(want.task) != nil {
		return
	}
	e := &expectation{task: want.task, names: want.names, received: want.received}
	e.timer = time.AfterFunc(expectFor, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.fulfil(p, e)
		r.dropIfIdle(p)
	})
	p.expected = append(p.expected, e)
}

// fulfil drops an expectation, and with it what was read and held for that task alone.
func (r *reader) fulfil(p *pool, e *expectation) {
	e.timer.Stop()
	p.expected = slices.DeleteFunc(p.expected, func(other *expectation) bool { return other == e })
	for _, name := range e.names {
		if c := p.byName[name]; c != nil && c.aged() && !p.expects(name) {
			delete(p.byName, name)
		}
	}
}

// disappoint drops the expectations that a failed call was to serve: what one task may not read would fail the others' calls
// again and again.
func (r *reader) disappoint(c *call) {
	for _, e := range slices.Clone(c.pool.expected) {
		if slices.ContainsFunc(e.names, func(name string) bool { return slices.Contains(c.names, name) }) {
			r.fulfil(c.pool, e)
		}
	}
}

// fill gives the open call what accepted tasks will want, as far as there is room.
func (r *reader) fill(p *pool) {
	for _, e := range p.expected {
		for _, name := range e.names {
			if p.open == nil {
				return
			}
			if c := p.byName[name]; c == nil || !c.serves(e.received) {
				r.put(p, name, true)
			}
		}
	}
}

func (p *pool) expectation(task string) *expectation {
	i := slices.IndexFunc(p.expected, func(e *expectation) bool { return e.task == task })
	if i < 0 {
		return nil
	}
	return p.expected[i]
}

// expects reports whether an accepted task will want a name.
func (p *pool) expects(name string) bool {
	return slices.ContainsFunc(p.expected, func(e *expectation) bool { return slices.Contains(e.names, name) })
}

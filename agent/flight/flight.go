// Package flight shares work: callers that want the same thing at the same time wait for one piece of it.
package flight

import (
	"context"
	"sync"
)

// Group is work of one kind, told apart by keys. A piece of work goes on while at least one caller waits for it: one that
// gives up does not cancel the others. The zero value is ready to use.
type Group[T any] struct {
	mu    sync.Mutex
	byKey map[string]*flight[T]
}

type flight[T any] struct {
	waiting int
	cancel  context.CancelFunc
	done    chan struct{} // closed when result and err are set
	result  T
	err     error
}

// Do joins the work under way for key, or starts it. When ctx ends first its error is given back; the last one to give
// up waits until the work, whose context is then cancelled, has ended.
func (g *Group[T]) Do(ctx context.Context, key string, work func(context.Context) (T, error)) (T, error) {
	fl := g.join(ctx, key, work)
	select {
	case <-fl.done:
		g.leave(key, fl)
		return fl.result, fl.err
	case <-ctx.Done():
		if g.leave(key, fl) {
			<-fl.done
		}
		var nothing T
		return nothing, ctx.Err()
	}
}

func (g *Group[T]) join(ctx context.Context, key string, work func(context.Context) (T, error)) *flight[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fl, ok := g.byKey[key]; ok {
		fl.waiting++
		return fl
	}
	workCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight[T]{waiting: 1, cancel: cancel, done: make(chan struct{})}
	if g.byKey == nil {
		g.byKey = map[string]*flight[T]{}
	}
	g.byKey[key] = fl
	go func() {
		defer close(fl.done)
		fl.result, fl.err = work(workCtx)
		g.forget(key, fl)
	}()
	return fl
}

// leave reports whether the caller was the last one.
func (g *Group[T]) leave(key string, fl *flight[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	fl.waiting--
	if fl.waiting > 0 {
		return false
	}
	g.forgetLocked(key, fl)
	fl.cancel()
	return true
}

func (g *Group[T]) forget(key string, fl *flight[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgetLocked(key, fl)
}

// forgetLocked makes the next caller start new work.
func (g *Group[T]) forgetLocked(key string, fl *flight[T]) {
	if g.byKey[key] == fl {
		delete(g.byKey, key)
	}
}

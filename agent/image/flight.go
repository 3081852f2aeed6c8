package image

import (
	"context"
	"sync"
)

// flights lets callers that want the same thing at the same time share one piece of work. The work goes on while at
// least one of them waits: one that gives up does not cancel the others.
type flights[T any] struct {
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

// do joins the work under way for key, or starts it. When ctx ends first its error is given back; the last one to give
// up waits until the work, whose context is then cancelled, has ended.
func (f *flights[T]) do(ctx context.Context, key string, work func(context.Context) (T, error)) (T, error) {
	fl := f.join(ctx, key, work)
	select {
	case <-fl.done:
		f.leave(key, fl)
		return fl.result, fl.err
	case <-ctx.Done():
		if f.leave(key, fl) {
			<-fl.done
		}
		var nothing T
		return nothing, ctx.Err()
	}
}

func (f *flights[T]) join(ctx context.Context, key string, work func(context.Context) (T, error)) *flight[T] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl, ok := f.byKey[key]; ok {
		fl.waiting++
		return fl
	}
	workCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight[T]{waiting: 1, cancel: cancel, done: make(chan struct{})}
	if f.byKey == nil {
		f.byKey = map[string]*flight[T]{}
	}
	f.byKey[key] = fl
	go func() {
		defer close(fl.done)
		fl.result, fl.err = work(workCtx)
		f.forget(key, fl)
	}()
	return fl
}

// leave reports whether the caller was the last one.
func (f *flights[T]) leave(key string, fl *flight[T]) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.waiting--
	if fl.waiting > 0 {
		return false
	}
	f.forgetLocked(key, fl)
	fl.cancel()
	return true
}

func (f *flights[T]) forget(key string, fl *flight[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetLocked(key, fl)
}

// forgetLocked makes the next caller start new work.
func (f *flights[T]) forgetLocked(key string, fl *flight[T]) {
	if f.byKey[key] == fl {
		delete(f.byKey, key)
	}
}

package turnstile

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallersTakeTurnsByArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(2, 0)
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				leave, err := turns.Enter(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer leave()
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Duration(1+i) * time.Second)
			})
			synctest.Wait()
		}
		if got := turns.State(); got != (State{Limit: 2, Running: 2, Waiting: 4}) {
			t.Errorf("%+v", got)
		}
		wg.Wait()
		if !slices.Equal(order, []int{0, 1, 2, 3, 4, 5}) {
			t.Errorf("order %v", order)
		}
		if got := turns.State(); got != (State{Limit: 2}) {
			t.Errorf("left behind: %+v", got)
		}
	})
}

func TestWhatHangsHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(1, 10*time.Second)
		leave, _ := turns.Enter(t.Context())
		began := time.Now()
		next, err := turns.Enter(t.Context())
		if waited := time.Since(began); err != nil || waited != 10*time.Second {
			t.Errorf("%v after %s", err, waited)
		}
		leave() // at last; the slot was given back before
		if got := turns.State(); got.Running != 1 {
			t.Errorf("%+v", got)
		}
		next()
		next()
		if got := turns.State(); got.Running != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestOneThatGivesUpTakesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(1, 0)
		leave, _ := turns.Enter(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := turns.Enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		leave()
		if leave, err := turns.Enter(t.Context()); err != nil {
			t.Error(err)
		} else {
			leave()
		}
	})
}

func TestWithoutALimitNobodyWaits(t *testing.T) {
	turns := New(0, time.Minute)
	for range 100 {
		if _, err := turns.Enter(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if got := turns.State(); got != (State{Running: 100}) {
		t.Errorf("%+v", got)
	}
}

package flight

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFlightsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[int]
		started := 0
		work := func(context.Context) (int, error) {
			started++
			time.Sleep(time.Minute)
			return started, nil
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if n, err := g.Do(t.Context(), "key", work); n != 1 || err != nil {
					t.Errorf("%d, %v", n, err)
				}
			})
		}
		wg.Wait()
		if n, err := g.Do(t.Context(), "key", work); n != 2 || err != nil || len(g.byKey) > 0 {
			t.Errorf("later: %d, %v, %d left", n, err, len(g.byKey))
		}
	})
}

func TestOneThatGivesUpDoesNotCancelTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[int]
		ctx, cancel := context.WithCancel(t.Context())
		work := func(ctx context.Context) (int, error) {
			select {
			case <-time.After(time.Minute):
				return 7, nil
			case <-ctx.Done():
				return 0, errors.New("cancelled")
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() { // starts it
			if _, err := g.Do(ctx, "key", work); !errors.Is(err, context.Canceled) {
				t.Errorf("the one that gave up: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if n, err := g.Do(t.Context(), "key", work); n != 7 || err != nil {
				t.Errorf("the other one: %d, %v", n, err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
	})
}

func TestTheLastToGiveUpCancelsAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[int]
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := false
		_, err := g.Do(ctx, "key", func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return 0, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || !ended || len(g.byKey) > 0 {
			t.Errorf("error %v, ended %v, %d left", err, ended, len(g.byKey))
		}
	})
}

// TestFlightsUnderLoad joins and leaves at random moments; the race detector and goleak do the checking.
func TestFlightsUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[int]
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				time.Sleep(time.Duration(i%17) * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%13)*time.Millisecond)
				defer cancel()
				n, err := g.Do(ctx, "key", func(ctx context.Context) (int, error) {
					select {
					case <-time.After(6500 * time.Microsecond):
						return 1, nil
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				})
				if err == nil && n != 1 || err != nil && ctx.Err() == nil {
					t.Errorf("%d, %v though nobody cancelled", n, err)
				}
			})
		}
		wg.Wait()
		if len(g.byKey) > 0 {
			t.Errorf("%d left", len(g.byKey))
		}
	})
}

package backoff

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestPausesGrow(t *testing.T) {
	p := Policy{First: time.Second, Longest: 5 * time.Second, Factor: 1.5}.Start()
	for round := range 2 {
		for n, want := range []float64{1, 1.5, 2.25, 3.375, 5, 5} {
			if got := p.Next().Seconds(); got != want || p.Failures != n+1 {
				t.Errorf("round %d: pause %d is %v s, want %v s", round, p.Failures, got, want)
			}
		}
		p.Reset()
	}
}

func TestJitterStaysInItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := Policy{
			First: time.Duration(rapid.Int64Range(1, 1e10).Draw(t, "first")), Longest: time.Duration(rapid.Int64Range(1e10, 1e12).Draw(t, "longest")),
			Factor: rapid.Float64Range(1, 4).Draw(t, "factor"), Jitter: rapid.Float64Range(0, 1).Draw(t, "jitter"),
		}
		varied, plain := policy.Start(), Policy{First: policy.First, Longest: policy.Longest, Factor: policy.Factor}.Start()
		for range 50 {
			got, base := varied.Next(), plain.Next()
			if got < base || got > base+time.Duration(policy.Jitter*float64(base)) {
				t.Fatalf("%v for a base of %v", got, base)
			}
		}
	})
	seen := map[time.Duration]bool{}
	for range 50 {
		seen[jittered(time.Second, 0.2)] = true
	}
	if len(seen) < 2 {
		t.Error("no jitter")
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := Sleep(t.Context(), time.Hour); err != nil || time.Since(began) != time.Hour {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		why := errors.New("the agent is ending")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(why) })
		began = time.Now()
		pauses := Policy{First: time.Hour, Longest: time.Hour, Factor: 1}.Start()
		if err := pauses.Sleep(ctx); err != why || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := Sleep(ctx, 0); err != why {
			t.Errorf("no pause after the end: %v", err)
		}
		if err := Sleep(t.Context(), 0); err != nil {
			t.Errorf("no pause: %v", err)
		}
	})
}

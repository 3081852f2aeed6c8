package supervise

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run is one life of the fake agent.
type run struct {
	code int
	err  error
	last time.Duration
}

// fakeAgent lives its lives one after the other. It is also its images.
type fakeAgent struct {
	t          *testing.T
	runs       []run
	started    []time.Time
	ended      []time.Time
	calls      []string
	removeErr  error
	upgradeErr error
	trial      bool
	stopped    bool
}

func (a *fakeAgent) Remove(context.Context) error { return a.removeErr }

func (a *fakeAgent) Run(ctx context.Context) (int, error) {
	if len(a.runs) == 0 {
		a.t.Fatal("started too often")
	}
	next := a.runs[0]
	a.runs = a.runs[1:]
	a.started = append(a.started, time.Now())
	defer func() { a.ended = append(a.ended, time.Now()) }()
	select {
	case <-time.After(next.last):
		return next.code, next.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (a *fakeAgent) LogTail(context.Context) (string, error) {
	a.calls = append(a.calls, "tail")
	return "panic: x", nil
}

func (a *fakeAgent) Stop(ctx context.Context) error {
	a.stopped = true
	return ctx.Err()
}

func (a *fakeAgent) Upgrade(context.Context) error {
	a.calls = append(a.calls, "upgrade")
	if a.upgradeErr == nil {
		a.trial = true
	}
	return a.upgradeErr
}

func (a *fakeAgent) OnTrial(context.Context) bool { return a.trial }

func (a *fakeAgent) Keep(context.Context) {
	if a.trial {
		a.calls = append(a.calls, "keep")
	}
	a.trial = false
}

func (a *fakeAgent) FallBack(context.Context) error {
	a.calls = append(a.calls, "fall back")
	a.trial = false
	return nil
}

// pauses between the end of a life and the next start, in milliseconds, without what is added at random.
func (a *fakeAgent) pauses() []int {
	var list []int
	for i := 1; i < len(a.started); i++ {
		pause := a.started[i].Sub(a.ended[i-1])
		base := 0
		for _, b := range []int{500, 1000, 2000, 4000, 8000, 15000} {
			if d := time.Duration(b) * time.Millisecond; pause >= d && pause <= d+d/10 {
				base = b
			}
		}
		if base == 0 && pause != 0 {
			a.t.Errorf("pause %s is none of the specified ones", pause)
		}
		list = append(list, base)
	}
	return list
}

func codes(codes ...int) []run {
	runs := make([]run, len(codes))
	for i, code := range codes {
		runs[i] = run{code: code, last: time.Second}
	}
	return runs
}

func TestExitCodes(t *testing.T) {
	long := []int{1, 1, 1, 1, 1, 1, 1, 1, 0}
	cases := []struct {
		name       string
		runs       []run
		upgradeErr error
		code       int
		pauses     []int
		calls      []string
	}{
		{"a graceful end is the end", codes(0), nil, 0, nil, nil},
		{"failures are followed by longer and longer pauses", codes(long...), nil, 0, []int{500, 1000, 2000, 4000, 8000, 15000, 15000, 15000}, []string{"tail"}},
		{"a terminal end after failures", codes(1, 1, 1, 5), nil, 5, []int{500, 1000, 2000}, []string{"tail"}},
		{"a crash shows the log each time", codes(2, 2, 0), nil, 0, []int{500, 1000}, []string{"tail", "tail"}},
		{"a killed agent", codes(137, 0), nil, 0, []int{500}, []string{"tail"}},
		{"a change of the code shows the log again", codes(1, 137, 1, 1, 0), nil, 0, []int{500, 1000, 2000, 4000}, []string{"tail", "tail", "tail"}},
		{"an update starts at once", codes(42, 0), nil, 0, []int{0}, []string{"upgrade"}},
		{"an update leaves the back-off as it is", codes(1, 42, 1, 0), nil, 0, []int{500, 0, 1000}, []string{"tail", "upgrade", "tail"}},
		{"an update that fails is a failure", codes(42, 0), errors.New("no desired-image"), 0, []int{500}, []string{"upgrade"}},
		{"a stable run ends the series", []run{{1, nil, time.Second}, {1, nil, time.Second}, {1, nil, time.Hour}, {1, nil, time.Second}, {0, nil, 0}}, nil, 0,
			[]int{500, 1000, 500, 1000}, []string{"tail", "tail"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &fakeAgent{t: t, runs: c.runs, upgradeErr: c.upgradeErr}
				code, err := Run(t.Context(), a, a)
				if code != c.code || err != nil {
					t.Errorf("code %d, error %v", code, err)
				}
				if got := a.pauses(); !slices.Equal(got, c.pauses) {
					t.Errorf("pauses %v, want %v", got, c.pauses)
				}
				if !slices.Equal(a.calls, c.calls) {
					t.Errorf("calls %v, want %v", a.calls, c.calls)
				}
			})
		})
	}
}

func TestWhatCannotStartEndsTheSupervision(t *testing.T) {
	boom := errors.New("boom")
	a := &fakeAgent{t: t, removeErr: boom}
	if _, err := Run(t.Context(), a, a); !errors.Is(err, boom) || err.Error() != "could not remove existing Agent container: boom" {
		t.Errorf("%v", err)
	}
	a = &fakeAgent{t: t, runs: []run{{err: boom}}}
	if _, err := Run(t.Context(), a, a); !errors.Is(err, boom) || err.Error() != "could not start Agent: boom" {
		t.Errorf("%v", err)
	}
}

func TestAnUpdateOnTrial(t *testing.T) {
	boom := errors.New("exec format error")
	cases := []struct {
		name  string
		runs  []run
		calls []string
	}{
		{"is undone after five failures in a row", codes(42, 1, 1, 1, 1, 1, 0), []string{"upgrade", "tail", "fall back"}},
		{"is undone when its container does not even start", []run{{42, nil, 0}, {err: boom}, {err: boom}, {err: boom}, {err: boom}, {err: boom}, {0, nil, 0}},
			[]string{"upgrade", "fall back"}},
		{"is kept after fewer failures and a long run", []run{{42, nil, 0}, {1, nil, 0}, {1, nil, 0}, {1, nil, 0}, {1, nil, 0}, {1, nil, 6 * time.Minute}, {1, nil, 0}, {0, nil, 0}},
			[]string{"upgrade", "tail", "keep", "tail"}},
		{"is kept as soon as it ran for five minutes", []run{{42, nil, 0}, {0, nil, 5*time.Minute + 1}}, []string{"upgrade", "keep"}},
		{"counts anew after another update", codes(42, 1, 1, 1, 1, 42, 1, 1, 1, 1, 0), []string{"upgrade", "tail", "upgrade", "tail"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &fakeAgent{t: t, runs: c.runs}
				if code, err := Run(t.Context(), a, a); code != 0 || err != nil {
					t.Errorf("code %d, error %v", code, err)
				}
				if !slices.Equal(a.calls, c.calls) {
					t.Errorf("calls %v, want %v", a.calls, c.calls)
				}
			})
		})
	}
}

func TestFailuresOfAnImageThatIsNotOnTrialNeverEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &fakeAgent{t: t, runs: append(codes(slices.Repeat([]int{1}, 1000)...), codes(0)...)}
		if code, err := Run(t.Context(), a, a); code != 0 || err != nil {
			t.Errorf("code %d, error %v", code, err)
		}
		if slices.Contains(a.calls, "fall back") {
			t.Error("fell back")
		}
	})
}

func TestTheEndOfTheContextStopsTheAgent(t *testing.T) {
	for name, runs := range map[string][]run{
		"while it runs":  {{0, nil, time.Hour}},
		"during a pause": append(codes(1, 1, 1, 1, 1, 1), run{0, nil, time.Hour}),
		"before it does": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if runs == nil {
					cancel()
					runs = []run{{0, context.Canceled, 0}}
				}
				a := &fakeAgent{t: t, runs: runs}
				code, err := Run(ctx, a, a)
				if code != 0 || err != nil || !a.stopped {
					t.Errorf("code %d, error %v, stopped %t", code, err, a.stopped)
				}
			})
		})
	}
}

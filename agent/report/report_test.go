package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a little engine: it keeps tasks, tells the reporter of changes and takes acknowledgements over.
type host struct {
	r *Reporter

	mu    sync.Mutex
	tasks map[string]*task.Task
}

func newHost(r *Reporter) *host { return &host{r: r, tasks: map[string]*task.Task{}} }

func (h *host) Task(arn string) (*task.Task, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, known := h.tasks[arn]
	return t, known
}

func (h *host) Acknowledge(arn string, sent task.Status, containers map[string]task.ContainerStatus) {
	h.change(arn, func(t *task.Task) {
		t.Sent = max(t.Sent, sent)
		for i, c := range t.Containers {
			if s := containers[c.Name]; s > c.Sent {
				t.Edit(i).Sent = s
			}
		}
	})
}

// change replaces the snapshot of a task.
func (h *host) change(arn string, edit func(t *task.Task)) *task.Task {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, known := h.tasks[arn]
	if !known {
		t = &task.Task{ARN: arn}
	}
	t = t.Clone()
	edit(t)
	h.tasks[arn] = t
	return t
}

func (h *host) add(arn string, containers ...string) {
	h.change(arn, func(t *task.Task) {
		for _, name := range containers {
			t.Containers = append(t.Containers, &task.Container{Name: name, TaskARN: arn})
		}
	})
}

func (h *host) container(arn, name string, known task.ContainerStatus) {
	t := h.change(arn, func(t *task.Task) { t.Edit(t.Index(name)).Known = known })
	c, _ := t.Container(name)
	h.r.ContainerChanged(t, c)
}

func (h *host) task(arn string, known task.Status, reason string) {
	h.r.TaskChanged(h.change(arn, func(t *task.Task) { t.Known = known }), reason)
}

func (h *host) forget(arn string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tasks, arn)
}

// backend is ECS: it notes what it is sent and answers as told.
type backend struct {
	answer func(n int, change ecsapi.TaskStateChange) error
	took   time.Duration

	mu       sync.Mutex
	calls    []string // "task STATUS reason [container=STATUS …]", also refused ones
	at       []time.Duration
	start    time.Time
	inFlight int
	perTask  map[string]int
	most     int
	overlap  bool
}

func (b *backend) SubmitTaskStateChange(ctx context.Context, change ecsapi.TaskStateChange) error {
	b.mu.Lock()
	if b.perTask == nil {
		b.perTask = map[string]int{}
	}
	n := len(b.calls)
	b.calls = append(b.calls, describe(change))
	b.at = append(b.at, time.Since(b.start))
	b.inFlight++
	b.most = max(b.most, b.inFlight)
	b.perTask[change.TaskARN]++
	b.overlap = b.overlap || b.perTask[change.TaskARN] > 1
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.inFlight--
		b.perTask[change.TaskARN]--
	}()
	if b.took > 0 {
		select {
		case <-time.After(b.took):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if b.answer == nil {
		return nil
	}
	return b.answer(n, change)
}

func (b *backend) seen() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.calls...)
}

func describe(change ecsapi.TaskStateChange) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s", change.TaskARN, change.Status)
	if change.Reason != "" {
		fmt.Fprintf(&s, " (%s)", change.Reason)
	}
	for _, c := range change.Containers {
		fmt.Fprintf(&s, " %s=%s", c.Name, c.Status)
	}
	return s.String()
}

func apiError(code string) error {
	return &ecsapi.Error{APIError: &awsclient.APIError{Operation: "SubmitTaskStateChange", Code: code, Message: "because", Status: 400}}
}

// scene runs a reporter against a backend in fake time; play is over when the reporter has ended.
func scene(t *testing.T, b *backend, play func(h *host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b.start = time.Now()
		r := New(b)
		h := newHost(r)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx, "cluster", h) }()
		play(h)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if b.overlap {
			t.Error("two submissions of one task at once")
		}
	})
}

func wantCalls(t *testing.T, b *backend, want ...string) {
	t.Helper()
	if got := strings.Join(b.seen(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("calls:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

func TestContainerChangesGoWithTheTask(t *testing.T) {
	b := &backend{}
	scene(t, b, func(h *host) {
		h.add("t1", "web", "side")
		h.container("t1", "web", task.ContainerRunning)
		h.container("t1", "side", task.ContainerRunning)
		synctest.Wait()
		wantCalls(t, b)
		h.task("t1", task.Running, "")
		synctest.Wait()
		wantCalls(t, b, "t1 RUNNING web=RUNNING side=RUNNING")
		if got, _ := h.Task("t1"); got.Sent != task.Running || got.Containers[0].Sent != task.ContainerRunning {
			t.Errorf("not acknowledged: %v", got.Sent)
		}
		h.container("t1", "web", task.ContainerStopped)
		h.container("t1", "side", task.ContainerStopped)
		h.task("t1", task.Stopped, "essential container exited")
		synctest.Wait()
		wantCalls(t, b, "t1 RUNNING web=RUNNING side=RUNNING", "t1 STOPPED (essential container exited) web=STOPPED side=STOPPED")
		if s := h.r.Stats(); s.Submitted != 2 || s.Pending != 0 || s.Batched != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestDrainReportsContainersOfATaskThatGoesOn(t *testing.T) {
	b := &backend{}
	scene(t, b, func(h *host) {
		h.add("t1", "first", "second")
		h.change("t1", func(t *task.Task) { t.Known = task.Created })
		h.container("t1", "first", task.ContainerRunning)
		time.Sleep(30*time.Second + time.Nanosecond)
		synctest.Wait()
		wantCalls(t, b, "t1 CREATED first=RUNNING")
		if got, _ := h.Task("t1"); got.Sent != task.Created || got.Containers[0].Sent != task.ContainerRunning {
			t.Errorf("not acknowledged: %v", got.Sent)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(h.r.lines) != 0 {
			t.Errorf("%d lines left", len(h.r.lines))
		}
	})
}

func TestDrainLeavesStoppedTasksAlone(t *testing.T) {
	b := &backend{}
	scene(t, b, func(h *host) {
		h.add("t1", "c")
		h.change("t1", func(t *task.Task) { t.Known, t.Sent = task.Stopped, task.Stopped })
		h.container("t1", "c", task.ContainerStopped)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		wantCalls(t, b)
		if len(h.r.lines) != 0 {
			t.Errorf("%d lines left", len(h.r.lines))
		}
	})
}

func TestRepeatsAreReportedOnce(t *testing.T) {
	b := &backend{took: time.Second}
	scene(t, b, func(h *host) {
		h.add("t1", "c")
		for range 3 {
			h.container("t1", "c", task.ContainerRunning)
			h.task("t1", task.Running, "")
		}
		synctest.Wait()
		h.container("t1", "c", task.ContainerRunning)
		h.task("t1", task.Running, "")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		wantCalls(t, b, "t1 RUNNING c=RUNNING")
	})
}

func TestInternalIsNotReported(t *testing.T) {
	b := &backend{}
	scene(t, b, func(h *host) {
		h.add("t1", "pause")
		h.change("t1", func(t *task.Task) { t.Edit(0).Type = task.CNIPause })
		h.container("t1", "pause", task.ContainerRunning)
		h.add("t2", "daemon")
		h.change("t2", func(t *task.Task) { t.Internal = true })
		h.container("t2", "daemon", task.ContainerRunning)
		h.task("t2", task.Running, "")
		h.add("t3", "")
		h.container("t3", "", task.ContainerRunning)
		time.Sleep(time.Minute)
		wantCalls(t, b)
	})
}

func TestTransientErrorsAreRetriedInOrder(t *testing.T) {
	failures := 16
	b := &backend{answer: func(n int, _ ecsapi.TaskStateChange) error {
		if n < failures {
			return errors.New("connection refused")
		}
		return nil
	}}
	scene(t, b, func(h *host) {
		h.add("t1", "c")
		h.container("t1", "c", task.ContainerRunning)
		h.task("t1", task.Running, "")
		time.Sleep(5 * time.Second)
		h.container("t1", "c", task.ContainerStopped)
		h.task("t1", task.Stopped, "")
		time.Sleep(time.Hour)
		synctest.Wait()
		calls := b.seen()
		if len(calls) != failures+2 || calls[failures] != "t1 RUNNING c=RUNNING" || calls[failures+1] != "t1 STOPPED c=STOPPED" {
			t.Fatalf("calls %q", calls)
		}
		least := time.Second
		for n := 1; n <= failures; n++ {
			pause := b.at[n] - b.at[n-1]
			if pause < least || pause > least*12/10+time.Microsecond {
				t.Errorf("pause %d was %v, want %v and up to 20%% more", n, pause, least)
			}
			least = min(time.Duration(float64(least)*1.3), 30*time.Second)
		}
		if b.at[failures+1] != b.at[failures] {
			t.Error("the pause was not reset by the success")
		}
		if s := h.r.Stats(); s.Retried != uint64(failures) || s.Submitted != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestInvalidParameterIsDropped(t *testing.T) {
	b := &backend{answer: func(n int, _ ecsapi.TaskStateChange) error {
		if n == 0 {
			return apiError("InvalidParameterException")
		}
		return nil
	}}
	scene(t, b, func(h *host) {
		h.add("t1", "c")
		h.task("t1", task.Running, "")
		h.task("t1", task.Stopped, "")
		synctest.Wait()
		wantCalls(t, b, "t1 RUNNING")
		if got, _ := h.Task("t1"); got.Sent != task.None {
			t.Errorf("sent %v", got.Sent)
		}
		time.Sleep(1200 * time.Millisecond)
		synctest.Wait()
		wantCalls(t, b, "t1 RUNNING", "t1 STOPPED")
	})
}

func TestRefusedChangeIsKeptUntilANewerOneTakesItsPlace(t *testing.T) {
	b := &backend{answer: func(_ int, c ecsapi.TaskStateChange) error {
		if c.Status == "RUNNING" {
			return apiError("ClientException")
		}
		return nil
	}}
	scene(t, b, func(h *host) {
		h.add("t1", "c")
		h.container("t1", "c", task.ContainerRunning)
		h.task("t1", task.Running, "")
		time.Sleep(90 * time.Second)
		synctest.Wait()
		wantCalls(t, b, "t1 RUNNING c=RUNNING", "t1 RUNNING c=RUNNING")
		if s := h.r.Stats(); s.Parked != 1 {
			t.Errorf("stats %+v", s)
		}
		h.container("t1", "c", task.ContainerStopped)
		h.task("t1", task.Stopped, "")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		wantCalls(t, b, "t1 RUNNING c=RUNNING", "t1 RUNNING c=RUNNING", "t1 RUNNING c=RUNNING", "t1 STOPPED c=RUNNING c=STOPPED")
	})
}

func TestDeniedAccessIsWaitedFor(t *testing.T) {
	var allowed atomic.Bool
	b := &backend{answer: func(int, ecsapi.TaskStateChange) error {
		if !allowed.Load() {
			return apiError("AccessDeniedException")
		}
		return nil
	}}
	scene(t, b, func(h *host) {
		h.add("t1", "c")
		h.task("t1", task.Running, "")
		synctest.Wait()
		h.task("t1", task.Stopped, "")
		time.Sleep(59 * time.Second)
		synctest.Wait()
		wantCalls(t, b, "t1 RUNNING")
		allowed.Store(true)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		wantCalls(t, b, "t1 RUNNING", "t1 RUNNING", "t1 STOPPED")
	})
}

func TestConcurrencyIsBoundedAndSlotsAreFreeWhileWaiting(t *testing.T) {
	b := &backend{took: 100 * time.Millisecond, answer: func(_ int, c ecsapi.TaskStateChange) error {
		if strings.HasPrefix(c.TaskARN, "bad") {
			return errors.New("unavailable")
		}
		return nil
	}}
	scene(t, b, func(h *host) {
		for i := range 30 {
			h.add(fmt.Sprint("bad", i))
			h.task(fmt.Sprint("bad", i), task.Running, "")
		}
		time.Sleep(350 * time.Millisecond)
		for i := range 30 {
			h.add(fmt.Sprint("good", i))
			h.task(fmt.Sprint("good", i), task.Running, "")
		}
		time.Sleep(350 * time.Millisecond)
		synctest.Wait()
		if b.most != maxInFlight {
			t.Errorf("%d in flight at most, want %d", b.most, maxInFlight)
		}
		if s := h.r.Stats(); s.Submitted != 30 {
			t.Errorf("30 failing tasks hold up the others: %+v", s)
		}
	})
}

func TestForgottenTaskIsDropped(t *testing.T) {
	b := &backend{answer: func(int, ecsapi.TaskStateChange) error { return errors.New("unavailable") }}
	scene(t, b, func(h *host) {
		h.add("t1", "c")
		h.task("t1", task.Stopped, "")
		synctest.Wait()
		h.forget("t1")
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(b.seen()) != 1 || len(h.r.lines) != 0 {
			t.Errorf("%d calls, %d lines left", len(b.seen()), len(h.r.lines))
		}
	})
}

// submitting runs a reporter up to the middle of a submission; end lets it end and waits for that.
func submitting(t *testing.T, b *backend) (h *host, end func()) {
	r := New(b)
	h = newHost(r)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx, "cluster", h) }()
	h.add("t1", "c")
	h.task("t1", task.Running, "")
	synctest.Wait()
	return h, func() {
		cancel()
		<-done
	}
}

func TestShutdownWaitsForECSAMomentOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{took: time.Hour}
		h, end := submitting(t, b)
		if s := h.r.Stats(); s.InFlight != 1 || s.Pending != 1 {
			t.Errorf("stats %+v", s)
		}
		asked := time.Now()
		end()
		if took := time.Since(asked); took != endGrace {
			t.Errorf("took %v", took)
		}
		if s := h.r.Stats(); s.InFlight != 0 || s.Pending != 1 || s.Retried != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestWhatECSAcceptsAtTheEndIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{took: endGrace / 2}
		h, end := submitting(t, b)
		end()
		if got, _ := h.Task("t1"); got.Sent != task.Running {
			t.Errorf("sent %v", got.Sent)
		}
	})
}

func TestChangesBeforeRunAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		r := New(b)
		h := newHost(r)
		h.add("t1", "c")
		h.container("t1", "c", task.ContainerStopped)
		h.task("t1", task.Stopped, "")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx, "cluster", h) }()
		synctest.Wait()
		cancel()
		<-done
		wantCalls(t, b, "t1 STOPPED c=STOPPED")
	})
}

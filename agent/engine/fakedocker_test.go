package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// fakeDocker is a container runtime in memory. Calls take (virtual) time, may fail, and may take effect although their
// caller is gone, as with a real daemon.
type fakeDocker struct {
	mu         sync.Mutex
	seed       uint64
	rng        *rand.Rand // for what the schedule does, never for calls
	nth        map[string]int
	containers map[string]*fakeContainer // by id
	watchers   map[chan task.RuntimeEvent]struct{}
	down       bool // every call fails, streams end
	calls      map[string]int
	failRate   float64
	lifetimes  map[string]lifetime // by container name; default: runs until stopped
	leases     map[string]int      // local addresses of tasks, by ARN
	violations []string
	hangs      map[string]hang // by kind: what the next call does
	removed    map[string]bool // by id: taken away behind the agent's back
}

// hang is a call that takes long and then fails, as the time limits of the real client make it. It may take effect all
// the same.
type hang struct {
	wait   time.Duration
	effect bool
}

type lifetime struct {
	runs time.Duration
	code int
}

type fakeContainer struct {
	id, name, arn, cname, cluster string
	status                        task.ContainerStatus
	code                          int
	starts                        int
	createdAt                     time.Time
	startedAt                     time.Time
	finishedAt                    time.Time
	run                           int // guards timers of former runs
	// emerging is set while Docker makes a container whose create call nobody waits for any more: it is in lists and its
	// name is taken, but there is nothing to look at yet.
	emerging  bool
	connected bool
	ports     []task.PortMapping
	checked   bool // has a health check
	health    task.HealthStatus
}

func newFakeDocker(seed uint64) *fakeDocker {
	return &fakeDocker{seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), nth: map[string]int{}, containers: map[string]*fakeContainer{}, watchers: map[chan task.RuntimeEvent]struct{}{},
		calls: map[string]int{}, lifetimes: map[string]lifetime{}, hangs: map[string]hang{}, removed: map[string]bool{}, leases: map[string]int{}}
}

//lint:ignore ST1005 Docker's text
var errDown = errors.New("Cannot connect to the Docker daemon at unix:///fake. Is the docker daemon running?")

// fate draws what happens to the nth call of a kind on a container. It depends on nothing but that and the seed, to the
// nanosecond, so that a schedule is the same however goroutines are interleaved.
func (d *fakeDocker) fate(kind, container string) (wait time.Duration, luck float64, orphaned bool) {
	d.calls[kind]++
	d.nth[kind+container]++
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %s %d", d.seed, kind, container, d.nth[kind+container])
	rng := rand.New(rand.NewPCG(d.seed, h.Sum64()))
	return time.Duration(rng.Int64N(int64(20 * time.Millisecond))), rng.Float64(), rng.IntN(2) == 0
}

// call waits as long as the daemon takes, decides whether it fails, and runs effect under the lock. When the caller is
// gone meanwhile the effect may happen all the same.
func (d *fakeDocker) call(ctx context.Context, kind, container, errName string, effect func() error) error {
	d.mu.Lock()
	wait, luck, orphaned := d.fate(kind, container)
	fails := luck < d.failRate && kind != "stop" // the real one tries five times
	hung, hangs := d.hangs[kind]
	if delete(d.hangs, kind); hangs {
		wait, orphaned = hung.wait, hung.effect
	}
	d.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		if orphaned {
			d.mu.Lock()
			defer d.mu.Unlock()
			if !d.down {
				_ = effect()
			}
		}
		return task.NewError(errName, ctx.Err())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.down:
		return task.NewError(errName, errDown)
	case hangs && kind != "stop": // a stop is tried again until it works
		if hung.effect {
			_ = effect()
		}
		return &task.Error{Name: task.ErrDockerTimeout, Message: "Could not transition; timed out after waiting"}
	case fails:
		return task.NewError(errName, errors.New("Error response from daemon: out of luck"))
	}
	if err := effect(); err != nil {
		return task.NewError(errName, err)
	}
	return nil
}

func (d *fakeDocker) Ping(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return errDown
	}
	return ctx.Err()
}

func (d *fakeDocker) List(ctx context.Context) (all []task.ContainerState, err error) {
	err = d.call(ctx, "list", "", task.ErrCannotListContainers, func() error {
		for _, f := range d.containers {
			s := f.state()
			s.Partial, s.ExitCode = true, nil
			all = append(all, *s)
		}
		return nil
	})
	return all, err
}

func (d *fakeDocker) Events(ctx context.Context, _ time.Time, listening func(), deliver func(task.RuntimeEvent)) error {
	d.mu.Lock()
	if d.down {
		d.mu.Unlock()
		return errDown
	}
	stream := make(chan task.RuntimeEvent, 1000)
	d.watchers[stream] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.watchers, stream)
		d.mu.Unlock()
	}()
	listening()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ev, open := <-stream:
			if !open {
				return errors.New("unexpected EOF")
			}
			deliver(ev)
		}
	}
}

func (d *fakeDocker) emit(id string, action task.RuntimeAction, code *int) {
	d.emitFor(d.containers[id], action, code)
}

func (d *fakeDocker) emitFor(f *fakeContainer, action task.RuntimeAction, code *int) {
	for w := range d.watchers {
		w <- task.RuntimeEvent{Action: action, RuntimeID: f.id, TaskARN: f.arn, Container: f.cname, ExitCode: code, Time: time.Now()}
	}
}

// setDown takes the daemon away; containers go with it unless they are kept alive. Coming back, streams are new.
func (d *fakeDocker) setDown(down, killContainers bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
	if !down {
		return
	}
	for w := range d.watchers {
		close(w)
		delete(d.watchers, w)
	}
	if killContainers {
		for _, f := range d.containers {
			if f.status == task.ContainerRunning {
				d.exitLocked(f, 137)
			}
		}
	}
}

// kill ends or removes a running container behind the agent's back.
func (d *fakeDocker) kill(remove bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var running []*fakeContainer
	for _, f := range d.containers {
		if f.status == task.ContainerRunning {
			running = append(running, f)
		}
	}
	if len(running) == 0 || d.down {
		return
	}
	slices.SortFunc(running, func(a, b *fakeContainer) int { return a.createdAt.Compare(b.createdAt)*2 + compare(a.name, b.name) })
	f := running[d.rng.IntN(len(running))]
	d.exitLocked(f, 137)
	if remove {
		d.removed[f.id] = true
		delete(d.containers, f.id)
		d.emitFor(f, task.ActionDestroy, nil)
	}
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

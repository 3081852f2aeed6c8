// Package report tells ECS how far tasks and containers have come (ECS API SubmitTaskStateChange).
//
//	engine ─ ContainerChanged, TaskChanged ─► one line per task ─► at most 10 submissions ─► ECS
//	   ▲                                                                     │
//	   └──────────────────────────── Acknowledge ◄───────────────────────────┘
//
// The engine never waits: what it says is put into memory. A task's line keeps the order of its reports and has at most
// one submission under way. Container changes gather in the line until a task change takes them along, or a timer does
// for tasks that go on running. What was accepted goes back to the engine, which keeps it on disk; after a restart it
// says again whatever ECS has not accepted. Nothing else of this package has to survive.
package report

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// maxInFlight bounds the submissions under way over all tasks. None of them is held while a task waits to try again.
const maxInFlight = 10

// Bounds of the random pause between two looks for container changes that no task change took along.
const (
	drainMin = 10 * time.Second
	drainMax = 30 * time.Second
)

// Submitter sends a state change to ECS. It bridges short disturbances itself; retrying for long is done here.
type Submitter interface {
	SubmitTaskStateChange(ctx context.Context, change ecsapi.TaskStateChange) error
}

// Tasks is what the reporter needs of the engine.
type Tasks interface {
	// Task gives the present snapshot of a task; false when it is not known (any more).
	Task(arn string) (*task.Task, bool)
	// Acknowledge notes what ECS has accepted.
	Acknowledge(arn string, sent task.Status, containers map[string]task.ContainerStatus)
}

// Reporter takes in what changes and submits it while it runs.
type Reporter struct {
	ecs  Submitter
	wake chan struct{} // a line may be ready, or a slot free

	mu       sync.Mutex
	lines    map[string]*line // by task ARN; only tasks with something left to say or to be acknowledged
	inFlight int
	counts   Stats
}

// New gives a reporter that takes in changes from now on and submits them once it runs.
func New(ecs Submitter) *Reporter {
	return &Reporter{ecs: ecs, wake: make(chan struct{}, 1), lines: map[string]*line{}}
}

// Stats are figures about the pipeline, for people.
type Stats struct {
	// Pending is the number of task changes not yet accepted; Batched that of container changes waiting for one.
	Pending, Batched int
	// InFlight is the number of submissions under way, Parked that of tasks whose change ECS refuses.
	InFlight, Parked int
	// Submitted counts accepted changes, Retried failed submissions that are repeated, Dropped changes given up because
	// they can never be accepted, Redundant changes that ECS knew already.
	Submitted, Retried, Dropped, Redundant uint64
}

// Stats gives the present figures.
func (r *Reporter) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.counts
	s.InFlight = r.inFlight
	for _, l := range r.lines {
		s.Pending += len(l.queue)
		s.Batched += len(l.batch)
		if l.parked {
			s.Parked++
		}
	}
	return s
}

// ContainerChanged takes in how far a container is. It goes to ECS with the next change of its task.
func (r *Reporter) ContainerChanged(t *task.Task, c *task.Container) {
	if t.Internal || c.Internal() {
		logger.Debug("should not send events for internal tasks or containers: "+c.Name, logger.F("taskARN", t.ARN))
		return
	}
	if c.Name == "" {
		logger.Error("Container without a name cannot be reported to ECS", logger.F("taskARN", t.ARN), logger.F("runtimeID", c.RuntimeID))
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lines[t.ARN]
	if !containerReportable(c, max(c.Sent, l.sentContainer(c.Name))) || l.has(c.Name, c.Known) {
		return
	}
	l = r.line(t.ARN)
	l.batch = append(l.batch, newContainerChange(c))
}

// TaskChanged takes in how far a task is, and why if the agent itself ended it.
func (r *Reporter) TaskChanged(t *task.Task, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !taskReportable(t, max(t.Sent, r.lines[t.ARN].sentTask())) {
		return
	}
	l := r.line(t.ARN)
	if l.add(newTaskChange(t, reason), time.Now()) {
		r.poke()
	}
}

// line gives the task's line, a new one if it has none. The caller holds the lock.
func (r *Reporter) line(arn string) *line {
	l, has := r.lines[arn]
	if !has {
		l = &line{arn: arn, pauses: submitRetry.Start(), acceptedContainers: map[string]task.ContainerStatus{}}
		r.lines[arn] = l
	}
	return l
}

// poke makes Run look at the lines.
func (r *Reporter) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run submits what was taken in, until ctx ends; what is not accepted by then the engine says again in its next run.
// cluster is the name or ARN as in use since registration.
func (r *Reporter) Run(ctx context.Context, cluster string, tasks Tasks) error {
	var senders sync.WaitGroup
	defer senders.Wait()
	drain := time.NewTimer(drainPause())
	defer drain.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		for {
			l, wait := r.take(time.Now())
			if l == nil {
				next.Reset(wait)
				break
			}
			senders.Go(func() { r.send(ctx, cluster, tasks, l) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-next.C:
		case <-drain.C:
			r.drain(tasks)
			drain.Reset(drainPause())
		}
	}
}

func drainPause() time.Duration { return drainMin + rand.N(drainMax-drainMin+1) }

// take hands out the line that has waited longest, if a slot is free. Otherwise it says how long until one is ready.
func (r *Reporter) take(now time.Time) (*line, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	const untilPoked = time.Hour
	if r.inFlight >= maxInFlight {
		return nil, untilPoked
	}
	var first *line
	for _, l := range r.lines {
		if len(l.queue) > 0 && !l.sending && (first == nil || l.due.Before(first.due)) {
			first = l
		}
	}
	switch {
	case first == nil:
		return nil, untilPoked
	case first.due.After(now):
		return nil, first.due.Sub(now)
	}
	first.sending, first.parked = true, false
	r.inFlight++
	return first, 0
}

// drain makes a task change of the container changes that no task change took along (a container that is not essential
// ended, the task goes on), and forgets lines that have nothing left to say.
func (r *Reporter) drain(tasks Tasks) {
	r.mu.Lock()
	arns := make([]string, 0, len(r.lines))
	for arn := range r.lines {
		arns = append(arns, arn)
	}
	r.mu.Unlock()
	for _, arn := range arns {
		t, known := tasks.Task(arn) // not under the lock: the engine's locks are its own business
		r.mu.Lock()
		r.drainLine(arn, t, known)
		r.mu.Unlock()
	}
}

func (r *Reporter) drainLine(arn string, t *task.Task, known bool) {
	l, has := r.lines[arn]
	switch {
	case !has || l.sending:
	case !known:
		delete(r.lines, arn)
	case len(l.queue) > 0:
		// What waits behind goes with the next change, or in the next round.
	case t.Known.Terminal():
		// The service takes no container changes once the task is STOPPED: they go with that change or not at all.
		if t.Sent.Terminal() {
			delete(r.lines, arn)
		}
	case len(l.batch) > 0:
		l.add(newTaskChange(t, ""), time.Now())
		r.poke()
	case l.acknowledgedBy(t):
		delete(r.lines, arn)
	}
}

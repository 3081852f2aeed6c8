package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// syncTimeout bounds the wait for a slow disk before what depends on it goes on all the same.
const syncTimeout = 10 * time.Second

// owner is the one goroutine that changes a task. Everything else posts events to it and reads its snapshot.
type owner struct {
	engine *Engine
	box    *mailbox
	snap   atomic.Pointer[task.Task]

	over chan struct{} // closed when the task is over or the agent ends
	// launched is set once the goroutine runs; guarded by the engine's lock.
	launched bool

	// pulls are the ways to give up image work in flight, by container name; of the owner's goroutine alone.
	pulls map[string]context.CancelFunc
	// fetches are the ways to give up what is being fetched for resources; of the owner's goroutine alone.
	fetches map[ResourceID]context.CancelFunc
	steps   sync.WaitGroup
}

func newOwner(e *Engine, t *task.Task) *owner {
	o := &owner{engine: e, box: newMailbox(), over: make(chan struct{}), pulls: map[string]context.CancelFunc{}, fetches: map[ResourceID]context.CancelFunc{}}
	o.snap.Store(t)
	return o
}

// run is the life of a task: from its acceptance (or the agent's start) to the end of its cleanup.
func (o *owner) run(ctx context.Context) {
	defer o.steps.Wait()
	defer close(o.over)
	o.announce()
	for {
		now := time.Now()
		t := o.snap.Load()
		steps, wake := Plan(t, now, o.engine.config.Rules)
		if len(steps) > 0 {
			o.take(Apply(t, Started{steps}, now, o.engine.config.Rules))
			for _, s := range steps {
				o.start(ctx, s)
			}
			continue
		}
		ev, ok := o.box.next(ctx, wake)
		if !ok {
			return
		}
		receipt, _ := ev.(receipted)
		if receipt.Event != nil {
			ev = receipt.Event
		}
		o.take(Apply(t, ev, time.Now(), o.engine.config.Rules))
		if _, accepted := ev.(Acknowledged); accepted {
			o.engine.store.Hurry() // a crash should not make the next run repeat it
		}
		if receipt.taken != nil {
			close(receipt.taken)
		}
		o.abandonPulls()
		o.abandonFetches()
		if o.snap.Load().Engine.Cleaned {
			o.engine.forget(o)
			return
		}
	}
}

// conclude applies what is left in the mailbox of an owner that has ended, as far as nothing has to follow from it.
func (o *owner) conclude() {
	for ev, has := o.box.take(); has; ev, has = o.box.take() {
		if accepted, ok := ev.(Acknowledged); ok {
			o.snap.Store(Apply(o.snap.Load(), accepted, time.Now(), o.engine.config.Rules).Task)
		}
	}
}

// receipted is an event whose sender waits until it was taken note of.
type receipted struct {
	Event
	taken chan struct{}
}

// announce reports where the task and its containers are; what ECS knows already is filtered by the sink.
func (o *owner) announce() {
	t := o.snap.Load()
	for _, c := range t.Containers {
		o.engine.sink.ContainerChanged(t, c)
	}
	reason := ""
	if t.Known.Terminal() {
		reason = t.TerminalReason
	}
	o.engine.sink.TaskChanged(t, reason)
}

// take makes the outcome of an event the present: readers see it, the disk gets it, ECS hears of it.
func (o *owner) take(out Outcome) {
	before := o.snap.Load()
	o.snap.Store(out.Task)
	o.engine.reindex(o, before, out.Task)
	if out.SaveTask {
		o.engine.store.SaveTask(out.Task)
	}
	for i := range out.SaveContainers {
		o.engine.store.SaveContainer(out.Task.Containers[i])
	}
	o.secure(out.Changes)
	for _, change := range out.Changes {
		logChange(change)
		if change.Container != nil {
			o.engine.sink.ContainerChanged(change.Task, change.Container)
			continue
		}
		if change.Task.Known.Terminal() {
			o.engine.released(change.Task)
		}
		o.engine.sink.TaskChanged(change.Task, change.Reason)
	}
}

// secure waits until a STOPPED is on disk before ECS hears of it: what never ran, or failed to start, could otherwise be
// started after a crash although ECS counts it as over. Everything else is found out again from the runtime.
func (o *owner) secure(changes []Change) {
	for _, change := range changes {
		if c := change.Container; c != nil && c.Known.Terminal() || c == nil && change.Task.Known.Terminal() {
			o.engine.sync("Cannot save the end of a container before reporting it", change.Task)
			return
		}
	}
}

// sync waits until what was saved is on disk, or the disk is too slow.
func (e *Engine) sync(failure string, t *task.Task) {
	ctx, cancel := context.WithTimeout(context.Background(), syncTimeout)
	defer cancel()
	if err := e.store.Sync(ctx); err != nil {
		logger.Error(failure, logger.F("taskARN", t.ARN), logger.Err(err))
	}
}

// start runs a step on a goroutine of its own; its result comes back as an event.
func (o *owner) start(ctx context.Context, s Step) {
	t := o.snap.Load()
	if s.Kind == RunContainer && (s.Step == task.StepResolveManifest || s.Step == task.StepPull) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		o.pulls[s.Container] = cancel
	}
	if s.Kind == CreateResource && t.Resources[t.Resources.Find(s.Resource.Kind, s.Resource.Name)].NeedsExecutionRole() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		o.fetches[s.Resource] = cancel
	}
	o.steps.Add(1)
	go func() {
		defer o.steps.Done()
		if ev := o.engine.perform(ctx, t, s); ev != nil {
			o.box.put(ev)
		}
	}()
}

// abandonPulls gives up image work for containers that have stopped, and forgets work that has ended.
func (o *owner) abandonPulls() {
	if len(o.pulls) == 0 {
		return
	}
	for _, c := range o.snap.Load().Containers {
		cancel, has := o.pulls[c.Name]
		if has && (c.Known == task.ContainerStopped || c.Engine.Step != task.StepResolveManifest && c.Engine.Step != task.StepPull) {
			cancel()
			delete(o.pulls, c.Name)
		}
	}
}

// abandonFetches gives up what a task that has to stop does not need any more, and forgets what has ended. Resources that
// are made on this host are made to the end: only then is it known what there is to clean up.
func (o *owner) abandonFetches() {
	t := o.snap.Load()
	for id, cancel := range o.fetches {
		if i := t.Resources.Find(id.Kind, id.Name); t.Desired.Terminal() || i < 0 || !t.Resources[i].InFlight {
			cancel()
			delete(o.fetches, id)
		}
	}
}

// logChange tells the story of a task, one line per change.
func logChange(change Change) {
	t, c := change.Task, change.Container
	if c == nil {
		fields := []logger.Field{logger.F("taskARN", t.ARN), logger.F("knownStatus", t.Known.String()), logger.F("desiredStatus", t.Desired.String())}
		if change.Reason != "" {
			fields = append(fields, logger.F("reason", change.Reason))
		}
		logger.Info("Task changed status", fields...)
		return
	}
	fields := []logger.Field{logger.F("taskARN", t.ARN), logger.F("containerName", c.Name), logger.F("runtimeID", c.RuntimeID),
		logger.F("knownStatus", c.Known.String()), logger.F("desiredStatus", c.Desired.String())}
	if c.Known.Terminal() && c.ExitCode != nil {
		fields = append(fields, logger.F("exitCode", *c.ExitCode))
	}
	if c.Known.Terminal() && c.Engine.NotRestarted != "" {
		fields = append(fields, logger.F("notRestarted", c.Engine.NotRestarted))
	}
	if c.Failure != nil {
		logger.Warn("Container changed status", append(fields, logger.F("reason", c.Failure.Reason()))...)
		return
	}
	logger.Info("Container changed status", fields...)
}

// perform does one step and returns the event that tells its result; nil when the agent is ending, since then the
// result is about the end and not about the task.
func (e *Engine) perform(ctx context.Context, t *task.Task, s Step) Event {
	switch s.Kind {
	case CleanTask:
		return e.clean(ctx, t)
	case CreateResource:
		r := t.Resources[t.Resources.Find(s.Resource.Kind, s.Resource.Name)]
		err := e.config.Resources.Create(ctx, t, &r)
		if e.ending() {
			return nil
		}
		return ResourceDone{Resource: s.Resource, Err: err, GivenUp: err != nil && ctx.Err() != nil}
	case ReleaseResources:
		e.config.Resources.Release(ctx, t)
		return Released{}
	case DisconnectTask:
		return e.disconnect(ctx, t)
	}
	c, _ := t.Container(s.Container)
	if s.Kind == InspectContainer {
		leave, err := e.inspects.Enter(ctx)
		if err != nil {
			return nil
		}
		defer leave()
		state, err := e.runtime.Inspect(ctx, c)
		if ended(ctx) {
			return nil
		}
		return Inspected{Container: c.Name, State: state, Err: err}
	}
	done := StepDone{Container: c.Name, Step: s.Step}
	switch s.Step {
	case task.StepResolveManifest:
		done.Manifest, done.Err = e.runtime.ResolveManifest(ctx, t, c)
	case task.StepPull:
		done.Pull, done.Err = e.runtime.Pull(ctx, t, c)
	case task.StepCreate:
		done.Create, done.Err = e.runtime.Create(ctx, t, c)
	case task.StepRestart:
		logRestart(t, c)
		done.State, done.Err = e.startContainer(ctx, t, c)
	case task.StepStart:
		done.State, done.Err = e.startContainer(ctx, t, c)
	case task.StepProvision:
		// What is set up now has to be let go of, even by another run of the agent.
		e.sync("Cannot save that the network of a task is set up", t)
		done.Connection, done.Err = e.runtime.Provision(ctx, t, c)
	case task.StepStop:
		if c.Known == task.ContainerStopped {
			logger.Warn("Stopped container came back; re-stopping it once", logger.F("taskARN", t.ARN), logger.F("containerName", c.Name), logger.F("runtimeID", c.RuntimeID))
		}
		done.TornDown = e.tearDown(ctx, t, c)
		done.State, done.Err = e.runtime.Stop(ctx, t, c)
		if done.Err != nil && !errors.Is(done.Err, task.ErrGone) && ctx.Err() == nil {
			done.DockerAnswers = e.runtime.Ping(ctx) == nil
		}
	}
	if e.ending() {
		return nil
	}
	return done
}

// startContainer starts a container when it is its turn.
func (e *Engine) startContainer(ctx context.Context, t *task.Task, c *task.Container) (*task.ContainerState, error) {
	leave, err := e.starts.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return e.runtime.Start(ctx, t, c)
}

// ended reports whether a result came about because the agent is ending.
func ended(ctx context.Context) bool { return ctx.Err() != nil }

// clean removes what the task left behind. What cannot be removed is tried again while Docker does not answer, and a few
// times when it does; then it is left: the task is over.
func (e *Engine) clean(ctx context.Context, t *task.Task) Event {
	failed := false
	for _, c := range t.Containers {
		if c.RuntimeID == "" && c.RuntimeName == "" {
			continue
		}
		if err := e.runtime.Remove(ctx, t, c); err != nil && ctx.Err() == nil {
			failed = true
			logger.Error("Cannot remove container of a stopped task", logger.F("taskARN", t.ARN), logger.F("containerName", c.Name), logger.Err(err))
		}
	}
	for _, r := range t.Resources {
		if err := e.config.Resources.Remove(ctx, t, &r); err != nil && ctx.Err() == nil {
			failed = true
			logger.Error("Cannot clean up resource of a stopped task", logger.F("taskARN", t.ARN), logger.F("resource", r.Name), logger.Err(err))
		}
	}
	if disconnects(t) && !e.releaseAddress(ctx, t) {
		failed = true
	}
	if ended(ctx) {
		return nil // the next run of the agent does it again
	}
	if failed && (t.Engine.CleanFailures < cleanRetries || e.runtime.Ping(ctx) != nil) {
		return Left{}
	}
	return Cleaned{}
}

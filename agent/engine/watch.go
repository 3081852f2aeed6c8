package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// streamRetry is between attempts to open the event stream while Docker does not answer.
var streamRetry = backoff.Policy{First: 500 * time.Millisecond, Longest: 30 * time.Second, Factor: 1.5, Jitter: 0.2}

// Everything is looked at now and then, in case an event was lost.
const (
	listEvery   = 5 * time.Minute
	listTimeout = 2 * time.Minute
)

// listPatience is how long the tasks of a former run, and with them the connection to ECS, wait for the first list. Then
// their containers are looked at one by one: what hangs in Docker may be the list alone, or one container of many.
const listPatience = 10 * time.Second

// watch keeps the event stream of the runtime open. Whenever it is (again), everything is compared with the runtime,
// so that what happened in between is found at once. It returns when ctx ends.
func (e *Engine) watch(ctx context.Context) error {
	pauses := streamRetry.Start()
	since := time.Now()
	for ctx.Err() == nil {
		opened := make(chan struct{})
		streaming, closeStream := context.WithCancel(ctx)
		ended := make(chan error, 1)
		from := since
		go func() {
			ended <- e.runtime.Events(streaming, from, func() { close(opened) }, e.deliver)
		}()
		var err error
		select {
		case err = <-ended:
		case <-opened:
			pauses.Reset()
			err = e.whileOpen(streaming, ended)
			since = time.Now().Add(-time.Second)
		}
		closeStream()
		if ctx.Err() != nil {
			break
		}
		pause := pauses.Next()
		logStreamEnd(err, isClosed(opened), pauses.Failures, pause)
		if backoff.Sleep(ctx, pause) != nil {
			break
		}
	}
	return nil
}

// logStreamEnd tells that there is no stream. Attempts to open one are told of more and more rarely.
func logStreamEnd(err error, open bool, failures int, pause time.Duration) {
	fields := []logger.Field{logger.Err(err), logger.F("pause", pause.String())}
	switch {
	case open && errors.Is(err, io.EOF):
		logger.Info("Docker events stream closed; opening it again", fields...)
	case open:
		logger.Error(fmt.Sprintf("Docker events stream closed with error: %v", err), fields[1])
	case bits.OnesCount(uint(failures)) == 1:
		logger.Error("Could not connect to docker daemon", fields...)
	}
}

// whileOpen compares everything with the runtime once the stream is open, and again now and then, until it ends.
func (e *Engine) whileOpen(ctx context.Context, ended <-chan error) error {
	resync := time.NewTimer(0)
	defer resync.Stop()
	pauses := streamRetry.Start()
	patience := time.Now().Add(listPatience)
	for {
		select {
		case err := <-ended:
			return err
		case <-resync.C:
			over, err := e.compareUnless(ctx, ended, patience)
			if over {
				return err
			}
			if err != nil {
				pause := pauses.Next()
				if ctx.Err() == nil {
					logger.Warn("Cannot compare tasks with Docker; trying again", logger.Err(err), logger.F("pause", pause.String()))
					e.goOnWithoutList(patience)
				}
				resync.Reset(pause)
				continue
			}
			pauses.Reset()
			resync.Reset(listEvery + rand.N(30*time.Second))
		}
	}
}

// deliver hands an event of the runtime to the task it is about.
func (e *Engine) deliver(event task.RuntimeEvent) {
	e.mu.RLock()
	o, known := e.byRuntime[event.RuntimeID]
	if !known && event.TaskARN != "" {
		o, known = e.byARN[event.TaskARN]
	}
	e.mu.RUnlock()
	if !known {
		return
	}
	name := event.Container
	if name == "" {
		for _, c := range o.snap.Load().Containers {
			if c.RuntimeID == event.RuntimeID {
				name = c.Name
			}
		}
	}
	if event.Action == task.ActionOOM {
		logger.Warn("Process in container killed for lack of memory", logger.F("taskARN", event.TaskARN), logger.F("containerName", name), logger.F("runtimeID", event.RuntimeID))
		return
	}
	o.box.put(RuntimeNews{Container: name, Event: event})
}

// compareUnless compares, unless the stream ends meanwhile: then over is set, and the error is the stream's. A list that hangs
// does not keep it from being opened again.
func (e *Engine) compareUnless(ctx context.Context, ended <-chan error, patience time.Time) (over bool, err error) {
	comparing, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- e.compare(comparing, patience) }()
	select {
	case err := <-done:
		return false, err
	case err := <-ended:
		cancel()
		<-done
		return true, err
	}
}

// compare lists all containers and tells each task what was found of it. The first time, this brings the tasks of the
// former run to life.
func (e *Engine) compare(ctx context.Context, patience time.Time) error {
	limit := time.Now().Add(listTimeout)
	if !isClosed(e.ready) && patience.Before(limit) {
		limit = patience
	}
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	found, err := e.runtime.List(ctx)
	if err != nil {
		return err
	}
	byTask := map[string][]*task.ContainerState{}
	for i := range found {
		arn := found[i].Labels[task.LabelTaskARN]
		byTask[arn] = append(byTask[arn], &found[i])
	}
	first := func(t *task.Task) Event {
		return Listed{Containers: matchContainers(t, byTask[t.ARN]), Restored: true}
	}
	if !isClosed(e.ready) {
		e.adoptStrays(byTask)
		e.revive(e.owned(), first)
		close(e.surveyed)
		close(e.ready)
		return nil
	}
	for _, o := range e.owned() {
		t := o.snap.Load()
		o.box.put(Listed{Containers: matchContainers(t, byTask[t.ARN])})
	}
	if !isClosed(e.surveyed) {
		e.revive(e.adoptStrays(byTask), first)
		close(e.surveyed)
	}
	return nil
}

// goOnWithoutList brings the tasks of the former run to life when the first list takes too long.
func (e *Engine) goOnWithoutList(patience time.Time) {
	if isClosed(e.ready) || time.Now().Before(patience) {
		return
	}
	logger.Warn("Docker does not list its containers; going on with a look at each that is known")
	e.revive(e.owned(), func(*task.Task) Event { return Unlisted{} })
	close(e.ready)
}

// owned are the owners of all tasks.
func (e *Engine) owned() []*owner {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return slices.Clone(e.order)
}

// revive brings tasks of the former run to life: first what is known of their containers, then what they hold of the host,
// then their owners.
func (e *Engine) revive(owners []*owner, news func(*task.Task) Event) {
	for _, o := range owners {
		o.take(Apply(o.snap.Load(), news(o.snap.Load()), time.Now(), e.config.Rules))
	}
	for _, o := range owners {
		t := o.snap.Load()
		if !hadShare(t) {
			continue
		}
		if missing := e.admission.account(t); missing != "" {
			logger.Critical("Tasks that run already take more than this host has for tasks", logger.F("taskARN", t.ARN), logger.F("missing", missing))
		}
	}
	e.mu.RLock()
	ctx := e.running
	e.mu.RUnlock()
	for _, o := range owners {
		e.launch(ctx, o)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// matchContainers says which of the containers found is which of the task's: by id, then by name, then by label.
func matchContainers(t *task.Task, found []*task.ContainerState) map[string]*task.ContainerState {
	matched := map[string]*task.ContainerState{}
	for _, c := range t.Containers {
		best := 0
		for _, s := range found {
			rank := 0
			switch {
			case c.RuntimeID != "" && s.RuntimeID == c.RuntimeID:
				rank = 3
			case c.RuntimeID != "":
			case c.RuntimeName != "" && s.Name == c.RuntimeName:
				rank = 2
			case s.Labels[task.LabelContainerName] == c.Name:
				rank = 1
			}
			if rank > best {
				best = rank
				matched[c.Name] = s
			}
		}
	}
	return matched
}

// Restore gives the engine the tasks of a former run, as loaded from the checkpoint. Call it before Run.
func (e *Engine) Restore(tasks []*task.Task) {
	tasks = slices.Clone(tasks)
	slices.SortStableFunc(tasks, func(a, b *task.Task) int { return a.AcceptedAt.Compare(b.AcceptedAt) })
	for _, t := range tasks {
		e.config.Credentials.Expect(t.CredentialsID)
		e.config.Credentials.Expect(t.ExecutionCredentialsID)
		e.keep(e.planned(withoutMemory(t)))
	}
}

// withoutMemory gives a restored task whose containers are yet to be created without what the former run held for them in
// memory: it is fetched again.
func withoutMemory(t *task.Task) *task.Task {
	if t.Known >= task.Created || t.Desired.Terminal() {
		return t
	}
	t = t.Clone()
	for i := range t.Resources {
		if t.Resources[i].KeptInMemory() {
			t.Resources[i].Known = task.ResourceNone
		}
	}
	return t
}

package engine

import (
	"context"
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
		logger.Warn("Docker events stream ended; opening it again", logger.Err(err), logger.F("pause", pause.String()))
		if backoff.Sleep(ctx, pause) != nil {
			break
		}
	}
	return nil
}

// whileOpen compares everything with the runtime once the stream is open, and again now and then, until it ends.
func (e *Engine) whileOpen(ctx context.Context, ended <-chan error) error {
	resync := time.NewTimer(0)
	defer resync.Stop()
	pauses := streamRetry.Start()
	for {
		select {
		case err := <-ended:
			return err
		case <-resync.C:
			if err := e.compare(ctx); err != nil {
				pause := pauses.Next()
				if ctx.Err() == nil {
					logger.Warn("Cannot compare tasks with Docker; trying again", logger.Err(err), logger.F("pause", pause.String()))
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

// compare lists all containers and tells each task what was found of it. The first time, this brings the tasks of the
// former run to life.
func (e *Engine) compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
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
	select {
	case <-e.ready:
		e.mu.RLock()
		defer e.mu.RUnlock()
		for _, o := range e.order {
			t := o.snap.Load()
			o.box.put(Listed{Containers: matchContainers(t, byTask[t.ARN])})
		}
	default:
		e.revive(byTask)
		close(e.ready)
	}
	return nil
}

// revive brings the tasks of the former run to life: first what Docker says, then their owners.
func (e *Engine) revive(byTask map[string][]*task.ContainerState) {
	if e.config.AdoptStraysOf != "" {
		for _, t := range e.strays(byTask) {
			e.keep(e.planned(t))
		}
	}
	e.mu.RLock()
	ctx, owners := e.running, append([]*owner(nil), e.order...)
	e.mu.RUnlock()
	for _, o := range owners {
		t := o.snap.Load()
		o.take(Apply(t, Listed{Containers: matchContainers(t, byTask[t.ARN]), Restored: true}, time.Now(), e.config.Rules))
	}
	for _, o := range owners {
		e.launch(ctx, o)
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

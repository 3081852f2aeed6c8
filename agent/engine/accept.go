package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Accept takes tasks in, in the given order. A new one is prepared, saved (durably, when Accept returns) and started; of a
// known one only the desired status is looked at. A task that cannot be prepared is reported STOPPED with the reason and
// counts as accepted. The error says that the tasks could not be saved: ECS has to send them again.
func (e *Engine) Accept(ctx context.Context, tasks ...*task.Task) error {
	var fresh, again []*task.Task
	for _, t := range tasks {
		if slices.ContainsFunc(fresh, func(other *task.Task) bool { return other.ARN == t.ARN }) {
			again = append(again, t) // twice in one message
			continue
		}
		if known, err := e.raise(ctx, t.ARN, t.Desired); err != nil {
			return err
		} else if known {
			continue
		}
		t = e.takeIn(t.Clone())
		e.store.SaveTask(t)
		for _, c := range t.Containers {
			e.store.SaveContainer(c)
		}
		fresh = append(fresh, t)
	}
	if err := e.store.Sync(ctx); err != nil {
		for _, t := range fresh {
			e.store.DeleteTask(t)
		}
		return fmt.Errorf("save accepted tasks: %w", err)
	}
	for _, t := range fresh {
		e.adopt(t)
	}
	for _, t := range again {
		if _, err := e.raise(ctx, t.ARN, t.Desired); err != nil {
			return err
		}
	}
	return nil
}

// takeIn makes a new task ready, or ends it at once with the reason why it cannot run.
func (e *Engine) takeIn(t *task.Task) *task.Task {
	if t.Desired.Terminal() {
		return e.planned(t) // only to be reported
	}
	err := e.prepare(t, time.Now())
	if err != nil {
		err = &task.PrepareError{TaskARN: t.ARN, Cause: err}
	} else {
		t = e.planned(t)
		err = checkOrder(t)
	}
	if err != nil {
		t.Desired, t.TerminalReason = task.Stopped, err.Error()
		t.Known, t.KnownTime = task.Stopped, time.Now()
		logger.Error("Task refused", logger.F("taskARN", t.ARN), logger.F("reason", t.TerminalReason))
	}
	return t
}

// planned gives the task with every desired status derived.
func (e *Engine) planned(t *task.Task) *task.Task {
	w := newWork(t, time.Now(), e.config.Rules)
	w.deriveDesired()
	return w.t
}

// raise gives a known task a new desired status and waits until its owner has taken note; false when the task is not
// known.
func (e *Engine) raise(ctx context.Context, arn string, desired task.Status) (known bool, err error) {
	o, known := e.owner(arn)
	if !known {
		return false, nil
	}
	taken := make(chan struct{})
	if id := o.snap.Load().ExecutionCredentialsID; e.holds(id) {
		o.box.put(CredentialsSet{Execution: id}) // after a restart they may come with the task
	}
	o.box.put(receipted{Event: DesiredChanged{desired}, taken: taken})
	select {
	case <-taken:
		return true, nil
	case <-o.over:
		if e.ending() {
			return true, errEnding
		}
		return true, nil // cleaned up just now
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

// Refuse reports a task STOPPED that cannot even be read. Nothing happens if the ARN is known.
func (e *Engine) Refuse(ctx context.Context, arn, reason string) {
	if _, known := e.owner(arn); known {
		return
	}
	logger.Error("Task refused", logger.F("taskARN", arn), logger.F("reason", reason))
	now := time.Now()
	e.adopt(&task.Task{ARN: arn, Desired: task.Stopped, Known: task.Stopped, KnownTime: now, AcceptedAt: now, TerminalReason: reason})
}

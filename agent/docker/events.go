package docker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// usedActions are what the event stream is filtered for; "health_status" also matches "health_status: healthy".
var usedActions = []task.RuntimeAction{
	task.ActionCreate, task.ActionStart, task.ActionDie, task.ActionStop, task.ActionRestart,
	task.ActionOOM, task.ActionHealth, task.ActionDestroy,
}

// Events delivers what happens to containers, one event after the other and in order, until the stream ends, and says
// why it ended: io.EOF when the daemon closed it, else an error. A since other than zero also delivers the events of the
// time since then that the daemon still knows. listening is called once, when the stream is open.
func (c *Client) Events(ctx context.Context, since time.Time, listening func(), deliver func(task.RuntimeEvent)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	notOpen := fmt.Errorf("the Docker event stream did not open within %s", eventsOpenLimit)
	guard := time.AfterFunc(eventsOpenLimit, func() { cancel(notOpen) })
	defer guard.Stop()
	var open atomic.Bool
	streamCtx := context.WithValue(ctx, opened{}, func() {
		guard.Stop()
		open.Store(true)
	})
	messages, ended := c.api.Events(streamCtx, eventOptions(since))
	defer func() {
		cancel(nil)
		for range ended { // closed when the SDK's goroutine is gone
		}
	}()
	if open.Load() {
		listening()
	}
	for {
		select {
		case m := <-messages:
			if e, ok := runtimeEvent(m); ok {
				deliver(e)
			}
		case err := <-ended:
			if cause := context.Cause(ctx); errors.Is(cause, notOpen) {
				return cause
			}
			return err
		}
	}
}

func eventOptions(since time.Time) events.ListOptions {
	which := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))
	for _, action := range usedActions {
		which.Add("event", string(action))
	}
	options := events.ListOptions{Filters: which}
	if !since.IsZero() {
		options.Since = fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())
	}
	return options
}

// runtimeEvent reads one message; false means that it is of no interest. Older daemons put action and id into the
// fields Status and ID, newer ones into Action and Actor.
func runtimeEvent(m events.Message) (task.RuntimeEvent, bool) {
	action, id := string(m.Action), m.Actor.ID
	if action == "" {
		//lint:ignore SA1019 all that old daemons send
		action = m.Status
	}
	if id == "" {
		//lint:ignore SA1019 all that old daemons send
		id = m.ID
	}
	if id == "" || (m.Type != "" && m.Type != events.ContainerEventType) {
		return task.RuntimeEvent{}, false
	}
	e := task.RuntimeEvent{
		Action:    task.RuntimeAction(action),
		RuntimeID: id,
		TaskARN:   m.Actor.Attributes[task.LabelTaskARN],
		Container: m.Actor.Attributes[task.LabelContainerName],
		Time:      time.Unix(0, m.TimeNano),
	}
	if m.TimeNano == 0 {
		e.Time = time.Unix(m.Time, 0)
	}
	if health, ok := strings.CutPrefix(action, string(task.ActionHealth)+": "); ok {
		e.Action, e.Health = task.ActionHealth, healthStatus(health)
		return e, e.Health != task.HealthUnknown
	}
	if e.Action == task.ActionHealth || !used(e.Action) {
		return task.RuntimeEvent{}, false
	}
	if text, ok := m.Actor.Attributes["exitCode"]; ok && e.Action == task.ActionDie {
		code, err := strconv.Atoi(text)
		if err != nil {
			logger.Error("Docker sent an exit code that is not a number",
				logger.F("runtimeID", id), logger.F("exitCode", text))
			return e, true
		}
		e.ExitCode = &code
	}
	return e, true
}

func used(action task.RuntimeAction) bool {
	for _, a := range usedActions {
		if a == action {
			return true
		}
	}
	return false
}

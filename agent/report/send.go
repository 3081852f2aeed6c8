package report

import (
	"context"
	"errors"
	"math/bits"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// submitRetry is the pause of a task after a failed submission. A success resets it.
var submitRetry = backoff.Policy{First: time.Second, Longest: 30 * time.Second, Factor: 1.3, Jitter: 0.2}

// parkPause is the pause after an error that only a change elsewhere can end (a permission, the cluster).
const parkPause = time.Minute

// endGrace is how long an answer of ECS is waited for once the agent is ending: what was accepted without the agent knowing
// it would be said again by its next run.
const endGrace = 200 * time.Millisecond

// submit submits one change. It goes on for endGrace when ctx ends.
func (r *Reporter) submit(ctx context.Context, change ecsapi.TaskStateChange) error {
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(endGrace, cancel) })()
	return r.ecs.SubmitTaskStateChange(call, change)
}

// send submits the first change of a line that is worth it, and gives the slot back.
func (r *Reporter) send(ctx context.Context, cluster string, tasks Tasks, l *line) {
	defer r.poke()
	t, known := tasks.Task(l.arn)
	change, has := r.choose(l, t, known)
	if !has {
		return
	}
	err := r.submit(ctx, change.request(cluster, l.arn))
	if err != nil && ctx.Err() != nil {
		r.release(l)
		return // the agent is ending
	}
	if err == nil {
		r.mu.Lock()
		sent, containers := l.accept()
		r.counts.Submitted++
		l.refusal = false
		l.pauses.Reset()
		l.due = time.Now()
		r.mu.Unlock()
		logger.Info("Reported to ECS", logger.F("taskARN", l.arn), logger.F("status", change.status.String()), logger.F("reason", change.reason))
		tasks.Acknowledge(l.arn, sent, containers)
	} else {
		r.mu.Lock()
		v := r.failed(l, err)
		r.mu.Unlock()
		v.log(l.arn, change.status, err)
	}
	r.release(l)
}

// choose gives the first change of the line that ECS has to hear of; redundant ones are removed. Without one, the slot is
// given back.
func (r *Reporter) choose(l *line, t *task.Task, known bool) (taskChange, bool) {
	change, found, redundant := r.chooseLocked(l, t, known)
	for _, status := range redundant {
		logger.Debug("Not submitting redundant event; just removing", logger.F("taskARN", l.arn), logger.F("status", status.String()))
	}
	return change, found
}

func (r *Reporter) chooseLocked(l *line, t *task.Task, known bool) (change taskChange, found bool, redundant []task.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(l.queue) > 0 {
		first := &l.queue[0]
		if known && worthSubmitting(t, l, *first) {
			// Container changes gathered while the task went on must not take it back.
			first.status = max(first.status, l.accepted)
			return *first, true, redundant
		}
		redundant = append(redundant, first.status)
		r.counts.Redundant++
		l.shift()
	}
	l.sending = false
	r.inFlight--
	return taskChange{}, false, redundant
}

func (r *Reporter) release(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.sending = false
	r.inFlight--
}

// verdict is what became of a change whose submission failed.
type verdict struct {
	fate     fate
	attempts int
	pause    time.Duration
}

type fate int

const (
	retried fate = iota
	parked       // ECS refuses it until something changes elsewhere
	dropped
	superseded // a newer change has taken its container changes
)

// failed decides what becomes of the first change after a failed submission. The caller holds the lock.
func (r *Reporter) failed(l *line, err error) verdict {
	v := verdict{pause: l.pauses.Next(), attempts: l.pauses.Failures}
	l.refusal = false
	switch {
	case errors.Is(err, ecsapi.ErrInvalidParameter), errors.Is(err, ecsapi.ErrUnbuildable):
		v.fate = dropped
		r.counts.Dropped++
		l.shift()
	case errors.Is(err, ecsapi.ErrClient) && len(l.queue) > 1:
		// It may be this very change that the service does not want.
		v.fate = superseded
		r.counts.Dropped++
		l.yield()
	case errors.Is(err, ecsapi.ErrClient), errors.Is(err, ecsapi.ErrAccessDenied), errors.Is(err, ecsapi.ErrClusterNotFound):
		v.fate, v.pause = parked, max(v.pause, parkPause)
		r.counts.Retried++
		l.parked, l.refusal = true, errors.Is(err, ecsapi.ErrClient)
	default:
		r.counts.Retried++
	}
	l.due = time.Now().Add(v.pause)
	return v
}

// log tells people. It is not called under the lock: the log may be slow, and the engine must not wait for it here.
func (v verdict) log(arn string, status task.Status, err error) {
	fields := []logger.Field{logger.F("taskARN", arn), logger.F("status", status.String()), logger.Err(err)}
	switch v.fate {
	case dropped:
		logger.Error("ECS can never accept this state change; dropping it", fields...)
	case superseded:
		logger.Error("ECS refuses this state change; a newer one takes its place", fields...)
	case parked:
		logger.Error("ECS refuses this state change; it is kept and tried again. Check the instance role's permissions and that the cluster and the container instance exist",
			append(fields, logger.F("retryIn", v.pause.String()))...)
	default:
		// Powers of two: an outage of hours must not fill the log.
		if bits.OnesCount(uint(v.attempts)) == 1 {
			logger.Warn("Cannot report to ECS; trying again", append(fields, logger.F("attempts", v.attempts), logger.F("retryIn", v.pause.String()))...)
		}
	}
}

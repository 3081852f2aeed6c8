package report

import (
	"context"
	"errors"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// The pause of a task after a failed submission: 1 s, growing by 1.3 to 30 s, and up to 20 % more. A success resets it.
const (
	backoffMin    = time.Second
	backoffMax    = 30 * time.Second
	backoffFactor = 1.3
	backoffJitter = 0.2
)

// parkPause is the pause after an error that only a change elsewhere can end (a permission, the cluster).
const parkPause = time.Minute

// send submits the first change of a line that is worth it, and gives the slot back.
func (r *Reporter) send(ctx context.Context, cluster string, tasks Tasks, l *line) {
	defer r.poke()
	t, known := tasks.Task(l.arn)
	change, has := r.choose(l, t, known)
	if !has {
		return
	}
	err := r.ecs.SubmitTaskStateChange(ctx, change.request(cluster, l.arn))
	if err != nil && ctx.Err() != nil {
		r.release(l)
		return // the agent is ending
	}
	if err == nil {
		r.mu.Lock()
		sent, containers := l.accept()
		r.counts.Submitted++
		l.backoff, l.refusal = backoff{}, false
		l.due = time.Now()
		r.mu.Unlock()
		logger.Info("Reported to ECS", logger.F("taskARN", l.arn), logger.F("status", change.status.String()), logger.F("reason", change.reason))
		tasks.Acknowledge(l.arn, sent, containers)
	} else {
		r.mu.Lock()
		r.failed(l, err)
		r.mu.Unlock()
	}
	r.release(l)
}

// choose gives the first change of the line that ECS has to hear of; redundant ones are removed. Without one, the slot is
// given back.
func (r *Reporter) choose(l *line, t *task.Task, known bool) (taskChange, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(l.queue) > 0 {
		change := &l.queue[0]
		if known && worthSubmitting(t, l, *change) {
			// Container changes gathered while the task went on must not take it back.
			change.status = max(change.status, l.accepted)
			return *change, true
		}
		logger.Debug("Not submitting redundant event; just removing", logger.F("taskARN", l.arn), logger.F("status", change.status.String()))
		r.counts.Redundant++
		l.shift()
	}
	l.sending = false
	r.inFlight--
	return taskChange{}, false
}

func (r *Reporter) release(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.sending = false
	r.inFlight--
}

// failed decides what becomes of the first change after a failed submission. The caller holds the lock.
func (r *Reporter) failed(l *line, err error) {
	change := l.queue[0]
	fields := []logger.Field{logger.F("taskARN", l.arn), logger.F("status", change.status.String()), logger.Err(err)}
	pause := l.backoff.next()
	l.refusal = false
	switch {
	case errors.Is(err, ecsapi.ErrInvalidParameter), errors.Is(err, ecsapi.ErrUnbuildable):
		logger.Error("ECS can never accept this state change; dropping it", fields...)
		r.counts.Dropped++
		l.shift()
	case errors.Is(err, ecsapi.ErrClient) && len(l.queue) > 1:
		// It may be this very change that the service does not want: a newer one waits and takes its container changes.
		logger.Error("ECS refuses this state change; a newer one takes its place", fields...)
		r.counts.Dropped++
		l.yield()
	case errors.Is(err, ecsapi.ErrClient), errors.Is(err, ecsapi.ErrAccessDenied), errors.Is(err, ecsapi.ErrClusterNotFound):
		pause = max(pause, parkPause)
		l.parked, l.refusal = true, errors.Is(err, ecsapi.ErrClient)
		r.counts.Retried++
		logger.Error("ECS refuses this state change; it is kept and tried again. Check the instance role's permissions and that the cluster and the container instance exist",
			append(fields, logger.F("retryIn", pause.String()))...)
	default:
		r.counts.Retried++
		// Powers of two: an outage of hours must not fill the log.
		if bits.OnesCount(uint(l.backoff.failures)) == 1 {
			logger.Warn("Cannot report to ECS; trying again", append(fields, logger.F("attempts", l.backoff.failures), logger.F("retryIn", pause.String()))...)
		}
	}
	l.due = time.Now().Add(pause)
}

// backoff computes the pauses after failures in a row.
type backoff struct {
	base     time.Duration
	failures int
}

func (b *backoff) next() time.Duration {
	b.failures++
	if b.base == 0 {
		b.base = backoffMin
	} else {
		b.base = min(time.Duration(float64(b.base)*backoffFactor), backoffMax)
	}
	return b.base + time.Duration(rand.Float64()*backoffJitter*float64(b.base))
}

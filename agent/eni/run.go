package eni

import (
	"context"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/netdev"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Host is where interfaces appear; the zero value is a host at which nobody looks.
type Host struct {
	// PrimaryMAC is the address of the instance's own interface.
	PrimaryMAC string
	// Links lists the network interfaces of the host.
	Links func() ([]netdev.Link, error)
	// Watch calls news when an interface may have appeared, until ctx ends.
	Watch func(ctx context.Context, news func()) error
}

// Run looks for the interfaces, tells ECS and forgets what took too long, until ctx ends. cluster is the name or ARN as in
// use since registration.
func (t *Tracker) Run(ctx context.Context, cluster string, host Host) {
	var owned sync.WaitGroup
	defer owned.Wait()
	if host.Watch != nil {
		owned.Go(func() {
			if err := host.Watch(ctx, t.deviceNews); err != nil {
				logger.Error("New network devices are found by looking only from now on", logger.F("every", looking.Longest.String()), logger.Err(err))
			}
		})
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		if t.lookDue(now) && host.Links != nil {
			links, err := host.Links()
			if err != nil {
				logger.Error("Cannot look for attached network interfaces", logger.Err(err))
			}
			t.see(links, host.PrimaryMAC)
		}
		begun, next := t.plan(now, host.Links != nil)
		for _, r := range begun {
			owned.Go(func() { t.submit(ctx, cluster, r) })
		}
		timer.Reset(next.Sub(now))
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-timer.C:
		}
	}
}

// deviceNews makes the tracker look at the host.
func (t *Tracker) deviceNews() {
	t.mu.Lock()
	t.lookSoon()
	t.mu.Unlock()
	t.poke()
}

// lookDue reports whether the host is to be looked at now: an interface is awaited.
func (t *Tracker) lookDue(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.look.After(now) || !t.awaiting() {
		return false
	}
	t.look = now.Add(t.looks.Next())
	return true
}

func (t *Tracker) awaiting() bool {
	for _, r := range t.records {
		if r.Status == task.AttachmentNone {
			return true
		}
	}
	return false
}

// plan drops what has expired, and says what is to be submitted now and when to look again at the latest.
func (t *Tracker) plan(now time.Time, looking bool) (begun []*record, next time.Time) {
	next = now.Add(time.Hour)
	sooner := func(at time.Time) {
		if at.Before(next) {
			next = at
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.records {
		switch {
		case r.Sent:
			continue
		case !r.ExpiresAt.After(now):
			logger.Warn("Timed out waiting for ENI ack; removing ENI attachment record", fields(r.Attachment)...)
			t.forget(r)
			continue
		case r.Status == task.AttachmentAttached && !r.sending && !r.due.After(now):
			r.sending = true
			begun = append(begun, r)
		case r.Status == task.AttachmentAttached && !r.sending:
			sooner(r.due)
		case r.Status == task.AttachmentNone && looking:
			sooner(t.look)
		}
		sooner(r.ExpiresAt)
	}
	return begun, next
}

// submit tells ECS that an interface is there, once.
func (t *Tracker) submit(ctx context.Context, cluster string, r *record) {
	defer t.poke()
	ctx, cancel := context.WithDeadline(ctx, r.ExpiresAt)
	defer cancel()
	var err error
	if r.Type == task.AttachmentTaskENI {
		err = t.ecs.SubmitTaskAttachment(ctx, cluster, r.TaskARN, r.ARN)
	} else {
		err = t.ecs.SubmitAttachment(ctx, cluster, r.ARN)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r.sending = false
	if err != nil {
		pause := r.pauses.Next()
		r.due = time.Now().Add(pause)
		if ctx.Err() == nil {
			logger.Warn("Cannot report an attached network interface to ECS; trying again",
				append(fields(r.Attachment), logger.F("retryIn", pause.String()), logger.Err(err))...)
		}
		return
	}
	logger.Info("Reported an attached network interface to ECS", fields(r.Attachment)...)
	r.Sent = true
	if t.records[r.ARN] == r {
		t.store.SaveAttachment(r.Attachment)
	}
}

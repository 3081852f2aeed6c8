// Package eni follows the network interfaces that ECS attaches to the instance: the control plane announces one, it appears
// on the host, ECS hears that it is there. Only then does ECS send the task it is for.
//
//	ACS ── Accept ──► record ──── seen on the host ────► ATTACHED ──── submitted to ECS ────► sent
//	                     └─ not sent in time: forgotten; ECS has a clock of its own
//
// One goroutine decides; submissions run beside it, one per record. Records are kept on disk, so that an interface that was
// announced to a former run of the agent is still reported.
package eni

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/netdev"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// looking are the pauses between two looks at the host while an interface is awaited. They begin anew with every news: a
// message, a device.
var looking = backoff.Policy{First: 100 * time.Millisecond, Longest: 30 * time.Second, Factor: 1.5}

// submitting are the pauses after submissions that failed.
var submitting = backoff.Policy{First: time.Second, Longest: 30 * time.Second, Factor: 1.3, Jitter: 0.2}

// saveLimit bounds the wait for the disk before a message is acknowledged.
const saveLimit = 2 * time.Second

// Store keeps the records.
type Store interface {
	SaveAttachment(a task.Attachment)
	DeleteAttachment(a task.Attachment)
	Sync(ctx context.Context) error
}

// Submitter tells ECS about attachments.
type Submitter interface {
	SubmitTaskAttachment(ctx context.Context, cluster, taskARN, attachmentARN string) error
	SubmitAttachment(ctx context.Context, cluster, attachmentARN string) error
}

// Tracker has the records. Make one with New, Restore what was saved, then Run it.
type Tracker struct {
	store Store
	ecs   Submitter
	wake  chan struct{} // there is something to do

	mu      sync.Mutex
	records map[string]*record // by attachment ARN
	look    time.Time          // when the host is looked at next
	looks   backoff.Pauses
}

// record is what is known about one interface.
type record struct {
	task.Attachment
	sending bool
	due     time.Time // when the next submission may begin
	pauses  backoff.Pauses
}

func newRecord(a task.Attachment) *record { return &record{Attachment: a, pauses: submitting.Start()} }

// New gives a tracker without records.
func New(store Store, ecs Submitter) *Tracker {
	return &Tracker{store: store, ecs: ecs, wake: make(chan struct{}, 1), records: map[string]*record{}, looks: looking.Start()}
}

// Restore takes over the records of a former run.
func (t *Tracker) Restore(saved []task.Attachment, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range saved {
		if !a.Sent && !a.ExpiresAt.After(now) {
			logger.Warn("ENI attachment has expired; removing it from state", fields(a)...)
			t.store.DeleteAttachment(a)
			continue
		}
		t.records[a.ARN] = newRecord(a)
	}
}

// Accept takes in interfaces that ECS is attaching. It returns when they are on disk, or the disk is too slow: the message
// is acknowledged all the same.
func (t *Tracker) Accept(ctx context.Context, announced ...task.Attachment) {
	now := time.Now()
	t.mu.Lock()
	for _, a := range announced {
		t.accept(a, now)
	}
	t.lookSoon()
	t.mu.Unlock()
	t.poke()
	ctx, cancel := context.WithTimeout(ctx, saveLimit)
	defer cancel()
	if err := t.store.Sync(ctx); err != nil {
		logger.Error("Failed to save data for eni attachment", logger.Err(err))
	}
}

func (t *Tracker) accept(a task.Attachment, now time.Time) {
	if _, known := t.records[a.ARN]; known {
		return // the message came again; the first clock counts
	}
	if !a.ExpiresAt.After(now) {
		logger.Error("eni attachment: timer expiration is in the past; expiration ["+a.ExpiresAt.String()+"] < now ["+now.String()+"]", fields(a)...)
		return
	}
	for _, r := range t.records {
		if sameMAC(r.MAC, a.MAC) {
			t.forget(r) // the interface was detached and is attached anew
		}
	}
	logger.Info("ECS attaches a network interface", fields(a)...)
	t.records[a.ARN] = newRecord(a)
	t.store.SaveAttachment(a)
}

// Forget drops the records of a task that is gone.
func (t *Tracker) Forget(taskARN string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.records {
		if r.TaskARN == taskARN && r.Type == task.AttachmentTaskENI {
			t.forget(r)
		}
	}
}

// forget drops a record. The caller holds the lock.
func (t *Tracker) forget(r *record) {
	delete(t.records, r.ARN)
	t.store.DeleteAttachment(r.Attachment)
}

// lookSoon begins the row of looks anew. The caller holds the lock.
func (t *Tracker) lookSoon() {
	t.look = time.Time{}
	t.looks.Reset()
}

func (t *Tracker) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// see marks the records whose interfaces are among the links, except the instance's own interface.
func (t *Tracker) see(links []netdev.Link, primaryMAC string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.records {
		if r.Status != task.AttachmentNone || sameMAC(r.MAC, primaryMAC) {
			continue
		}
		at := slices.IndexFunc(links, func(l netdev.Link) bool { return mayBeENI(l) && sameMAC(l.MAC, r.MAC) })
		if at < 0 {
			continue
		}
		logger.Info("Network interface is attached", append(fields(r.Attachment), logger.F("interface", links[at].Name))...)
		r.Status = task.AttachmentAttached
	}
}

// mayBeENI reports whether the link can be an interface that was attached: a device with a hardware address of its own. On
// hosts outside EC2 these are software, too; what is left out are links that have the address of another one.
func mayBeENI(l netdev.Link) bool {
	switch l.Kind {
	case "", "veth", "dummy":
		return !l.Loopback && l.MAC != ""
	}
	return false
}

func sameMAC(a, b string) bool { return strings.EqualFold(a, b) }

func fields(a task.Attachment) []logger.Field {
	return []logger.Field{logger.F("attachmentARN", a.ARN), logger.F("attachmentType", a.Type), logger.F("taskARN", a.TaskARN),
		logger.F("mac", a.MAC), logger.F("expiresAt", a.ExpiresAt.UTC().Format(time.RFC3339))}
}

package acs

import (
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// maxTasks is the most tasks put into one payload.
const maxTasks = 10

// deliver sends every desired status the agent has not acknowledged and that this session has not sent yet. What is to
// be delivered follows from the tasks alone, so a restart of local-ecs or a new connection loses nothing.
func (s *session) deliver() {
	for s.deliverSome() {
	}
}

func (s *session) deliverSome() bool {
	if len(s.due()) == 0 {
		return false
	}
	p := acsmsg.Payload{MessageID: control.NewUUID(), ClusterArn: s.cluster, ContainerInstanceArn: s.instanceArn}
	tasks := map[string]delivered{}
	n, err := s.sequence(func(tx *state.Tx) {
		now := s.hub.Now()
		p.GeneratedAt = now.UnixMilli()
		for _, t := range s.dueIn(tx) {
			d := control.Definition(tx, t.TaskDefinitionArn)
			if d == nil || len(tasks) == maxTasks {
				continue
			}
			wire := s.hub.Renderer.Task(t, d, now)
			p.Tasks = append(p.Tasks, wire)
			tasks[t.ID] = delivered{t.DesiredStatus, expiry(wire.RoleCredentials), expiry(wire.ExecutionRoleCredentials)}
		}
	})
	if err != nil {
		s.log.Error("payload not sent", "error", err)
		return false
	}
	if len(tasks) == 0 {
		return false
	}
	p.SeqNum = n
	for id, d := range tasks {
		s.announced[id] = d.desired
		s.log.Info("task sent to agent", "task", short(id), "desired", d.desired)
	}
	frame := s.send(acsmsg.TypePayload, p)
	s.sent[p.MessageID] = &delivery{frame: frame, tasks: tasks, resend: time.Now().Add(s.hub.Redeliver)}
	return true
}

func (s *session) due() (due []*state.Task) {
	s.hub.Store.View(func(tx *state.Tx) { due = s.dueIn(tx) })
	return due
}

func (s *session) dueIn(tx *state.Tx) []*state.Task {
	return tx.Tasks.Where(func(t *state.Task) bool {
		return t.InstanceID == s.instance && t.Live() && !t.Provisioning() && t.Acked != t.DesiredStatus && s.announced[t.ID] != t.DesiredStatus
	})
}

// redeliver sends again what waits too long for its acknowledgement. An agent acknowledges a payload only when it could
// handle all of it; so when a task of it is over meanwhile, refused for example, the others go into a new payload.
func (s *session) redeliver() {
	now := time.Now()
	for id, d := range s.sent {
		if now.Before(d.resend) {
			continue
		}
		wanted := s.wanted(d)
		if len(wanted) < len(d.tasks) {
			delete(s.sent, id)
			for _, task := range wanted {
				delete(s.announced, task)
			}
			continue
		}
		d.resend = now.Add(s.hub.Redeliver)
		s.log.Warn("payload unacknowledged, sent again", "tasks", len(d.tasks))
		s.sendFrame(acsmsg.TypePayload, d.frame)
	}
	s.deliver()
}

// wanted returns the tasks of a delivery about which the agent must still hear what it says.
func (s *session) wanted(d *delivery) (ids []string) {
	s.hub.Store.View(func(tx *state.Tx) {
		for id, what := range d.tasks {
			if t := tx.Tasks.Get(id); t != nil && t.Live() && ecs.Rank(t.Acked) < ecs.Rank(what.desired) {
				ids = append(ids, id)
			}
		}
	})
	return ids
}

// acked notes that the agent has taken over what a payload said. Acknowledgements of manifests need nothing.
func (s *session) acked(messageID string) {
	d := s.sent[messageID]
	if d == nil {
		s.interfaceAcked(messageID)
		return
	}
	delete(s.sent, messageID)
	err := s.hub.Store.Update(func(tx *state.Tx) error {
		for id, what := range d.tasks {
			if t := tx.Tasks.Get(id); t != nil && ecs.Rank(t.Acked) < ecs.Rank(what.desired) {
				t = t.Clone()
				t.Acked, t.CredentialsExpire, t.ExecutionCredsExpire = what.desired, what.expires, what.execExpires
				tx.Tasks.Put(id, t)
			}
		}
		return nil
	})
	if err != nil {
		s.log.Error("acknowledgement not saved", "error", err)
	}
}

func expiry(c *acsmsg.RoleCredentials) ecs.Time {
	if c == nil {
		return ecs.Time{}
	}
	t, err := time.Parse(time.RFC3339, c.Expiration)
	if err != nil {
		return ecs.Time{}
	}
	return ecs.At(t)
}

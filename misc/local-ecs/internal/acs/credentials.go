package acs

import (
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// renewal is a set of credentials that was sent, or must be sent, outside a payload.
type renewal struct {
	next  time.Time     // not before
	pause time.Duration // until the one after; grows, for an agent that does not know the task never answers
}

const maxRenewalPause = 5 * time.Minute

// renewAll marks the credentials of all tasks the agent knows as due: it has just started and holds none.
func (s *session) renewAll() {
	s.hub.Store.View(func(tx *state.Tx) {
		for _, t := range tx.TasksOn(s.instance) {
			for _, id := range []string{t.CredentialsID, t.ExecutionID} {
				if id != "" && t.Acked != "" {
					s.credentials[id] = &renewal{pause: s.hub.Redeliver}
				}
			}
		}
	})
	s.renew()
}

// renew sends credentials that are due: asked for at the start of the session, or near their expiry.
func (s *session) renew() {
	type due struct {
		id  string
		msg acsmsg.Credentials
	}
	var list []due
	now := s.hub.Now()
	s.hub.Store.View(func(tx *state.Tx) {
		live := map[string]bool{}
		for _, t := range tx.TasksOn(s.instance) {
			for _, role := range []struct {
				kind, id string
				expires  ecs.Time
			}{{acsmsg.RoleTask, t.CredentialsID, t.CredentialsExpire}, {acsmsg.RoleExecution, t.ExecutionID, t.ExecutionCredsExpire}} {
				if role.id == "" || t.Acked == "" {
					continue
				}
				live[role.id] = true
				r := s.credentials[role.id]
				if r == nil {
					if !s.hub.Renderer.Source.Stale(role.expires.Time, now) {
						continue
					}
					r = &renewal{pause: s.hub.Redeliver}
					s.credentials[role.id] = r
				}
				if time.Now().Before(r.next) {
					continue
				}
				c := s.hub.Renderer.Credentials(t, control.Definition(tx, t.TaskDefinitionArn), role.kind, now)
				if c == nil {
					continue
				}
				r.next = time.Now().Add(r.pause)
				r.pause = min(2*r.pause, maxRenewalPause)
				list = append(list, due{role.id, acsmsg.Credentials{MessageID: control.NewUUID(), TaskArn: t.TaskArn,
					TaskClusterArn: t.ClusterArn, RoleType: role.kind, RoleCredentials: c}})
			}
		}
		for id := range s.credentials {
			if !live[id] {
				delete(s.credentials, id)
			}
		}
	})
	for _, d := range list {
		s.log.Info("role credentials sent", "task", d.msg.TaskArn, "role", d.msg.RoleType)
		s.send(acsmsg.TypeCredentials, d.msg)
	}
}

// renewed notes the expiry of credentials the agent holds now.
func (s *session) renewed(m *acsmsg.CredentialsAck) {
	delete(s.credentials, m.CredentialsID)
	expires, err := time.Parse(time.RFC3339, m.Expiration)
	if err != nil {
		s.log.Warn("credentials acknowledged with an unreadable expiration", "expiration", m.Expiration)
		return
	}
	err = s.hub.Store.Update(func(tx *state.Tx) error {
		for _, t := range tx.TasksOn(s.instance) {
			u := t.Clone()
			switch m.CredentialsID {
			case t.CredentialsID:
				u.CredentialsExpire = ecs.At(expires)
			case t.ExecutionID:
				u.ExecutionCredsExpire = ecs.At(expires)
			default:
				continue
			}
			tx.Tasks.Put(t.ID, u)
		}
		return nil
	})
	if err != nil {
		s.log.Error("credentials acknowledgement not saved", "error", err)
	}
}

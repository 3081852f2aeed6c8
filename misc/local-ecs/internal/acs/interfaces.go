package acs

import (
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/payload"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// announcement is the message about an interface that the agent is to look for. The task itself is sent when the agent has
// seen the interface.
type announcement struct {
	messageID string
	frame     []byte
	acked     bool
	resend    time.Time
}

// announceInterfaces tells the agent of interfaces that are coming, again while it does not acknowledge. Which these are
// follows from the tasks alone.
func (s *session) announceInterfaces() {
	var coming []*state.Task
	s.hub.Store.View(func(tx *state.Tx) {
		coming = tx.Tasks.Where(func(t *state.Task) bool { return t.InstanceID == s.instance && t.Attachable() })
	})
	now := time.Now()
	still := map[string]*announcement{}
	for _, t := range coming {
		a := s.interfaces[t.ID]
		switch {
		case a == nil:
			if a = s.announceInterface(t); a == nil {
				continue
			}
		case !a.acked && now.After(a.resend):
			a.resend = now.Add(s.hub.Redeliver)
			s.sendFrame(acsmsg.TypeAttachENI, a.frame)
		}
		still[t.ID] = a
	}
	s.interfaces = still
}

func (s *session) announceInterface(t *state.Task) *announcement {
	now := s.hub.Now()
	wait := t.ENI.Until.Sub(now)
	if wait <= 0 {
		return nil
	}
	m := acsmsg.AttachENI{
		MessageID: control.NewUUID(), ClusterArn: s.cluster, ContainerInstanceArn: s.instanceArn, TaskArn: t.TaskArn, TaskClusterArn: t.ClusterArn,
		GeneratedAt: now.UnixMilli(), WaitTimeoutMs: max(1, wait.Milliseconds()), ElasticNetworkInterfaces: []acsmsg.ENI{payload.ENI(t.ENI)},
	}
	s.log.Info("network interface announced to agent", "task", short(t.ID), "mac", t.ENI.MAC)
	frame := s.send(acsmsg.TypeAttachENI, m)
	return &announcement{messageID: m.MessageID, frame: frame, resend: time.Now().Add(s.hub.Redeliver)}
}

func (s *session) interfaceAcked(messageID string) {
	for _, a := range s.interfaces {
		if a.messageID == messageID {
			a.acked = true
		}
	}
}

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

// interfaceToCome is one that the agent has not seen yet.
type interfaceToCome struct {
	*state.ENI
	task *state.Task // nil: it is the trunk of the instance
}

// announceInterfaces tells the agent of interfaces that are coming, again while it does not acknowledge. Which these are
// follows from the tasks and the instance alone.
func (s *session) announceInterfaces() {
	var coming []interfaceToCome
	s.hub.Store.View(func(tx *state.Tx) {
		if i := tx.Instances.Get(s.instance); i != nil && i.Announceable() {
			coming = append(coming, interfaceToCome{i.Trunk, nil})
		}
		for _, t := range tx.Tasks.Where(func(t *state.Task) bool { return t.InstanceID == s.instance && t.Attachable() }) {
			coming = append(coming, interfaceToCome{t.ENI, t})
		}
	})
	now := time.Now()
	still := map[string]*announcement{}
	for _, c := range coming {
		a := s.interfaces[c.AttachmentID]
		switch {
		case a == nil:
			if a = s.announceInterface(c); a == nil {
				continue
			}
		case !a.acked && now.After(a.resend):
			a.resend = now.Add(s.hub.Redeliver)
			s.sendFrame(c.messageType(), a.frame)
		}
		still[c.AttachmentID] = a
	}
	s.interfaces = still
}

func (c interfaceToCome) messageType() string {
	if c.task == nil {
		return acsmsg.TypeAttachInstanceENI
	}
	return acsmsg.TypeAttachENI
}

func (s *session) announceInterface(c interfaceToCome) *announcement {
	now := s.hub.Now()
	wait := c.Until.Sub(now)
	if wait <= 0 {
		return nil
	}
	m := acsmsg.AttachENI{
		MessageID: control.NewUUID(), ClusterArn: s.cluster, ContainerInstanceArn: s.instanceArn,
		GeneratedAt: now.UnixMilli(), WaitTimeoutMs: max(1, wait.Milliseconds()), ElasticNetworkInterfaces: []acsmsg.ENI{payload.ENI(c.ENI)},
	}
	if c.task != nil {
		m.TaskArn, m.TaskClusterArn = c.task.TaskArn, c.task.ClusterArn
		s.log.Info("network interface announced to agent", "task", short(c.task.ID), "mac", c.MAC)
	} else {
		s.log.Info("trunk announced to agent", "mac", c.MAC)
	}
	frame := s.send(c.messageType(), m)
	return &announcement{messageID: m.MessageID, frame: frame, resend: time.Now().Add(s.hub.Redeliver)}
}

func (s *session) interfaceAcked(messageID string) {
	for _, a := range s.interfaces {
		if a.messageID == messageID {
			a.acked = true
		}
	}
}

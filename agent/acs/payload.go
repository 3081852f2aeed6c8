package acs

import (
	"context"
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// handlePayload gives the tasks of a payload to the engine. It is acknowledged, credentials included, only if everything
// in it was dealt with; otherwise the service sends it again.
func (s *Session) handlePayload(ctx context.Context, m *payloadMessage) {
	if err := m.check(); err != nil {
		rejected("PayloadMessage", err)
		return
	}
	accepted, complete := s.readTasks(ctx, m)
	if err := s.accept(ctx, accepted); err != nil {
		logger.Error("Could not take in the tasks of a payload; ECS will send them again", logger.F("messageID", m.MessageID), logger.Err(err))
		complete = false
	}
	s.sawSequence(m.SeqNum)
	if !complete {
		return
	}
	s.answer("AckRequest", ackRequest{Cluster: m.ClusterARN, ContainerInstance: m.ContainerInstanceARN, MessageID: m.MessageID})
	for _, in := range accepted {
		for _, c := range in.roles {
			s.answer("IAMRoleCredentialsAckRequest", credentialsAck{MessageID: m.MessageID, Expiration: c.Expiration, CredentialsID: c.ID})
		}
	}
}

// readTasks converts the tasks of a payload and refuses those that cannot be run. complete is false when there was one.
func (s *Session) readTasks(ctx context.Context, m *payloadMessage) (accepted []intake, complete bool) {
	complete = true
	for i, w := range m.Tasks {
		if w == nil || w.ARN == "" {
			logger.Critical("Payload has a task without an ARN; it can be neither run nor reported",
				logger.F("messageID", m.MessageID), logger.F("entry", i))
			complete = false
			continue
		}
		in, err := convert(w)
		if err == nil {
			err = s.runnable(in.task)
		}
		switch {
		case err == nil:
			in.task.Engine.ReceivedAt = m.receivedAt
			accepted = append(accepted, in)
		case stops(w) && s.config.Engine.Stop(w.ARN):
			// Whatever is wrong with the task now, it runs, and shall not.
		default:
			complete = false
			logger.Error("Payload has a task that cannot be run", logger.F("messageID", m.MessageID), logger.F("taskARN", w.ARN), logger.Err(err))
			reason := task.Error{Name: task.ErrUnrecognizedTask, Message: "Error loading task - " + err.Error()}
			s.config.Engine.Refuse(ctx, w.ARN, reason.Error())
		}
	}
	return accepted, complete
}

// stops reports whether the task, readable or not, is to be stopped.
func stops(w *wireTask) bool {
	desired, err := task.ParseStatus(w.DesiredStatus)
	return err == nil && desired.Terminal()
}

// runnable checks that a task that is to be started needs nothing that this agent lacks.
func (s *Session) runnable(t *task.Task) error {
	if t.Desired.Terminal() {
		return nil
	}
	if _, known := s.config.Engine.Task(t.ARN); known {
		return nil
	}
	if feature := unsupported(t); feature != "" {
		return fmt.Errorf("this agent does not support %s", feature)
	}
	return nil
}

// accept gives the tasks to the engine: those to be stopped first, so that a task to be started finds what they free. The
// credentials are in place before, because a task may need them at once; they are taken back if the tasks are not taken.
func (s *Session) accept(ctx context.Context, list []intake) error {
	var tasks []*task.Task
	var added []string
	seen := map[string]bool{}
	for _, stopping := range []bool{true, false} {
		for _, in := range list {
			if in.task.Desired.Terminal() != stopping || seen[in.task.ARN] {
				continue
			}
			seen[in.task.ARN] = true
			tasks = append(tasks, in.task)
			added = append(added, s.keepCredentials(in)...)
		}
	}
	if len(tasks) == 0 {
		return nil
	}
	err := s.config.Engine.Accept(ctx, tasks...)
	if err != nil {
		for _, id := range added {
			s.config.Credentials.Remove(id)
		}
	}
	return err
}

// keepCredentials stores the credentials that came with a task and returns the ids that are new. A task that is to be
// stopped needs none. Of a task that is known only the credentials it has already are renewed: nothing else in a repeated
// payload counts.
func (s *Session) keepCredentials(in intake) (added []string) {
	if in.task.Desired.Terminal() {
		return nil
	}
	present, known := s.config.Engine.Task(in.task.ARN)
	for _, c := range in.roles {
		if known && !uses(present, c) {
			logger.Debug("Ignoring credentials that a known task does not use", logger.F("taskARN", c.TaskARN), logger.CredentialsID(c.ID))
			continue
		}
		if stored, _ := s.config.Credentials.Get(c.ID); stored == nil && !known {
			added = append(added, c.ID)
		}
		s.config.Credentials.Set(c)
	}
	return added
}

// uses reports whether t has the role with these credentials and may still need them.
func uses(t *task.Task, c credentials.Credentials) bool {
	if t.Known.Terminal() {
		return false
	}
	if c.RoleType == credentials.Execution {
		return t.ExecutionCredentialsID == c.ID
	}
	return t.CredentialsID == c.ID
}

// sawSequence notes the sequence number of a payload. It is kept over restarts, so that an older manifest that comes after
// it cannot stop its tasks.
func (s *Session) sawSequence(number *int64) {
	if number == nil || *number <= s.known {
		return
	}
	s.known = *number
	if err := s.config.Manifest.SetManifestSeq(s.known); err != nil {
		logger.Warn("Could not save the sequence number of a payload", logger.F("sequenceNumber", s.known), logger.Err(err))
	}
}

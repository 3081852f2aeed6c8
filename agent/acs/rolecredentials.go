package acs

import (
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// handleCredentials takes new credentials of a task's role. Those of an unknown task are not kept: nothing would ever
// remove them, and the service sends them again with the task.
func (s *Session) handleCredentials(m *credentialsMessage) {
	if err := m.check(); err != nil {
		rejected("IAMRoleCredentialsMessage", err)
		return
	}
	role := credentials.RoleType(m.RoleType)
	present, known := s.config.Engine.Task(m.TaskARN)
	if !known {
		logger.Error("Credentials for a task that is not known; not acknowledged",
			logger.F("messageID", m.MessageID), logger.F("taskARN", m.TaskARN), logger.F("roleType", m.RoleType))
		return
	}
	if !present.Known.Terminal() {
		s.config.Credentials.Set(m.Credentials.role(m.TaskARN, role))
		if !s.config.Engine.SetCredentials(m.TaskARN, role, m.Credentials.CredentialsID) || s.isOver(m.TaskARN) {
			// The task ended meanwhile, and its credentials were removed before these came.
			s.config.Credentials.Remove(m.Credentials.CredentialsID)
		}
	}
	logger.Debug("Took new credentials", logger.F("taskARN", m.TaskARN), logger.F("roleType", m.RoleType), logger.CredentialsID(m.Credentials.CredentialsID))
	s.answer("IAMRoleCredentialsAckRequest", credentialsAck{
		MessageID: m.MessageID, Expiration: m.Credentials.Expiration, CredentialsID: m.Credentials.CredentialsID,
	})
}

// isOver reports whether the task has stopped or is gone.
func (s *Session) isOver(arn string) bool {
	t, known := s.config.Engine.Task(arn)
	return !known || t.Known.Terminal()
}

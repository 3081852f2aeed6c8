package acs

import (
	"errors"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

var (
	errNoTimeline    = errors.New("timeline is not set")
	errManifestEntry = errors.New("a task of the manifest has no taskArn or no desiredStatus")
)

// handleManifest compares the service's list of tasks with the engine's. Tasks that the service does not want running are
// not stopped yet: the agent asks first.
func (s *Session) handleManifest(m *taskManifestMessage) {
	wanted, err := m.running()
	if err != nil {
		rejected("TaskManifestMessage", err)
		return
	}
	if *m.Timeline <= s.known {
		logger.Warn("Dropped a task manifest that is not newer than what is known",
			logger.F("messageID", m.MessageID), logger.F("sequenceNumber", *m.Timeline), logger.F("known", s.known))
		return
	}
	if err := s.config.Manifest.SetManifestSeq(*m.Timeline); err != nil {
		logger.Error("Could not save the sequence number of a task manifest; not acknowledged, ECS will send it again",
			logger.F("messageID", m.MessageID), logger.F("sequenceNumber", *m.Timeline), logger.Err(err))
		return
	}
	s.manifestID, s.known = m.MessageID, *m.Timeline
	var candidates []taskIdentifier
	for _, t := range s.config.Engine.Tasks() {
		if t.Desired == task.Running && !t.Internal && !wanted[t.ARN] {
			logger.Info("Task is not in the manifest; asking ECS whether to stop it", logger.F("taskARN", t.ARN))
			candidates = append(candidates, taskIdentifier{TaskARN: t.ARN, TaskClusterARN: m.ClusterARN, DesiredStatus: task.Stopped.String()})
		}
	}
	s.answer("AckRequest", ackRequest{Cluster: m.ClusterARN, ContainerInstance: m.ContainerInstanceARN, MessageID: m.MessageID})
	if len(candidates) > 0 {
		s.answer("TaskStopVerificationMessage", taskStopVerificationMessage{MessageID: m.MessageID, StopCandidates: candidates})
	}
}

// running are the ARNs of the tasks that shall run. A manifest with a garbled entry says nothing at all: its tasks would
// seem unwanted.
func (m *taskManifestMessage) running() (map[string]bool, error) {
	if m.Timeline == nil {
		return nil, errNoTimeline
	}
	wanted := map[string]bool{}
	for _, t := range m.Tasks {
		if t == nil || t.TaskARN == "" || t.DesiredStatus == "" {
			return nil, errManifestEntry
		}
		if t.DesiredStatus == task.Running.String() {
			wanted[t.TaskARN] = true
		}
	}
	return wanted, nil
}

// handleStopVerification stops the tasks that the service has confirmed shall not run. It is not answered.
func (s *Session) handleStopVerification(m *taskStopVerificationAck) {
	if m.MessageID == "" || m.MessageID != s.manifestID {
		logger.Error("Invalid ACK message ID received: " + m.MessageID + ", mismatch with manifest message ID: " + s.manifestID)
		return
	}
	s.manifestID = ""
	for _, t := range m.StopTasks {
		if t == nil {
			continue
		}
		if s.config.Engine.Stop(t.TaskARN) {
			logger.Info("Stopping a task that ECS does not want running", logger.F("taskARN", t.TaskARN))
		} else {
			logger.Debug("ECS wants a task stopped that is not known", logger.F("taskARN", t.TaskARN))
		}
	}
}

package store

import (
	"encoding/json"
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// SaveAttachment queues the record of a network interface that ECS attaches.
func (s *Store) SaveAttachment(a task.Attachment) {
	if s.db == nil {
		return
	}
	w, err := newWrite(bucketENIAttachments, a.ID(), a)
	if err == nil && a.ID() == "" {
		err = fmt.Errorf("attachment without an id: %q", a.ARN)
	}
	if err != nil {
		logger.Error("Failed to save data for eni attachment", logger.F("attachmentARN", a.ARN), logger.Err(err))
		return
	}
	s.put(w)
}

// DeleteAttachment queues the removal of an attachment's record.
func (s *Store) DeleteAttachment(a task.Attachment) {
	if s.db != nil && a.ID() != "" {
		s.put(write{bucketENIAttachments, a.ID(), nil})
	}
}

func (l *loader) loadAttachment(key string, value []byte) error {
	a, err := decodeAttachment(value)
	if err != nil {
		return err
	}
	if a.ID() != key {
		return fmt.Errorf("record %q holds attachment %q", key, a.ARN)
	}
	l.state.Attachments = append(l.state.Attachments, a)
	return nil
}

func decodeAttachment(value []byte) (task.Attachment, error) {
	var a task.Attachment
	err := json.Unmarshal(value, &a)
	if err == nil && a.ID() == "" {
		err = fmt.Errorf("attachment without an id: %q", a.ARN)
	}
	return a, err
}

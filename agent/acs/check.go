//lint:file-ignore ST1005 the texts are part of the contract

package acs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
)

// The checks a message has to pass before it is acted upon. One that fails is logged and gets no answer.

var (
	errEmptyMessage = errors.New("Message is empty")
	errNoMessageID  = errors.New("Message ID is not set")
)

// member is a member of a message that must not be empty.
type member struct{ name, value string }

// checkMembers reports the first empty member, the message id before all others.
func checkMembers(messageID string, members ...member) error {
	if messageID == "" {
		return errNoMessageID
	}
	for _, m := range members {
		if m.value == "" {
			return fmt.Errorf("%s is not set for message ID %s", m.name, messageID)
		}
	}
	return nil
}

func (m *payloadMessage) check() error {
	return checkMembers(m.MessageID, member{"clusterArn", m.ClusterARN}, member{"containerInstanceArn", m.ContainerInstanceARN})
}

func (m *credentialsMessage) check() error {
	if err := checkMembers(m.MessageID, member{"taskArn", m.TaskARN}); err != nil {
		return err
	}
	if m.Credentials == nil {
		return fmt.Errorf("roleCredentials is not set for message ID %s", m.MessageID)
	}
	if m.Credentials.CredentialsID == "" {
		return fmt.Errorf("roleCredentials ID not set for message ID %s", m.MessageID)
	}
	switch credentials.RoleType(m.RoleType) {
	case credentials.Application, credentials.Execution:
		return nil
	}
	return fmt.Errorf("roleType %q is invalid for message ID %s with taskArn %s", m.RoleType, m.MessageID, m.TaskARN)
}

func (m *attachTaskENIMessage) check() error {
	err := checkMembers(m.MessageID, member{"clusterArn", m.ClusterARN}, member{"containerInstanceArn", m.ContainerInstanceARN},
		member{"taskArn", m.TaskARN})
	if err != nil {
		return err
	}
	return checkENIs(m.MessageID, m.WaitTimeoutMS, m.ENIs)
}

func (m *attachInstanceENIMessage) check() error {
	err := checkMembers(m.MessageID, member{"clusterArn", m.ClusterARN}, member{"containerInstanceArn", m.ContainerInstanceARN})
	if err != nil {
		return err
	}
	return checkENIs(m.MessageID, m.WaitTimeoutMS, m.ENIs)
}

func checkENIs(messageID string, waitTimeoutMS int64, enis []*wireENI) error {
	if waitTimeoutMS <= 0 {
		return fmt.Errorf("Invalid timeout set for message ID %s", messageID)
	}
	if len(enis) == 0 {
		return fmt.Errorf("No ENIs for message ID %s", messageID)
	}
	for _, eni := range enis {
		if err := eni.check(); err != nil {
			return fmt.Errorf("message ID %s: %w", messageID, err)
		}
	}
	return nil
}

func (m *confirmAttachmentMessage) check() error {
	if m.MessageID == "" {
		return errNoMessageID
	}
	for _, arn := range []member{{"clusterArn", m.ClusterARN}, {"containerInstanceArn", m.ContainerInstanceARN}} {
		if !isARN(arn.value) {
			return fmt.Errorf("Invalid %s specified for message ID %s", arn.name, m.MessageID)
		}
	}
	if m.Attachment == nil {
		return fmt.Errorf("No resource attachment for message ID %s", m.MessageID)
	}
	if !isARN(m.Attachment.ARN) {
		return fmt.Errorf("Invalid attachmentArn specified for message ID %s", m.MessageID)
	}
	if err := m.Attachment.checkDevice(); err != nil {
		return fmt.Errorf("message ID %s: %w", m.MessageID, err)
	}
	return nil
}

// isARN reports whether s has the six parts of an ARN.
func isARN(s string) bool {
	return strings.HasPrefix(s, "arn:") && strings.Count(s, ":") >= 5
}

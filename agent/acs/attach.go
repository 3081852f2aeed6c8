package acs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Attachment messages announce devices that ECS attaches to the instance. Network interfaces are followed until they are
// there; EBS volumes are acknowledged only, as by every agent without that feature: ECS gives them up when their time is over.

// defaultAttachmentWait is how long ECS waits for a volume when the message does not say.
const defaultAttachmentWait = 5 * time.Minute

func (s *Session) handleTaskENIs(ctx context.Context, m *attachTaskENIMessage) {
	if err := m.check(); err != nil {
		rejected("AttachTaskNetworkInterfacesMessage", err)
		return
	}
	s.acceptENIs(ctx, m.MessageID, m.WaitTimeoutMS, m.ENIs, task.Attachment{
		Type: task.AttachmentTaskENI, TaskARN: m.TaskARN, TaskClusterARN: m.TaskClusterARN,
		ClusterARN: m.ClusterARN, ContainerInstanceARN: m.ContainerInstanceARN,
	})
}

func (s *Session) handleInstanceENIs(ctx context.Context, m *attachInstanceENIMessage) {
	if err := m.check(); err != nil {
		rejected("AttachInstanceNetworkInterfacesMessage", err)
		return
	}
	s.acceptENIs(ctx, m.MessageID, m.WaitTimeoutMS, m.ENIs, task.Attachment{
		Type: task.AttachmentInstanceENI, ClusterARN: m.ClusterARN, ContainerInstanceARN: m.ContainerInstanceARN,
	})
}

// acceptENIs takes the interfaces of a message in and acknowledges it; common is what they have in common.
func (s *Session) acceptENIs(ctx context.Context, messageID string, waitMS int64, enis []*wireENI, common task.Attachment) {
	common.ExpiresAt = time.Now().Add(time.Duration(waitMS) * time.Millisecond)
	var announced []task.Attachment
	for _, e := range enis {
		a := common
		a.ARN, a.MAC = e.AttachmentARN, e.MAC
		announced = append(announced, a)
	}
	s.config.ENIs.Accept(ctx, announced...)
	s.answer("AckRequest", ackRequest{Cluster: common.ClusterARN, ContainerInstance: common.ContainerInstanceARN, MessageID: messageID})
}

func (s *Session) handleConfirmAttachment(m *confirmAttachmentMessage) {
	if err := m.check(); err != nil {
		rejected("ConfirmAttachmentMessage", err)
		return
	}
	wait := defaultAttachmentWait
	if m.WaitTimeoutMS > 0 {
		wait = time.Duration(m.WaitTimeoutMS) * time.Millisecond
	}
	logger.Warn("ECS attaches a volume; this agent does not support attached volumes and will not look for it",
		logger.F("messageID", m.MessageID), logger.F("taskARN", m.TaskARN), logger.F("attachmentARN", m.Attachment.ARN),
		logger.F("attachmentType", m.Attachment.Type), logger.F("wait", wait))
	s.answer("AckRequest", ackRequest{Cluster: m.ClusterARN, ContainerInstance: m.ContainerInstanceARN, MessageID: m.MessageID})
}

// fileSystems are those an EBS volume may be announced with.
var fileSystems = []string{"xfs", "ext2", "ext3", "ext4", "ntfs"}

// checkDevice checks what ECS says about a volume it attaches.
func (a *wireAttachment) checkDevice() error {
	properties := map[string]string{}
	for _, p := range a.Properties {
		switch {
		case p == nil || p.Name == "":
			return errors.New("no name specified for attachment property")
		case p.Value == "":
			return fmt.Errorf("no value specified for attachment property: %s", p.Name)
		}
		properties[p.Name] = p.Value
	}
	var required []string
	switch kind := properties["resourceType"]; {
	case a.Type == attachmentEBS:
		required = []string{"volumeId", "volumeSizeGib", "deviceName", "sourceVolumeHostPath", "volumeName"}
	case kind == "EphemeralStorage":
		required = []string{"volumeID", "deviceName", "volumeSizeInGiB", "requestedSizeInGiB", "resourceID"}
	case kind == "ElasticBlockStorage":
		required = []string{"volumeID", "deviceName"}
	case kind == "":
		return errors.New("no resourceType found in attachment properties")
	default:
		return fmt.Errorf("unknown resourceType in attachment properties: %s", kind)
	}
	for _, name := range required {
		if properties[name] == "" {
			return fmt.Errorf("property %s not found in attachment properties", name)
		}
	}
	if fs, given := properties["fileSystem"]; a.Type == attachmentEBS && given && !slices.Contains(fileSystems, fs) {
		return fmt.Errorf("invalid file system type: %s", fs)
	}
	return nil
}

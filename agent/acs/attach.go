package acs

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Attachment messages announce devices (network interfaces, EBS volumes) that ECS attaches to the instance. This agent
// acknowledges them, as every agent does whose attachment features are off; it does not watch for the devices, so ECS gives
// the attachment up when its time is over.

// defaultAttachmentWait is how long ECS waits for an attachment when the message does not say.
const defaultAttachmentWait = 5 * time.Minute

func (s *Session) handleTaskENIs(m *attachTaskENIMessage) {
	if err := m.check(); err != nil {
		rejected("AttachTaskNetworkInterfacesMessage", err)
		return
	}
	s.acceptENIs(m.MessageID, m.ClusterARN, m.ContainerInstanceARN, m.TaskARN, m.WaitTimeoutMS, m.ENIs)
}

func (s *Session) handleInstanceENIs(m *attachInstanceENIMessage) {
	if err := m.check(); err != nil {
		rejected("AttachInstanceNetworkInterfacesMessage", err)
		return
	}
	s.acceptENIs(m.MessageID, m.ClusterARN, m.ContainerInstanceARN, "", m.WaitTimeoutMS, m.ENIs)
}

func (s *Session) acceptENIs(messageID, cluster, instance, taskARN string, waitMS int64, enis []*wireENI) {
	for _, e := range enis {
		logger.Warn("ECS attaches a network interface; this agent does not support task networking and will not look for it",
			logger.F("messageID", messageID), logger.F("taskARN", taskARN), logger.F("attachmentARN", e.AttachmentARN),
			logger.F("mac", e.MAC), logger.F("wait", waitMS))
	}
	s.answer("AckRequest", ackRequest{Cluster: cluster, ContainerInstance: instance, MessageID: messageID})
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

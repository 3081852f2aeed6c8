package acs

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Types of attachments (ACS attachmentType).
const (
	attachmentServiceConnect = "serviceconnectdetail"
	attachmentEBS            = "amazonebs"
	attachmentS3Files        = "s3files"
)

var errNoAttachmentType = errors.New("a task attachment has no attachmentType")

// claimedVolumes are the names of the task volumes that its attachments describe.
func claimedVolumes(list []*wireAttachment) (map[string]bool, error) {
	claimed := map[string]bool{}
	for _, a := range list {
		if a == nil || a.Type == "" {
			return nil, errNoAttachmentType
		}
		if a.Type != attachmentEBS && a.Type != attachmentS3Files {
			continue
		}
		for _, p := range a.Properties {
			if p != nil && p.Name == "volumeName" && p.Value != "" {
				claimed[p.Value] = true
			}
		}
	}
	return claimed, nil
}

// addAttachments gives the task the volumes and the Service Connect configuration that came as attachments.
func addAttachments(t *task.Task, list []*wireAttachment) error {
	var serviceConnect *wireAttachment
	for _, a := range list {
		switch a.Type {
		case attachmentServiceConnect:
			serviceConnect = a // the last one wins
		case attachmentEBS:
			v, err := ebsFromAttachment(a)
			if err != nil {
				return fmt.Errorf("unable to parse and validate EBS volume: %w", err)
			}
			replaceVolume(t, v)
		case attachmentS3Files:
			v, err := s3FilesFromAttachment(a)
			if err != nil {
				return fmt.Errorf("unable to parse and validate S3 Files volume: %w", err)
			}
			replaceVolume(t, v)
		default:
			logger.Debug("Ignoring an attachment of a type this agent does not know", logger.F("taskARN", t.ARN), logger.F("attachmentType", a.Type))
		}
	}
	if serviceConnect == nil {
		return nil
	}
	var err error
	t.ServiceConnect, err = serviceConnectFromAttachment(t, serviceConnect)
	return err
}

// replaceVolume adds v in place of every other volume of its name.
func replaceVolume(t *task.Task, v task.Volume) {
	t.Volumes = append(slices.DeleteFunc(t.Volumes, func(other task.Volume) bool { return other.Name == v.Name }), v)
}

// properties reads an attachment's properties into the given places. owner names the attachment in errors, as users know it.
func (a *wireAttachment) properties(owner string, places map[string]*string) error {
	for _, p := range a.Properties {
		if p == nil {
			return fmt.Errorf("failed to parse %s, encountered nil property", owner)
		}
		if p.Value == "" {
			return fmt.Errorf("failed to parse %s, encountered empty value for property: %s", owner, p.Name)
		}
		place, known := places[p.Name]
		if !known {
			logger.Warn("Ignoring an attachment property this agent does not know", logger.F("attachmentARN", a.ARN), logger.F("property", p.Name))
			continue
		}
		*place = p.Value
	}
	return nil
}

// requireProperties reports the first property that has no value.
func requireProperties(config string, required ...member) error {
	for _, m := range required {
		if m.value == "" {
			return fmt.Errorf("missing %s in the %s config", m.name, config)
		}
	}
	return nil
}

func ebsFromAttachment(a *wireAttachment) (task.Volume, error) {
	var e ebsVolume
	err := a.properties("task ebs attachment", map[string]*string{
		"volumeId": &e.VolumeID, "volumeName": &e.VolumeName, "sourceVolumeHostPath": &e.SourceVolumeHostPath,
		"volumeSizeGib": &e.VolumeSizeGiB, "deviceName": &e.DeviceName, "fileSystem": &e.FileSystem,
	})
	if err != nil {
		return task.Volume{}, err
	}
	err = requireProperties("EBS", member{"volumeId", e.VolumeID}, member{"volumeName", e.VolumeName},
		member{"sourceVolumeHostPath", e.SourceVolumeHostPath})
	if err != nil {
		return task.Volume{}, err
	}
	v := task.Volume{Name: e.VolumeName, Type: task.VolumeEBS}
	return v, configure(&v, e)
}

func s3FilesFromAttachment(a *wireAttachment) (task.Volume, error) {
	var id, name, root, port, accessPoint string
	err := a.properties("s3files attachment", map[string]*string{
		"volumeId": &id, "volumeName": &name, "s3FilesRootDirectory": &root,
		"s3FilesTransitEncryptionPort": &port, "s3FilesAccessPointId": &accessPoint,
	})
	if err != nil {
		return task.Volume{}, err
	}
	if err := requireProperties("S3 Files", member{"volumeId", id}, member{"volumeName", name}); err != nil {
		return task.Volume{}, err
	}
	// Kept in the form of an EFS volume; S3 Files always uses TLS and the task role.
	config := efsVolume{
		FileSystemID: id, RootDirectory: root, TransitEncryption: "ENABLED",
		Authorization: &efsAuthorization{AccessPointID: accessPoint, IAM: "ENABLED"},
	}
	if port != "" {
		if config.TransitEncryptionPort, err = strconv.ParseInt(port, 10, 32); err != nil {
			return task.Volume{}, fmt.Errorf("s3FilesTransitEncryptionPort %q is not a number", port)
		}
	}
	v := task.Volume{Name: name, Type: task.VolumeS3Files}
	return v, configure(&v, config)
}

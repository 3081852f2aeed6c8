package acs

import (
	"encoding/json"
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Configurations of volumes that the task model keeps as JSON. The member names are those of agent.db, which are those of
// ACS where ACS knows the volume.
type (
	efsVolume struct {
		Authorization         *efsAuthorization `json:"authorizationConfig,omitempty"`
		FileSystemID          string            `json:"fileSystemId"`
		RootDirectory         string            `json:"rootDirectory"`
		TransitEncryption     string            `json:"transitEncryption"`
		TransitEncryptionPort int64             `json:"transitEncryptionPort"`
	}
	efsAuthorization struct {
		AccessPointID string `json:"accessPointId"`
		IAM           string `json:"iam"`
	}

	fsxWindowsVolume struct {
		FileSystemID  string            `json:"fileSystemId"`
		RootDirectory string            `json:"rootDirectory"`
		Authorization *fsxAuthorization `json:"authorizationConfig,omitempty"`
	}
	fsxAuthorization struct {
		CredentialsParameter string `json:"credentialsParameter"`
		Domain               string `json:"domain"`
	}

	ebsVolume struct {
		VolumeID             string `json:"volumeId"`
		VolumeName           string `json:"volumeName"`
		VolumeSizeGiB        string `json:"volumeSizeGib"`
		SourceVolumeHostPath string `json:"sourceVolumeHostPath"`
		DeviceName           string `json:"deviceName"`
		FileSystem           string `json:"fileSystem"`
	}
)

// volumes converts the volumes of a task. claimed are the names of those that an attachment of the task describes.
func volumes(list []*wireVolume, claimed map[string]bool) ([]task.Volume, error) {
	var out []task.Volume
	for _, w := range list {
		if w == nil || w.Name == "" {
			return nil, task.ErrVolumeNoName
		}
		if (w.Type == "" || w.Type == task.VolumeAttachment) && claimed[w.Name] {
			out = append(out, task.Volume{Name: w.Name, Type: task.VolumeAttachment})
			continue
		}
		v, err := volume(w)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func volume(w *wireVolume) (task.Volume, error) {
	v := task.Volume{Name: w.Name, Type: w.Type}
	if v.Type == "" {
		v.Type = task.VolumeHost
	}
	switch v.Type {
	case task.VolumeHost:
		if w.Host == nil {
			return v, task.ErrVolumeNoConfig
		}
		v.HostPath = w.Host.SourcePath
		if v.HostPath == "" {
			// An empty volume lives in a Docker volume whose name is chosen when the task is prepared.
			v.Docker = &task.DockerVolume{Scope: "task", Driver: "local"}
		}
		return v, nil
	case task.VolumeDocker:
		d := w.Docker
		if d == nil {
			return v, task.ErrVolumeNoConfig
		}
		v.Docker = &task.DockerVolume{Scope: d.Scope, Autoprovision: d.Autoprovision, Driver: d.Driver, DriverOpts: d.DriverOpts, Labels: d.Labels}
		return v, nil
	case task.VolumeEFS:
		if w.EFS == nil {
			return v, task.ErrVolumeNoConfig
		}
		return v, configure(&v, w.EFS)
	case task.VolumeFSxWindows:
		if w.FSx == nil {
			return v, task.ErrVolumeNoConfig
		}
		return v, configure(&v, w.FSx)
	case task.VolumeS3Files: // their configuration comes as an attachment
		return v, task.ErrVolumeNoS3Files
	case task.VolumeAttachment:
		return v, fmt.Errorf("invalid volume: no attachment of the task describes volume %q", w.Name)
	default:
		return v, fmt.Errorf("unrecognized volume type: %q", w.Type)
	}
}

func configure(v *task.Volume, config any) error {
	text, err := json.Marshal(config)
	if err != nil {
		return fmt.Errorf("volume %q: %w", v.Name, err)
	}
	v.Config = text
	return nil
}

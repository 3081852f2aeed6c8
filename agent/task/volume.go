package task

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Volume types of ACS and agent.db.
const (
	VolumeHost       = "host"
	VolumeDocker     = "docker"
	VolumeEFS        = "efs"
	VolumeS3Files    = "s3files"
	VolumeEBS        = "amazonebs"
	VolumeFSxWindows = "fsxWindowsFileServer"
	VolumeAttachment = "attachment" // placeholder: the task's attachment says what it is
)

// DriverECS is the Docker volume driver that comes with ecs-init. It mounts file systems, in awsvpc tasks over the task's
// own network.
const DriverECS = "amazon-ecs-volume-plugin"

// ScopeTask marks Docker volumes that live as long as their task. Every other scope is shared.
const ScopeTask = "task"

// volumeConfigKeys names, per type, the JSON member that holds the configuration.
var volumeConfigKeys = map[string]string{
	VolumeHost:       "host",
	VolumeDocker:     "dockerVolumeConfiguration",
	VolumeEFS:        "efsVolumeConfiguration",
	VolumeS3Files:    "s3filesVolumeConfiguration",
	VolumeEBS:        "ebsVolumeConfiguration",
	VolumeFSxWindows: "fsxWindowsFileServerVolumeConfiguration",
}

// Volume is a named volume of a task. Exactly one way of mounting is set for host and docker volumes; the other types
// keep their configuration as it was given.
type Volume struct {
	Name string
	Type string

	// HostPath is the bind source of a host volume with a path.
	HostPath string
	// Docker is set for what a Docker volume driver keeps: docker volumes, host volumes without a path (those live in a
	// local Docker volume), and the volumes of file systems (VolumeEFS, VolumeS3Files) once the task was prepared.
	Docker *DockerVolume
	// Config is the configuration object of every other type, and of file systems before that, as received.
	Config json.RawMessage
}

// DockerVolume is a volume kept by a Docker volume driver (ECS DockerVolumeConfiguration).
type DockerVolume struct {
	Scope         string            `json:"scope"` // ScopeTask, or "shared"
	Autoprovision bool              `json:"autoprovision"`
	Mountpoint    string            `json:"mountPoint"`
	Driver        string            `json:"driver"`
	DriverOpts    map[string]string `json:"driverOpts"`
	Labels        map[string]string `json:"labels"`
	// Name is the volume's name in Docker, chosen at intake.
	Name string `json:"dockerVolumeName"`
}

// Volume errors; the texts reach users in the task's stopped reason.
var (
	ErrVolumeNoName    = errors.New("invalid Volume; must include a name")
	ErrVolumeNoConfig  = errors.New("invalid volume: empty volume configuration")
	ErrVolumeNoS3Files = errors.New("invalid volume: empty s3files volume configuration")
)

// hostVolume is the "host" member: sourcePath for binds, hostPath for the Docker volume behind an empty host volume.
type hostVolume struct {
	SourcePath string `json:"sourcePath,omitempty"`
	HostPath   string `json:"hostPath,omitempty"`
}

// UnmarshalJSON reads both the ACS payload form and the agent.db form.
func (v *Volume) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return fmt.Errorf("volume: %w", err)
	}
	var head struct{ Name, Type *string }
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("volume: %w", err)
	}
	if head.Name == nil || *head.Name == "" {
		return ErrVolumeNoName
	}
	*v = Volume{Name: *head.Name, Type: VolumeHost}
	if head.Type != nil && *head.Type != "" {
		v.Type = *head.Type
	}
	if v.Type == VolumeAttachment {
		return nil
	}
	key, known := volumeConfigKeys[v.Type]
	if !known {
		return fmt.Errorf("unrecognized volume type: %q", v.Type)
	}
	config, present := members[key]
	if !present || string(config) == "null" {
		if v.Type == VolumeS3Files {
			return ErrVolumeNoS3Files
		}
		return ErrVolumeNoConfig
	}
	switch v.Type {
	case VolumeHost:
		var host hostVolume
		if err := json.Unmarshal(config, &host); err != nil {
			return fmt.Errorf("volume %q: %w", v.Name, err)
		}
		v.HostPath = host.SourcePath
		if host.SourcePath == "" {
			v.Docker = &DockerVolume{Scope: ScopeTask, Driver: "local", Name: host.HostPath, Mountpoint: host.HostPath}
		}
	case VolumeDocker:
		v.Docker = &DockerVolume{}
		if err := json.Unmarshal(config, v.Docker); err != nil {
			return fmt.Errorf("volume %q: %w", v.Name, err)
		}
	case VolumeEFS, VolumeS3Files:
		var prepared DockerVolume
		if json.Unmarshal(config, &prepared) == nil && prepared.Name != "" {
			v.Docker = &prepared
			return nil
		}
		v.Config = config
	default:
		v.Config = config
	}
	return nil
}

// MarshalJSON writes the agent.db form.
func (v Volume) MarshalJSON() ([]byte, error) {
	out := map[string]any{"name": v.Name, "type": v.Type}
	switch {
	case v.Type == VolumeHost && v.Docker != nil:
		out["host"] = hostVolume{HostPath: v.Docker.Name}
	case v.Type == VolumeHost:
		out["host"] = hostVolume{SourcePath: v.HostPath}
	case v.Docker != nil:
		out[volumeConfigKeys[v.Type]] = v.Docker
	case v.Type == VolumeAttachment:
		return nil, fmt.Errorf("volume %q: an attachment placeholder cannot be saved", v.Name)
	default:
		out[volumeConfigKeys[v.Type]] = v.Config
	}
	return json.Marshal(out)
}

// Source is what Docker mounts for the volume: a host path or a volume name; empty when there is none.
func (v *Volume) Source() string {
	if v.Docker != nil {
		return v.Docker.Name
	}
	return v.HostPath
}

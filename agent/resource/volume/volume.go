// Package volume keeps the Docker volumes of tasks: volumes of their own that live as long as the task, those of file
// systems among them, and shared ones that the agent may create but never removes.
package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Docker is what the craft needs of the Docker engine.
type Docker interface {
	// CreateVolume creates a volume; one that is there with the same driver is a success.
	CreateVolume(ctx context.Context, v docker.Volume) (docker.Volume, error)
	InspectVolume(ctx context.Context, name string) (docker.Volume, error)
	// RemoveVolume removes a volume; one that is gone is a success.
	RemoveVolume(ctx context.Context, name string) error
}

// Craft creates and removes the volumes of tasks.
type Craft struct {
	Docker Docker
	// MatchFullConfig refuses an existing shared volume whose labels or options differ from the task definition's
	// (ECS_SHARED_VOLUME_MATCH_FULL_CONFIG).
	MatchFullConfig bool
	// Name chooses the name in Docker of a new task's volume.
	Name        func(*task.Task, *task.Volume) string
	FileSystems FileSystems
}

// spec is the object of a volume in agent.db.
type spec struct {
	Name   string            `json:"name"`
	Volume task.DockerVolume `json:"dockerVolumeConfiguration"`
	// Type of the volume in the task, if it is a file system. An addition of ours to agent.db.
	Type string `json:"volumeType,omitempty"`
}

// errCannotCreate is the reason when Docker gives none.
var errCannotCreate = errors.New("VolumeError: Agent could not create task's volume resources")

// Plan says which volumes a new task needs, and names them on the task: those of Docker volumes, of file systems, and of
// host volumes without a path that some container mounts. It does not call Docker.
func (k *Craft) Plan(t *task.Task) ([]task.Resource, error) {
	volumes := append([]task.Volume(nil), t.Volumes...)
	var resources []task.Resource
	for i := range volumes {
		v := &volumes[i]
		if err := k.FileSystems.configure(t, v); err != nil {
			return nil, err
		}
		if v.Docker == nil || v.Type == task.VolumeHost && !mounted(t, v.Name) {
			continue
		}
		if v.Type == task.VolumeDocker && v.Docker.Scope == task.ScopeTask && v.Docker.Autoprovision {
			return nil, fmt.Errorf("volume [%s] : task scoped volume could not be autoprovisioned", v.Name)
		}
		named := *v.Docker
		if named.Name == "" {
			named.Name = k.Name(t, v)
		}
		named.Mountpoint = named.Name
		v.Docker = &named
		s := spec{Name: v.Name, Volume: named}
		if fileSystem(v) {
			s.Type = v.Type
		}
		text, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("volume %q: %w", v.Name, err)
		}
		resources = append(resources, task.Resource{Kind: task.ResourceDockerVolume, Name: v.Name, Spec: text})
	}
	t.Volumes = volumes
	return resources, nil
}

func mounted(t *task.Task, volume string) bool {
	for _, c := range t.Containers {
		for _, m := range c.MountPoints {
			if m.SourceVolume == volume {
				return true
			}
		}
	}
	return false
}

// Create makes sure that the volume is there. The error's text is the reason users see for the end of the task.
func (k *Craft) Create(ctx context.Context, t *task.Task, r *task.Resource) error {
	v, err := read(r)
	if err != nil {
		return err
	}
	if v.Scope != task.ScopeTask {
		exists, err := k.checkShared(ctx, r.Name, v)
		if err != nil {
			return &task.PrepareError{TaskARN: t.ARN, Cause: err}
		}
		if exists {
			return nil
		}
	}
	_, err = k.Docker.CreateVolume(ctx, docker.Volume{Name: v.Name, Driver: v.Driver, Options: withNetwork(t, v), Labels: v.Labels})
	return reason(err)
}

// Remove removes a volume of the task. Shared volumes stay, and a volume that is gone is a success.
func (k *Craft) Remove(ctx context.Context, _ *task.Task, r *task.Resource) error {
	v, err := read(r)
	if err != nil {
		return err
	}
	if v.Scope != task.ScopeTask {
		return nil
	}
	return k.Docker.RemoveVolume(ctx, v.Name)
}

// read gives the configuration of a volume; without a name it would be a call on all volumes.
func read(r *task.Resource) (*task.DockerVolume, error) {
	var s spec
	if err := json.Unmarshal(r.Spec, &s); err != nil {
		return nil, fmt.Errorf("volume %q: %w", r.Name, err)
	}
	if s.Volume.Name == "" {
		return nil, fmt.Errorf("volume %q has no name in Docker", r.Name)
	}
	return &s.Volume, nil
}

// checkShared looks for a shared volume. It must be there unless the agent may create it, and may have to be as the task
// definition describes it.
func (k *Craft) checkShared(ctx context.Context, name string, v *task.DockerVolume) (exists bool, err error) {
	existing, err := k.Docker.InspectVolume(ctx, v.Name)
	switch {
	case err != nil && !v.Autoprovision:
		return false, fmt.Errorf("initialize volume: volume detection failed, volume '%s' does not exist and autoprovision is set to false: %w", name, reason(err))
	case task.ErrorName(err) == task.ErrDockerTimeout || ctx.Err() != nil:
		return false, reason(err)
	case err != nil:
		return false, nil
	case !v.Autoprovision || !k.MatchFullConfig:
		return true, nil
	case !maps.Equal(existing.Labels, v.Labels):
		return false, fmt.Errorf("intialize volume: non-autoprovisioned volume does not match existing volume labels: existing: %v, expected: %v", existing.Labels, v.Labels)
	case !maps.Equal(existing.Options, v.DriverOpts):
		return false, fmt.Errorf("initialize volume: non-autoprovisioned volume does not match existing volume options: existing: %v, expected: %v", existing.Options, v.DriverOpts)
	}
	return true, nil
}

// reason is the text of an error without its name.
func reason(err error) error {
	if err == nil {
		return nil
	}
	var named *task.Error
	if errors.As(err, &named) {
		if named.Message == "" {
			return errCannotCreate
		}
		return &unnamed{named}
	}
	return err
}

// unnamed is a named error whose text leaves the name out.
type unnamed struct{ named *task.Error }

func (e *unnamed) Error() string { return e.named.Message }
func (e *unnamed) Unwrap() error { return e.named }

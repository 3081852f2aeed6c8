package docker

import (
	"context"

	"github.com/docker/docker/api/types/volume"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Volume is a Docker volume. Driver, Options and Labels are what was asked for; Mountpoint is where the driver put it.
type Volume struct {
	Name       string
	Driver     string // empty: local
	Options    map[string]string
	Labels     map[string]string
	Mountpoint string
}

// CreateVolume creates a volume; one of that name and driver that exists already is given back unchanged.
// Errors: CannotCreateVolumeError, DockerTimeoutError.
func (c *Client) CreateVolume(ctx context.Context, v Volume) (Volume, error) {
	s := step{name: task.ErrCannotCreateVolume, doing: "creating volume", limit: volumeLimit}
	answer, err := guarded(ctx, s, func(ctx context.Context) (volume.Volume, error) {
		return c.api.VolumeCreate(ctx, volume.CreateOptions{
			Name: v.Name, Driver: v.Driver, DriverOpts: v.Options, Labels: v.Labels,
		})
	})
	return volumeOf(answer), err
}

// InspectVolume asks for one volume. When there is none the error satisfies IsNotFound.
// Errors: CannotInspectVolumeError, DockerTimeoutError.
func (c *Client) InspectVolume(ctx context.Context, name string) (Volume, error) {
	if err := checkRef(name); err != nil {
		return Volume{}, task.NewError(task.ErrCannotInspectVolume, err)
	}
	s := step{name: task.ErrCannotInspectVolume, doing: "inspecting volume", limit: volumeLimit}
	answer, err := guarded(ctx, s, func(ctx context.Context) (volume.Volume, error) {
		return c.api.VolumeInspect(ctx, name)
	})
	return volumeOf(answer), err
}

// RemoveVolume removes a volume; one that is gone already is fine. Errors: CannotRemoveVolumeError, DockerTimeoutError.
func (c *Client) RemoveVolume(ctx context.Context, name string) error {
	if err := checkRef(name); err != nil {
		return task.NewError(task.ErrCannotRemoveVolume, err)
	}
	s := step{name: task.ErrCannotRemoveVolume, doing: "removing volume", limit: volumeLimit}
	err := guardedDo(ctx, s, func(ctx context.Context) error { return c.api.VolumeRemove(ctx, name, false) })
	if IsNotFound(err) {
		return nil
	}
	return err
}

func volumeOf(v volume.Volume) Volume {
	return Volume{Name: v.Name, Driver: v.Driver, Options: v.Options, Labels: v.Labels, Mountpoint: v.Mountpoint}
}

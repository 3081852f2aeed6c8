//go:build integration

package docker

import (
	"context"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
)

// RemoveForced takes a container of a test away, past the proxy; one that is gone already is fine.
func (h *hungHost) RemoveForced(ctx context.Context, id string) error {
	err := dockertest.SDK(h.t).ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

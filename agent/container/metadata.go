package container

import (
	"context"
	"errors"
	"io/fs"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/metadatafile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// metadataFiles are the metadata files of containers as a side job of their steps: what goes wrong with them is logged and
// keeps no container from running.
type metadataFiles struct {
	files *metadatafile.Files
	// on is ECS_ENABLE_CONTAINER_METADATA. Files of a time when it was are removed all the same.
	on bool
}

// mount writes the file of a new container and adds it to the request, after all that the task definition has set.
func (m metadataFiles) mount(ctx context.Context, t *task.Task, c *task.Container, request *mapping.Request) {
	if !m.on || m.files == nil || c.Type != task.Normal {
		return
	}
	mount, err := m.files.Create(ctx, t, c)
	if err != nil {
		logger.Warn("Unable to create metadata for container", logger.F("taskARN", t.ARN), logger.F("containerName", c.Name), logger.Err(err))
		return
	}
	request.HostConfig.Binds = append(request.HostConfig.Binds, mount.Bind)
	request.Config.Env = append(request.Config.Env, mount.Variable)
}

// complete completes the file of a container that has just started, and notes that in what is known of it.
func (m metadataFiles) complete(t *task.Task, c *task.Container, s *task.ContainerState) {
	if !m.on || m.files == nil || c.Type != task.Normal {
		return
	}
	switch err := m.files.Ready(t, c, s); {
	case err == nil:
		s.MetadataFileReady = true
	case errors.Is(err, fs.ErrNotExist):
		// Created without a file, which was told then.
	default:
		logger.Warn("Unable to update metadata for container", logger.F("taskARN", t.ARN), logger.F("containerName", c.Name), logger.Err(err))
	}
}

func (m metadataFiles) remove(t *task.Task, c *task.Container) {
	if m.files == nil || c.Type != task.Normal {
		return
	}
	if err := m.files.Remove(t, c); err != nil {
		logger.Error("Cannot remove metadata of container", logger.F("taskARN", t.ARN), logger.F("containerName", c.Name), logger.Err(err))
	}
}

// CompleteMetadataFiles completes the files of running containers that a former run of the agent started and whose files it
// could not complete.
func (r *Runner) CompleteMetadataFiles(ctx context.Context, tasks []*task.Task) {
	if !r.files.on || r.files.files == nil {
		return
	}
	for _, t := range tasks {
		for _, c := range t.Containers {
			if c.Type != task.Normal || c.Known != task.ContainerRunning || c.MetadataFileReady || !r.files.files.Has(t, c) {
				continue
			}
			state, err := r.Inspect(ctx, c)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				logger.Warn("Unable to update metadata for container", logger.F("taskARN", t.ARN), logger.F("containerName", c.Name), logger.Err(err))
				continue
			}
			r.files.complete(t, c, state)
		}
	}
}

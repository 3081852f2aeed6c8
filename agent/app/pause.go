package app

import (
	"context"

	"github.com/aws/amazon-ecs-agent/agent/image"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// loadPauseImage brings the image of pause containers into Docker, as it came with the agent. Tasks cannot share PID or IPC
// namespaces without, nor have a network of their own.
func (a *agent) loadPauseImage(ctx context.Context) error {
	err := image.LoadTar(ctx, a.docker, a.cfg.PauseContainerTarballPath, task.PauseImage)
	if err == nil {
		a.pauseImage = true
		return nil
	}
	a.pauseImage = a.hasPauseImage(ctx)
	if ctx.Err() == nil {
		logger.Warn("Failed to load pause container: "+err.Error(), logger.F("image", task.PauseImage), logger.F("imageIsThere", a.pauseImage))
	}
	return err
}

func (a *agent) hasPauseImage(ctx context.Context) bool {
	there, err := image.Loaded(ctx, a.docker, task.PauseImage)
	return err == nil && there
}

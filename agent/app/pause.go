package app

import (
	"context"

	"github.com/aws/amazon-ecs-agent/agent/image"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// loadPauseImage brings the image of pause containers into Docker, as it came with the agent, and reports whether it is
// there. Tasks cannot share PID or IPC namespaces without.
func (a *agent) loadPauseImage(ctx context.Context) bool {
	err := image.LoadTar(ctx, a.docker, a.cfg.PauseContainerTarballPath, task.PauseImage)
	if err == nil {
		return true
	}
	there := a.hasPauseImage(ctx)
	if ctx.Err() == nil {
		logger.Warn("Failed to load pause container: "+err.Error(), logger.F("image", task.PauseImage), logger.F("imageIsThere", there))
	}
	return there
}

func (a *agent) hasPauseImage(ctx context.Context) bool {
	there, err := image.Loaded(ctx, a.docker, task.PauseImage)
	return err == nil && there
}

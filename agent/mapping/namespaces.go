package mapping

import (
	"errors"

	"github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// pidMode says whose processes the container sees.
func pidMode(b *build) error {
	if b.c.Type != task.Normal {
		return nil
	}
	switch b.task.PIDMode {
	case "host":
		b.HostConfig.PidMode = "host"
	case "task":
		id, err := namespaceHolder(b)
		if err != nil {
			return err
		}
		b.HostConfig.PidMode = container.PidMode("container:" + id)
	}
	return nil
}

// ipcMode says with whom the container shares memory.
func ipcMode(b *build) error {
	switch {
	case b.c.Type == task.NamespacePause && b.task.IPCMode == "task":
		b.HostConfig.IpcMode = container.IPCModeShareable
	case b.c.Type != task.Normal:
	case b.task.IPCMode == "host":
		b.HostConfig.IpcMode = container.IPCModeHost
	case b.task.IPCMode == "none":
		b.HostConfig.IpcMode = container.IPCModeNone
	case b.task.IPCMode == "task":
		id, err := namespaceHolder(b)
		if err != nil {
			return err
		}
		b.HostConfig.IpcMode = container.IpcMode("container:" + id)
	}
	return nil
}

// namespaceHolder is the Docker id of the pause container that holds the task's shared namespaces.
func namespaceHolder(b *build) (string, error) {
	for _, c := range b.task.Containers {
		if c.Type == task.NamespacePause && c.RuntimeID != "" {
			return c.RuntimeID, nil
		}
	}
	logger.Critical("The task has no container that holds its PID and IPC namespaces", logger.F("taskARN", b.task.ARN), logger.F("containerName", b.c.Name))
	return "", errors.New("namespace pause container not available")
}

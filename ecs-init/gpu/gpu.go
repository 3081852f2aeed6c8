// Package gpu tells the agent which NVIDIA GPUs the host has, in a file.
package gpu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
	"github.com/aws/amazon-ecs-agent/ecs-init/settings"
)

const (
	directory = "/var/lib/ecs/gpu"
	fileName  = "nvidia-gpu-info.json"

	license = "By using the GPU Optimized AMI, you agree to Nvidia’s End User License Agreement: https://www.nvidia.com/en-us/about-nvidia/eula-agreement/"
)

// info is the content of the file.
type info struct {
	DriverVersion string   `json:"DriverVersion"`
	GPUIDs        []string `json:"GPUIDs"`
}

// Setup writes the file anew. A host without NVIDIA devices gets none; a driver that does not work is an error, because
// tasks placed on this instance would not find their GPUs.
func Setup(ctx context.Context, root string, run command.Run) error {
	log.Infof("%s", license)
	if !settings.HasNVIDIA(root) {
		return Forget(root)
	}
	found, err := ask(ctx, root, run)
	if err != nil {
		return fmt.Errorf("Nvidia GPU Manager: setup failed: %w", err) //lint:ignore ST1005 users know this text
	}
	if err := save(root, found); err != nil {
		return fmt.Errorf("Nvidia GPU Manager: setup failed: gpu info state save failed: %w", err) //lint:ignore ST1005 users know this text
	}
	return nil
}

// Forget removes the file: it must not outlive the devices it lists.
func Forget(root string) error {
	err := os.Remove(filepath.Join(root, directory, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func save(root string, found info) error {
	content, err := json.Marshal(found)
	if err != nil {
		return err
	}
	dir := filepath.Join(root, directory)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(dir, fileName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // nothing is left of it after the rename
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Chmod(0o700), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), filepath.Join(dir, fileName))
}

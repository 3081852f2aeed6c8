// Package gpu reads what ecs-init found out about the GPUs of the host.
package gpu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// File is where ecs-init writes it, before each start of the agent.
const File = "/var/lib/ecs/gpu/nvidia-gpu-info.json"

// Info is the content of the file.
type Info struct {
	DriverVersion string
	GPUIDs        []string // "GPU-…"
}

// Read reads a file like File. Without one the host has no GPUs: that is logged, as somebody turned support for them on.
// A file that cannot be read is an error.
func Read(file string) (Info, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		logger.Error("Config for GPU support is enabled, but GPU information is not found; continuing without it", logger.F("file", file))
		return Info{}, nil
	}
	if err != nil {
		//lint:ignore ST1005 the text operators know
		return Info{}, fmt.Errorf("Could not initialize Nvidia GPU Manager: could not read GPU file content: %w", err)
	}
	var info Info
	if err := json.Unmarshal(text, &info); err != nil {
		//lint:ignore ST1005 the text operators know
		return Info{}, fmt.Errorf("Could not initialize Nvidia GPU Manager: could not unmarshal GPU file content: %s: %w", file, err)
	}
	return info, nil
}

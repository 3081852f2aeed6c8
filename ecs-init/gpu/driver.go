package gpu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

// NVIDIA's management library is spoken to through its own program, nvidia-smi. So a library that crashes or is missing
// cannot take ecs-init with it, and ecs-init stays a static program. Hosts that have the driver without the program are
// read from the kernel module's files.

var (
	errNoDevices = errors.New("error initializing GPU devices")
	uuidForm     = regexp.MustCompile(`^GPU-[0-9A-Za-z-]+$`)
)

// ask asks the driver for its version and the GPUs in the order of their indexes.
func ask(ctx context.Context, root string, run command.Run) (info, error) {
	table, err := run(ctx, "nvidia-smi", "--query-gpu=index,uuid,driver_version", "--format=csv,noheader")
	if errors.Is(err, exec.ErrNotFound) {
		return askKernel(root)
	}
	found, problems := parseTable(table)
	if err != nil && len(found.GPUIDs) == 0 {
		return info{}, fmt.Errorf("error initializing nvidia nvml: %s", reason(err))
	}
	if err != nil {
		problems = append(problems, reason(err))
	}
	for _, problem := range problems {
		log.Errorf("skipping a GPU device: %s", problem)
	}
	switch {
	case found.DriverVersion == "":
		return info{}, errors.New("error getting nvidia driver version: nvidia-smi does not tell it")
	case len(found.GPUIDs) == 0:
		return info{}, errNoDevices
	}
	return found, nil
}

// reason is what the program said, without the words in front of the library's text.
func reason(err error) string {
	var failed *command.Error
	if !errors.As(err, &failed) || failed.Said() == "" {
		return err.Error()
	}
	said, _ := strings.CutPrefix(failed.Said(), "Failed to initialize NVML: ")
	return said
}

// parseTable reads lines of "index, uuid, driver version".
func parseTable(table string) (found info, problems []string) {
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		columns := strings.Split(line, ",")
		for i := range columns {
			columns[i] = strings.TrimSpace(columns[i])
		}
		if len(columns) != 3 || !uuidForm.MatchString(columns[1]) {
			if line != "" {
				problems = append(problems, line)
			}
			continue
		}
		found.GPUIDs = append(found.GPUIDs, columns[1])
		found.DriverVersion = columns[2]
	}
	return found, problems
}

var versionForm = regexp.MustCompile(`(?m)^NVRM version:.*\s(\d+(?:\.\d+)+)\s`)

// askKernel reads what the driver's kernel module shows in /proc. A GPU has its identity only while somebody has its
// device open.
func askKernel(root string) (info, error) {
	const proc = "/proc/driver/nvidia"
	version, err := os.ReadFile(filepath.Join(root, proc, "version"))
	if err != nil {
		return info{}, fmt.Errorf("error initializing nvidia nvml: nvidia-smi is not installed, and the driver is not loaded: %w", err)
	}
	match := versionForm.FindSubmatch(version)
	if match == nil {
		return info{}, fmt.Errorf("error getting nvidia driver version: not found in %s/version", proc)
	}
	devices, _ := filepath.Glob(filepath.Join(root, "/dev/nvidia[0-9]*"))
	for _, device := range devices {
		opened, err := os.OpenFile(device, os.O_RDWR, 0)
		if err != nil {
			log.Errorf("could not open a GPU device: %v", err)
			continue
		}
		defer opened.Close()
	}
	files, err := filepath.Glob(filepath.Join(root, proc, "gpus/*/information"))
	if err != nil || len(files) == 0 {
		return info{}, fmt.Errorf("error getting GPU device count for UUID detection: nothing in %s/gpus", proc)
	}
	slices.Sort(files) // by PCI address, as the library numbers them
	found := info{DriverVersion: string(match[1])}
	for _, file := range files {
		uuid, err := uuidIn(file)
		if err != nil {
			log.Errorf("skipping a GPU device: %v", err)
			continue
		}
		found.GPUIDs = append(found.GPUIDs, uuid)
	}
	if len(found.GPUIDs) == 0 {
		return info{}, errNoDevices
	}
	return found, nil
}

func uuidIn(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(content)) {
		name, value, _ := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); strings.TrimSpace(name) == "GPU UUID" && uuidForm.MatchString(value) {
			return value, nil
		}
	}
	return "", fmt.Errorf("%s has no UUID", file)
}

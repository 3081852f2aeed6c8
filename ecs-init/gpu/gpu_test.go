package gpu

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/hosttest"
)

func gpuHost(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	hosttest.Put(t, root, "/dev/nvidia0", "")
	return root
}

func answering(table string, err error) command.Run {
	return func(_ context.Context, name string, args ...string) (string, error) {
		if name != "nvidia-smi" || strings.Join(args, " ") != "--query-gpu=index,uuid,driver_version --format=csv,noheader" {
			return "", errors.New("unexpected command " + name)
		}
		return table, err
	}
}

func saved(t *testing.T, root string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, directory, fileName))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

const twoGPUs = "0, GPU-0123, 396.44\n1, GPU-1234, 396.44\n"

func TestSetup(t *testing.T) {
	root := gpuHost(t)
	hosttest.Put(t, root, filepath.Join(directory, fileName), "old and much longer than what comes now, so that a rest of it would show")
	if err := Setup(t.Context(), root, answering(twoGPUs, nil)); err != nil {
		t.Fatal(err)
	}
	if got := saved(t, root); got != `{"DriverVersion":"396.44","GPUIDs":["GPU-0123","GPU-1234"]}` {
		t.Error(got)
	}
	if info, err := os.Stat(filepath.Join(root, directory, fileName)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Join(root, directory))
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}

	fresh := gpuHost(t)
	if err := Setup(t.Context(), fresh, answering(twoGPUs, nil)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(fresh, directory)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestSetupWithoutDevicesLeavesNoFile(t *testing.T) {
	root := t.TempDir()
	hosttest.Put(t, root, filepath.Join(directory, fileName), "{}")
	for range 2 {
		if err := Setup(t.Context(), root, nil); err != nil || saved(t, root) != "" {
			t.Errorf("%v, file %q", err, saved(t, root))
		}
	}
}

func TestABrokenGPUIsSkipped(t *testing.T) {
	root := gpuHost(t)
	table := "0, GPU-0123, 396.44\nUnable to determine the device handle for gpu 0000:00:1E.0: GPU is lost.\n"
	failed := &command.Error{Command: "nvidia-smi", Stdout: table, Cause: errors.New("exit status 15")}
	if err := Setup(t.Context(), root, answering(table, failed)); err != nil {
		t.Fatal(err)
	}
	if got := saved(t, root); got != `{"DriverVersion":"396.44","GPUIDs":["GPU-0123"]}` {
		t.Error(got)
	}
}

func TestSetupFails(t *testing.T) {
	cases := []struct {
		name string
		run  command.Run
		want string
	}{
		{"library and driver differ", answering("", &command.Error{Stdout: "Failed to initialize NVML: Driver/library version mismatch", Cause: errors.New("exit status 18")}),
			"Nvidia GPU Manager: setup failed: error initializing nvidia nvml: Driver/library version mismatch"},
		{"it hangs", answering("", &command.Error{Command: "nvidia-smi", Cause: context.DeadlineExceeded}),
			"Nvidia GPU Manager: setup failed: error initializing nvidia nvml: nvidia-smi: context deadline exceeded"},
		{"no GPU is left", answering("Unable to determine the device handle\n", nil),
			"Nvidia GPU Manager: setup failed: error getting nvidia driver version: nvidia-smi does not tell it"},
		{"no program and no driver", answering("", &command.Error{Cause: exec.ErrNotFound}),
			"Nvidia GPU Manager: setup failed: error initializing nvidia nvml: nvidia-smi is not installed, and the driver is not loaded: "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := gpuHost(t)
			err := Setup(t.Context(), root, c.run)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || saved(t, root) != "" {
				t.Errorf("%v", err)
			}
		})
	}
	root := gpuHost(t)
	hosttest.Put(t, root, directory, "a file where the directory should be")
	err := Setup(t.Context(), root, answering(twoGPUs, nil))
	if err == nil || !strings.HasPrefix(err.Error(), "Nvidia GPU Manager: setup failed: gpu info state save failed: ") {
		t.Errorf("%v", err)
	}
}

func TestHostsWithoutTheProgramAreReadFromTheKernel(t *testing.T) {
	missing := answering("", &command.Error{Cause: exec.ErrNotFound})
	root := gpuHost(t)
	hosttest.Put(t, root, "/proc/driver/nvidia/version",
		"NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.161.07  Sat Feb 17 22:55:48 UTC 2024\nGCC version:  gcc version 12.2.0\n")
	if err := Setup(t.Context(), root, missing); err == nil || !strings.Contains(err.Error(), "error getting GPU device count for UUID detection") {
		t.Errorf("%v", err)
	}
	hosttest.Put(t, root, "/proc/driver/nvidia/gpus/0000:00:1f.0/information", "Model: \t\t Tesla T4\nGPU UUID: \t GPU-bbb-2\n")
	hosttest.Put(t, root, "/proc/driver/nvidia/gpus/0000:00:1e.0/information", "Model: \t\t Tesla T4\nGPU UUID: \t GPU-aaa-1\n")
	hosttest.Put(t, root, "/proc/driver/nvidia/gpus/0000:00:1d.0/information", "Model: \t\t Tesla T4\nGPU UUID: \t GPU-????????-????-????-????-????????????\n")
	if err := Setup(t.Context(), root, missing); err != nil {
		t.Fatal(err)
	}
	if got := saved(t, root); got != `{"DriverVersion":"535.161.07","GPUIDs":["GPU-aaa-1","GPU-bbb-2"]}` {
		t.Error(got)
	}
	hosttest.Put(t, root, "/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build\n")
	if err := Setup(t.Context(), root, missing); err != nil || !strings.Contains(saved(t, root), "550.54.14") {
		t.Errorf("%v, %s", err, saved(t, root))
	}
	hosttest.Put(t, root, "/proc/driver/nvidia/version", "nonsense\n")
	if err := Setup(t.Context(), root, missing); err == nil || !strings.Contains(err.Error(), "error getting nvidia driver version") {
		t.Errorf("%v", err)
	}
}

func FuzzParseTable(f *testing.F) {
	f.Add(twoGPUs)
	f.Fuzz(func(t *testing.T, table string) {
		found, _ := parseTable(table)
		for _, id := range found.GPUIDs {
			if !strings.HasPrefix(id, "GPU-") || strings.ContainsAny(id, " ,\"") {
				t.Errorf("%q", id)
			}
		}
	})
}

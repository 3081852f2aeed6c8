// Package apparmor gives the agent's container its AppArmor profile.
package apparmor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/settings"
)

const (
	securityDir = "/sys/kernel/security/apparmor"
	parser      = "/sbin/apparmor_parser"
	enabledFile = "/sys/module/apparmor/parameters/enabled"
	configDir   = "/etc/apparmor.d"
)

// Supported reports whether the host confines containers with AppArmor. A host that is itself a container does not.
func Supported(root string, process settings.Process) bool {
	if process("container") != "" {
		return false
	}
	for _, path := range []string{securityDir, parser} {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			return false
		}
	}
	enabled, err := os.ReadFile(filepath.Join(root, enabledFile))
	return err == nil && strings.HasPrefix(string(enabled), "Y")
}

// Load writes the profile and gives it to the kernel, replacing an older one.
func Load(ctx context.Context, root string, run command.Run) error {
	if _, err := os.ReadFile(filepath.Join(root, securityDir, "profiles")); err != nil {
		return err
	}
	file := filepath.Join(configDir, ProfileName)
	onDisk := filepath.Join(root, file)
	if err := os.MkdirAll(filepath.Dir(onDisk), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(onDisk, []byte(profile(root)), 0o666); err != nil {
		return err
	}
	// -K: the parser keeps no compiled copy that could be older than the file.
	arguments := []string{"-Kr", file}
	stdout, err := run(ctx, "apparmor_parser", arguments...)
	if err != nil {
		output, cause := stdout, err
		var failed *command.Error
		if errors.As(err, &failed) {
			output, cause = failed.Stdout+failed.Stderr, failed.Cause
		}
		return fmt.Errorf("error loading apparmor profile %s: running `apparmor_parser %s` failed with output: %s\nerror: %w",
			file, strings.Join(arguments, " "), output, cause)
	}
	return nil
}

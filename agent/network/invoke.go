package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/utils"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
)

// logFile is where all plug-ins but those of the local bridge write their log.
const logFile = "/log/vpc-branch-eni.log"

// A plug-in that is being written while it is started is tried again.
const (
	busyTries = 5
	busyPause = time.Second
)

// namespace is where plug-ins work.
type namespace struct {
	container string // Docker id of the pause container
	path      string
}

// Plugins runs CNI plug-ins.
type Plugins struct {
	// Dir has the programs.
	Dir string
	// LogLevel is that of the agent.
	LogLevel string
}

// add has a plug-in set up its part; the result may be nil.
func (p Plugins) add(ctx context.Context, ns namespace, one plugin) (*types100.Result, error) {
	if err := utils.ValidateContainerID(ns.container); err != nil {
		return nil, err
	}
	if err := utils.ValidateInterfaceName(one.ifname); err != nil {
		return nil, err
	}
	path, config, err := p.prepare(one)
	if err != nil {
		return nil, err
	}
	result, err := invoke.ExecPluginWithResult(ctx, path, config, p.call("ADD", ns, one), &runner{})
	if err != nil {
		return nil, err
	}
	return types100.NewResultFromResult(result)
}

// del has a plug-in undo its part.
func (p Plugins) del(ctx context.Context, ns namespace, one plugin) error {
	path, config, err := p.prepare(one)
	if err != nil {
		return err
	}
	return invoke.ExecPluginWithoutResult(ctx, path, config, p.call("DEL", ns, one), &runner{})
}

func (p Plugins) prepare(one plugin) (path string, config []byte, err error) {
	if path, err = invoke.FindInPath(one.name, []string{p.Dir}); err != nil {
		return "", nil, &missingError{err}
	}
	config, err = one.config()
	return path, config, err
}

// missingError says that there is no such plug-in: trying again is of no use.
type missingError struct{ error }

func (e *missingError) Unwrap() error { return e.error }

// environment of a plug-in.
type environment []string

// AsEnv makes an environment usable as arguments of a call.
func (e environment) AsEnv() []string { return e }

func (p Plugins) call(command string, ns namespace, one plugin) environment {
	own := []string{
		"CNI_COMMAND=" + command, "CNI_CONTAINERID=" + ns.container, "CNI_NETNS=" + ns.path, "CNI_ARGS=", "CNI_IFNAME=" + one.ifname, "CNI_PATH=" + p.Dir,
		"ECS_CNI_LOGLEVEL=" + p.LogLevel, "VPC_CNI_LOG_LEVEL=" + p.LogLevel, "VPC_CNI_LOG_FILE=" + logFile,
	}
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.ContainsFunc(own, func(o string) bool { return strings.HasPrefix(o, name+"=") })
	})
	return append(env, own...)
}

// runner starts plug-ins, and ends them with all they started when their time is over.
type runner struct{ version.PluginDecoder }

// FindInPath finds a program.
func (*runner) FindInPath(name string, dirs []string) (string, error) {
	return invoke.FindInPath(name, dirs)
}

// ExecPlugin runs a program and gives what it wrote.
func (*runner) ExecPlugin(ctx context.Context, path string, stdin []byte, env []string) ([]byte, error) {
	for try := 1; ; try++ {
		stdout, stderr, err := run(ctx, stdin, env, path)
		switch {
		case err == nil:
			return stdout, nil
		case errors.Is(err, syscall.ETXTBSY) && try <= busyTries && backoff.Sleep(ctx, busyPause) == nil:
			continue
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%s did not end in time: %w", filepath.Base(path), ctx.Err())
		}
		return nil, pluginError(err, stdout, stderr)
	}
}

// pluginError is what a plug-in says about its failure.
func pluginError(err error, stdout, stderr []byte) error {
	said := types.Error{}
	switch {
	case len(stdout) == 0 && len(stderr) == 0:
		said.Msg = fmt.Sprintf("netplugin failed with no error message: %v", err)
	case len(stdout) == 0:
		said.Msg = fmt.Sprintf("netplugin failed: %q", string(stderr))
	default:
		if err := json.Unmarshal(stdout, &said); err != nil {
			said.Msg = fmt.Sprintf("netplugin failed but error parsing its diagnostic message %q: %v", string(stdout), err)
		}
	}
	return &said
}

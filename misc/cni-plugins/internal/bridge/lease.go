package bridge

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin"
	"github.com/containernetworking/cni/pkg/invoke"
	types040 "github.com/containernetworking/cni/pkg/types/040"
)

// lease gets the task's addresses from the IPAM plugin.
func lease(ctx context.Context, call *plugin.Call, ipam string) (*types040.Result, error) {
	program, err := invoke.FindInPath(ipam, filepath.SplitList(call.Path))
	if err != nil {
		return nil, fmt.Errorf("bridge ipam ADD: failed to execute plugin: %s: %w", ipam, err)
	}
	got, err := invoke.ExecPluginWithResult(ctx, program, call.Stdin, environment("ADD"), nil)
	if err != nil {
		return nil, fmt.Errorf("bridge ipam ADD: failed to execute plugin: %s: %w", ipam, err)
	}
	result, err := types040.NewResultFromResult(got)
	if err == nil {
		err = check(result)
	}
	if err != nil {
		return nil, withUndo(err, release(ctx, call, ipam))
	}
	return result, nil
}

// check refuses what no link can be made with.
func check(result *types040.Result) error {
	if n := len(result.IPs); n != 1 && n != 2 {
		return fmt.Errorf("bridge IPAM ADD: expected 1 or 2 IP configs, got %d", n)
	}
	for _, ip := range result.IPs {
		if ip.Address.IP == nil || ip.Address.Mask == nil {
			return fmt.Errorf("bridge IPAM ADD: address %q has no mask", ip.Address.String())
		}
		if ip.Gateway == nil {
			return fmt.Errorf("bridge IPAM ADD: address %s has no gateway", ip.Address.String())
		}
	}
	return nil
}

// release gives the addresses back.
func release(ctx context.Context, call *plugin.Call, ipam string) error {
	program, err := invoke.FindInPath(ipam, filepath.SplitList(call.Path))
	if err == nil {
		err = invoke.ExecPluginWithoutResult(ctx, program, call.Stdin, environment("DEL"), nil)
	}
	if err != nil {
		return fmt.Errorf("bridge ipam DEL: failed to execute plugin: %s: %w", ipam, err)
	}
	return nil
}

// environment is that of this process with another command.
type environment string

// AsEnv has the command last: of two variables with one name the last counts.
func (e environment) AsEnv() []string { return append(os.Environ(), "CNI_COMMAND="+string(e)) }

package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/eni"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/netdev"
	"github.com/aws/amazon-ecs-agent/agent/network"
	"github.com/aws/amazon-ecs-agent/agent/registration"
)

// newNetwork is how tasks of network mode awsvpc are connected.
func (a *agent) newNetwork() *network.Network {
	return &network.Network{
		Plugins: a.plugins(),
		Options: network.Options{BlockMetadata: a.cfg.AWSVPCBlockInstanceMetdata, LocalRoutes: a.cfg.AWSVPCAdditionalLocalRoutes,
			LocalAddress: a.cfg.OverrideAWSVPCLocalIPv4Address},
		ProcRoot: network.ProcRoot(),
	}
}

func (a *agent) plugins() network.Plugins {
	level := logger.FromEnvironment(os.LookupEnv, logger.LevelFlags{
		Both: a.flags.LogLevel, Driver: a.flags.LogLevelDriver, OnInstance: a.flags.LogLevelOnInstance}).DriverLevel
	return network.Plugins{Dir: a.cfg.CNIPluginsPath, LogLevel: level.String()}
}

// checkTaskNetworking makes sure that tasks can get interfaces of their own, if that is asked for. pauseErr says why the
// image of pause containers could not be loaded. The attributes of the instance tell where in the network it is and which
// plug-ins it has.
func (a *agent) checkTaskNetworking(ctx context.Context, pauseErr error) error {
	if !a.cfg.TaskENIEnabled {
		return nil
	}
	switch {
	case pauseErr != nil && a.pauseImage:
		// It is there from before.
	case errors.Is(pauseErr, fs.ErrNotExist), errors.Is(pauseErr, errors.ErrUnsupported):
		return terminal(pauseErr)
	case pauseErr != nil:
		return &registration.ExitError{Code: exitError, Err: pauseErr}
	}
	if os.Getpid() == 1 {
		// Plug-ins may leave processes behind: somebody has to wait for those.
		return terminal(errors.New("agent is not started with an init system"))
	}
	var err error
	if a.vpc, err = registration.LookUpVPC(ctx, a.metadata, true); err != nil {
		return err
	}
	if err := a.plugins().Probe(ctx, a.cfg.ENITrunkingEnabled); err != nil {
		return terminal(fmt.Errorf("ECS_CNI_PLUGINS_PATH: %w", err))
	}
	if a.devices, err = watchDevices(); err != nil {
		return &registration.ExitError{Code: exitError, Err: err}
	}
	return nil
}

// releaseLeaked gives back the local addresses that tasks of former runs left, once it is known which tasks there are.
func (a *agent) releaseLeaked(ctx context.Context, tasks *engine.Engine) {
	select {
	case <-tasks.Surveyed():
	case <-ctx.Done():
		return
	}
	if err := a.newNetwork().ReleaseLeaked(ctx, tasks.OwnsInterface); err != nil && ctx.Err() == nil {
		logger.Error("Cannot release the local addresses that are not in use any more", logger.Err(err))
	}
}

// watchDevices begins to listen for network devices, and makes sure that they can be listed.
func watchDevices() (*netdev.Watch, error) {
	watch, err := netdev.NewWatch()
	if err != nil {
		return nil, fmt.Errorf("unable to create ENI watcher: unable to create udev monitor: %w", err)
	}
	if _, err := netdev.Links(); err != nil {
		return nil, fmt.Errorf("unable to initialize eni watcher: eni watcher: unable to retrieve network interfaces: %w", err)
	}
	return watch, nil
}

// pluginVersions are the versions of the plug-ins, as far as they can be asked.
func (a *agent) pluginVersions(ctx context.Context) network.Versions {
	if !a.cfg.TaskENIEnabled {
		return network.Versions{}
	}
	versions, err := a.plugins().Versions(ctx, a.cfg.ENITrunkingEnabled)
	if err != nil {
		logger.Warn("Cannot read the version of a network plug-in", logger.Err(err))
	}
	return versions
}

// followENIs follows the interfaces that ECS attaches to the instance. Without task networking nobody looks for them.
func (a *agent) followENIs(ctx context.Context, parts *errgroup.Group, cluster string, tasks *engine.Engine) {
	var host eni.Host
	if a.devices != nil {
		host = eni.Host{PrimaryMAC: a.vpc.MAC, Links: netdev.Links, Watch: a.devices.Run}
		parts.Go(func() error {
			a.releaseLeaked(ctx, tasks)
			return nil
		})
	}
	parts.Go(func() error {
		a.enis.Run(ctx, cluster, host)
		return nil
	})
}

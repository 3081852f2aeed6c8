package action

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/amazon-ecs-agent/ecs-init/apparmor"
	"github.com/aws/amazon-ecs-agent/ecs-init/cache"
	"github.com/aws/amazon-ecs-agent/ecs-init/gpu"
	"github.com/aws/amazon-ecs-agent/ecs-init/hostnet"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
	"github.com/aws/amazon-ecs-agent/ecs-init/settings"
)

const (
	ebsDirectory = "/mnt/ecs/ebs"
	// refreshLimit is for a download that Docker's present image can stand in for: a host without a network must not wait
	// until the service manager gives up on it.
	refreshLimit = 45 * time.Second
)

// PreStart prepares the host for the agent. After an error the steps before it stay done; PostStop undoes them.
func PreStart(ctx context.Context, h Host) error {
	files := settings.LoadWaiting(ctx, h.Root)
	if err := h.setUpGPU(ctx, files); err != nil {
		return err
	}
	if apparmor.Supported(h.Root, h.Process) {
		log.Infof("pre-start: setting up %s AppArmor profile", apparmor.ProfileName)
		if err := apparmor.Load(ctx, h.Root, h.Run); err != nil {
			return err
		}
	}
	log.Infof("pre-start: enabling loopback routing")
	if err := hostnet.EnableLoopbackRouting(ctx, h.Run); err != nil {
		return fmt.Errorf("could not enable loopback routing: %w", err)
	}
	log.Infof("pre-start: disabling ipv6 router advertisements")
	if err := hostnet.DisableRouterAdvertisements(ctx, h.Run); err != nil {
		return fmt.Errorf("could not disable ipv6 router advertisements: %w", err)
	}
	log.Infof("pre-start: adding routes for TMDS access on IPv6-only host if applicable")
	if err := hostnet.AddAgentRoute(h.Root); err != nil {
		return fmt.Errorf("could not create routes for task metadata server: %w", err)
	}
	docker, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	log.Infof("pre-start: creating credentials proxy route")
	if err := h.protect(ctx, docker); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(h.Root, ebsDirectory), 0o755); err != nil {
		log.Errorf("could not create %s, tasks cannot use EBS volumes: %v", ebsDirectory, err)
	}
	return h.provideImage(ctx, docker, files)
}

func (h Host) setUpGPU(ctx context.Context, files settings.Files) error {
	if !files.GPU() {
		return gpu.Forget(h.Root)
	}
	log.Infof("pre-start: setting up GPUs")
	defer log.Infof("pre-start: done setting up GPUs")
	return gpu.Setup(ctx, h.Root, h.Run)
}

// protect adds the rules of iptables.
func (h Host) protect(ctx context.Context, docker Docker) error {
	bridge, err := docker.DefaultBridge(ctx)
	if err != nil {
		return err
	}
	if bridge == "" {
		log.Infof("No docker bridge network found, skipping bridge-specific iptables rules")
	}
	firewall, err := h.firewall()
	if err != nil {
		return err
	}
	filter := hostnet.Filter{
		SkipLocalhost:             h.Process.SkipLocalhostFilter(),
		AllowOffhostIntrospection: h.Process.AllowOffhostIntrospection(),
	}
	if err := firewall.Protect(ctx, filter, bridge); err != nil {
		return fmt.Errorf("could not create route to the credentials proxy: %w", err)
	}
	return nil
}

// provideImage makes Docker have the image that the state of the cache asks for.
func (h Host) provideImage(ctx context.Context, docker Docker, files settings.Files) error {
	images := h.images(docker)
	log.Infof("pre-start: checking ecs agent container image loaded presence")
	loaded, err := images.Loaded(ctx)
	if err != nil {
		return fmt.Errorf("could not check Docker for Agent image presence: %w", err)
	}
	log.Infof("pre-start: ecs agent container image loaded presence: %t", loaded)

	switch h.cache().Status() {
	case cache.Uncached:
		log.Infof("pre-start: downloading agent")
		if !loaded {
			return h.downloadAndLoad(ctx, docker, files)
		}
		ctx, cancel := context.WithTimeout(ctx, refreshLimit)
		defer cancel()
		if err := h.downloadAndLoad(ctx, docker, files); err != nil {
			log.Errorf("%v", err)
			log.Warnf("going on with the image of the agent that Docker has")
		}
		return nil
	case cache.ReloadNeeded:
		log.Infof("pre-start: reloading agent")
		return images.LoadCached(ctx)
	case cache.Cached:
		if loaded {
			return nil
		}
		log.Infof("pre-start: loading cached agent")
		return images.LoadCached(ctx)
	}
	return errors.New("could not handle cache state")
}

func (h Host) downloadAndLoad(ctx context.Context, docker Docker, files settings.Files) error {
	if err := h.download(ctx, files); err != nil {
		return fmt.Errorf("could not download Amazon Elastic Container Service Agent: %w", err)
	}
	return h.images(docker).LoadCached(ctx)
}

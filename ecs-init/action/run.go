package action

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/aws/amazon-ecs-agent/ecs-init/cache"
	"github.com/aws/amazon-ecs-agent/ecs-init/hostnet"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
	"github.com/aws/amazon-ecs-agent/ecs-init/settings"
	"github.com/aws/amazon-ecs-agent/ecs-init/supervise"
)

// Start runs the agent until it ends for good or ctx does, and returns its exit code.
func Start(ctx context.Context, h Host) (exitCode int, err error) {
	docker, err := h.Connect(ctx)
	if ctx.Err() != nil {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return supervise.Run(ctx, h.agent(docker), h.images(docker))
}

// Stop stops the agent; its container stays.
func Stop(ctx context.Context, h Host) error {
	docker, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	return h.agent(docker).Stop(ctx)
}

// PostStop undoes what PreStart did to the host's network, as far as it is there.
func PostStop(ctx context.Context, h Host) error {
	restored := hostnet.RestoreLoopbackRouting(ctx, h.Run)
	if err := hostnet.RemoveAgentRoute(h.Root); err != nil {
		log.Warnf("%v", err)
	}
	h.unprotect(ctx)
	if restored != nil {
		return fmt.Errorf("could not restore loopback routing: %w", restored)
	}
	return nil
}

func (h Host) unprotect(ctx context.Context) {
	if _, err := exec.LookPath("iptables"); err != nil {
		log.Warnf("could not remove the rules of the agent: %v", err)
		return
	}
	firewall, err := h.firewall()
	if err != nil {
		log.Warnf("could not remove the rules of the agent: %v", err)
		return
	}
	firewall.Remove(ctx)
}

// ReloadCache loads the cached image into Docker; without one it is downloaded. A running agent is left alone.
func ReloadCache(ctx context.Context, h Host) error {
	docker, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	if h.cache().Status() == cache.Uncached {
		return h.downloadAndLoad(ctx, docker, settings.Load(h.Root))
	}
	return h.images(docker).LoadCached(ctx)
}

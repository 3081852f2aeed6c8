// Package hostnet prepares the host's network for the agent: containers reach it at 169.254.170.2, and other hosts do
// not reach it at all.
package hostnet

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
)

const (
	routeLocalnetAll     = "net.ipv4.conf.all.route_localnet"
	routeLocalnetDefault = "net.ipv4.conf.default.route_localnet"
)

// EnableLoopbackRouting lets packets for 127.0.0.0/8 be routed, which the redirection to the agent needs.
func EnableLoopbackRouting(ctx context.Context, run command.Run) error {
	_, err := run(ctx, "sysctl", "-w", routeLocalnetAll+"=1")
	return err
}

// RestoreLoopbackRouting sets the kernel's switch back to the default of this host.
func RestoreLoopbackRouting(ctx context.Context, run command.Run) error {
	answer, err := run(ctx, "sysctl", routeLocalnetDefault)
	if err != nil {
		return err
	}
	_, text, _ := strings.Cut(answer, "=")
	value, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return fmt.Errorf("sysctl %s: unexpected answer %q", routeLocalnetDefault, strings.TrimSpace(answer))
	}
	_, err = run(ctx, "sysctl", "-w", routeLocalnetAll+"="+strconv.Itoa(value))
	return err
}

// DisableRouterAdvertisements keeps containers from sending IPv6 routes to the host. A host without docker0 or without
// IPv6 is fine.
func DisableRouterAdvertisements(ctx context.Context, run command.Run) error {
	_, err := run(ctx, "sysctl", "-e", "-w", "net.ipv6.conf.docker0.accept_ra=0")
	return err
}

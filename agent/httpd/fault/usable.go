package fault

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// probeTimeout bounds each question to the host.
const probeTimeout = time.Minute

// Usable says why faults cannot be made on this host; nil if they can.
func Usable(ctx context.Context, ipv6Only bool) error {
	return usable(ctx, ipv6Only, exec.LookPath, run, defaultLinks)
}

func usable(ctx context.Context, ipv6Only bool, find func(string) (string, error), run runner, links func() ([]link, error)) error {
	tools := []string{"iptables", "tc", "nsenter"}
	if ipv6Only {
		tools = append(tools, "ip6tables")
	}
	for _, tool := range tools {
		if _, err := find(tool); err != nil {
			return err
		}
	}
	probe := func(args ...string) error {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		_, err := run(ctx, args, "")
		return err
	}
	if err := probe("modinfo", "sch_netem"); err != nil {
		return fmt.Errorf("the kernel has no network emulation: %w", err)
	}
	devices, err := links()
	if err != nil {
		return err
	}
	if len(devices) == 0 {
		return errors.New("the host has no default route")
	}
	return probe("tc", "-j", "q", "show", "dev", devices[0].name, "parent", "1:1")
}

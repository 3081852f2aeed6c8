package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/lab"
)

const labExamples = `  local-ecs lab up
  local-ecs lab up --name other --ipv4 10.99.0.0/24 --ipv6 fd00:99::/64
  local-ecs lab up --trunk
  local-ecs lab down
`

// labCommand makes and removes the network in which tasks of network mode awsvpc get interfaces.
func labCommand(_ context.Context, env *Env, args []string) (int, error) {
	l := lab.Default()
	fs := flags(env, "lab", "up|down [flags]", labExamples)
	dir := fs.String("data-dir", defaultDataDir(env), "`directory` of the state file of serve, which finds the lab there")
	fs.StringVar(&l.Name, "name", l.Name, "`name` of the network namespace, and of the host's interface in it")
	fs.TextVar(&l.IPv4, "ipv4", l.IPv4, "IPv4 `network`; .1 is the gateway, .2 the host, .10 to .250 are for tasks")
	fs.TextVar(&l.IPv6, "ipv6", l.IPv6, "IPv6 `network`")
	fs.BoolVar(&l.Trunk, "trunk", false, "give instances whose agent can use one (ECS_ENABLE_HIGH_DENSITY_ENI) a trunk interface, and tasks there branches of it; takes a kernel with VLANs (8021q)")
	positional, err := parse(fs, args)
	if err != nil {
		return exitUsage, err
	}
	if err := exactly(positional, "up or down"); err != nil {
		return exitUsage, err
	}
	switch positional[0] {
	case "up":
		return labUp(env, l, *dir)
	case "down":
		return labDown(env, *dir)
	}
	return exitUsage, errUsage{fmt.Errorf("unknown word %q: use up or down", positional[0])}
}

func labUp(env *Env, l lab.Lab, dir string) (int, error) {
	if err := l.Check(); err != nil {
		return exitUsage, errUsage{err}
	}
	if err := l.Up(dir); errors.Is(err, lab.ErrNoVLANs) {
		return exitError, err
	} else if err != nil {
		return exitError, fmt.Errorf("%w (it takes root)", err)
	}
	ipv4, ipv6 := l.Gateways()
	_, err := fmt.Fprintf(env.Out, "network namespace %s, gateway %s and %s\nsubnets: %s (IPv4), %s (IPv4 and IPv6), %s (IPv6)\n", l.Name, bare(ipv4), bare(ipv6),
		lab.SubnetIPv4, lab.SubnetDual, lab.SubnetIPv6)
	return exitOK, err
}

func bare(p netip.Prefix) string { return p.Addr().String() }

func labDown(env *Env, dir string) (int, error) {
	l, err := lab.Load(dir)
	if errors.Is(err, lab.ErrNone) {
		_, err := fmt.Fprintf(env.Out, "no lab in %s\n", dir)
		return exitOK, err
	}
	if err == nil {
		err = l.Down(dir)
	}
	if err != nil {
		return exitError, fmt.Errorf("%w (it takes root)", err)
	}
	return exitOK, nil
}

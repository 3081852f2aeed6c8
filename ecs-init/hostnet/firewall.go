package hostnet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

const (
	ipv4Program = "iptables"
	ipv6Program = "ip6tables"
	// firewallLimit is for all changes of one action; waiting for another program that changes the tables is part of it.
	firewallLimit = 2 * time.Minute
	// mostCopies of one rule are removed. Older versions left copies behind when a stop was interrupted.
	mostCopies = 256
)

// Firewall adds and removes the rules around the agent.
type Firewall struct {
	Root     string
	Run      command.Run
	Loopback string // name of the loopback interface
}

// Protect makes the rules be there, once each and in their order. bridge is the interface of Docker's default network,
// empty when there is none. The first failure ends it; what was added so far stays, Remove takes it away.
func (f Firewall) Protect(ctx context.Context, filter Filter, bridge string) error {
	ctx, cancel := context.WithTimeout(ctx, firewallLimit)
	defer cancel()
	programs := f.programs()
	rules := wanted(filter, f.Loopback, bridge)
	complete, err := f.complete(ctx, programs, rules)
	if err != nil || complete {
		return err
	}
	// Their order counts, so a part of them is no good start.
	f.remove(ctx, programs)
	for _, r := range rules {
		for _, program := range programs {
			if !r.in(program) {
				continue
			}
			if _, err := f.Run(ctx, program, r.arguments(r.add())...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f Firewall) complete(ctx context.Context, programs []string, rules []rule) (bool, error) {
	for _, r := range rules {
		for _, program := range programs {
			if !r.in(program) {
				continue
			}
			if found, err := f.has(ctx, program, r); err != nil || !found {
				return false, err
			}
		}
	}
	return true, nil
}

// Remove removes every rule that ecs-init may have added, whatever the settings are now, with all its copies. The rules
// may never have existed, so failures are only logged.
func (f Firewall) Remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firewallLimit)
	defer cancel()
	f.remove(ctx, f.programs())
}

func (f Firewall) remove(ctx context.Context, programs []string) {
	for _, program := range programs {
		rules := possible(f.Loopback)
		for _, bridge := range f.allowedBridges(ctx, program) {
			rules = append(rules, allowBridge(bridge))
		}
		for _, r := range rules {
			if !r.in(program) {
				continue
			}
			if err := f.removeCopies(ctx, program, r); err != nil {
				log.Warnf("could not remove a rule: %v", err)
			}
		}
	}
}

func (f Firewall) removeCopies(ctx context.Context, program string, r rule) error {
	for range mostCopies {
		found, err := f.has(ctx, program, r)
		if err != nil || !found {
			return err
		}
		if _, err := f.Run(ctx, program, r.arguments("-D")...); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: more than %d copies of rule %s", program, mostCopies, strings.Join(r.spec, " "))
}

func (f Firewall) has(ctx context.Context, program string, r rule) (bool, error) {
	_, err := f.Run(ctx, program, r.arguments("-C")...)
	if command.Status(err) == 1 {
		return false, nil
	}
	return err == nil, err
}

// allowedBridges names the bridges whose containers may reach the introspection port, and interfaces of such a rule that
// exist no more. The daemon may be down or configured anew, so it is not asked. Rules an operator made for other kinds
// of interfaces are not ecs-init's.
func (f Firewall) allowedBridges(ctx context.Context, program string) []string {
	list, err := f.Run(ctx, program, "-w", "-t", "filter", "-S", "INPUT")
	if err != nil {
		log.Warnf("could not list the rules: %v", err)
		return nil
	}
	var bridges []string
	for line := range strings.Lines(list) {
		rest, ours := strings.CutPrefix(strings.TrimSpace(line), "-A INPUT -i ")
		name, ours2 := strings.CutSuffix(rest, " -p tcp -m tcp --dport "+introspectionPort+" -j ACCEPT")
		if ours && ours2 && !strings.Contains(name, " ") && !slices.Contains(bridges, name) && f.bridgeOrGone(name) {
			bridges = append(bridges, name)
		}
	}
	return bridges
}

func (f Firewall) bridgeOrGone(name string) bool {
	device := filepath.Join(f.Root, "/sys/class/net", name)
	if _, err := os.Stat(device); err != nil {
		return true
	}
	_, err := os.Stat(filepath.Join(device, "bridge"))
	return err == nil
}

// programs names the programs for the IP versions of this host.
func (f Firewall) programs() []string {
	if _, err := os.Stat(filepath.Join(f.Root, "/proc/sys/net/ipv6")); err != nil {
		return []string{ipv4Program}
	}
	if _, err := exec.LookPath(ipv6Program); err != nil {
		log.Warnf("%s not found in PATH: the introspection port is not protected against other hosts that use IPv6", ipv6Program)
		return []string{ipv4Program}
	}
	return []string{ipv4Program, ipv6Program}
}

func (r rule) in(program string) bool { return program == ipv4Program || r.ipv6 }

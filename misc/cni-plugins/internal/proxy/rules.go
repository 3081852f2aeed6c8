// Package proxy holds the plugins that lead a task's connections through a proxy beside it: aws-appmesh and
// ecs-serviceconnect.
package proxy

import (
	"errors"
	"fmt"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/link"
	"github.com/coreos/go-iptables/iptables"
)

// part is a piece of packet filtering that is set up and taken away as one: chains of its own, and rules in the chains of
// the kernel that lead there.
type part struct {
	table  string
	chains []chain
	hooks  []hook
}

type chain struct {
	name  string
	rules [][]string
}

type hook struct {
	chain string
	rule  []string
}

// add sets the part up. Doing it again gives the same rules once.
func (p part) add(t *iptables.IPTables) error {
	for _, c := range p.chains {
		if err := t.ClearChain(p.table, c.name); err != nil {
			return fmt.Errorf("make chain %s: %w", c.name, err)
		}
		for _, rule := range c.rules {
			if err := t.Append(p.table, c.name, rule...); err != nil {
				return fmt.Errorf("add to chain %s: %w", c.name, err)
			}
		}
	}
	for _, h := range p.hooks {
		if err := t.AppendUnique(p.table, h.chain, h.rule...); err != nil {
			return fmt.Errorf("add to chain %s: %w", h.chain, err)
		}
	}
	return nil
}

// remove takes the part away. What is not there is fine, also where only a piece is.
func (p part) remove(t *iptables.IPTables) error {
	existing, err := t.ListChains(p.table)
	if err != nil {
		return fmt.Errorf("list chains of table %s: %w", p.table, err)
	}
	own := map[string]bool{}
	for _, name := range existing {
		own[name] = true
	}
	// A rule that jumps to a chain that does not exist cannot even be asked for.
	reachable := len(p.chains) == 0
	for _, c := range p.chains {
		reachable = reachable || own[c.name]
	}
	if !reachable {
		return nil
	}
	var errs []error
	for _, h := range p.hooks {
		if err := t.DeleteIfExists(p.table, h.chain, h.rule...); err != nil {
			errs = append(errs, fmt.Errorf("delete from chain %s: %w", h.chain, err))
		}
	}
	for _, c := range p.chains {
		if !own[c.name] {
			continue
		}
		if err := t.ClearAndDeleteChain(p.table, c.name); err != nil {
			errs = append(errs, fmt.Errorf("delete chain %s: %w", c.name, err))
		}
	}
	return errors.Join(errs...)
}

// lockWait is how long, in seconds, iptables waits for other users of the tables.
const lockWait = 10

// protocols are the packet filters of the wanted families that this kernel has.
func protocols(v4, v6 bool) (filters []*iptables.IPTables, err error) {
	for _, p := range []struct {
		wanted   bool
		protocol iptables.Protocol
	}{{v4, iptables.ProtocolIPv4}, {v6 && link.HaveIPv6(), iptables.ProtocolIPv6}} {
		if !p.wanted {
			continue
		}
		t, err := iptables.New(iptables.IPFamily(p.protocol), iptables.Timeout(lockWait))
		if err != nil {
			return nil, err
		}
		filters = append(filters, t)
	}
	return filters, nil
}

func isIPv6(t *iptables.IPTables) bool { return t.Proto() == iptables.ProtocolIPv6 }

package acs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// check reports the first thing that makes the interface unusable.
func (e *wireENI) check() error {
	const prefix = "eni message validation: "
	if e == nil {
		return errors.New(prefix + "empty eni in the message")
	}
	switch {
	case len(e.IPv6) > 0 && len(e.IPv4) == 0:
		if e.GatewayIPv6 == "" {
			return errors.New(prefix + "no subnet gateway ipv6 address in the message")
		}
		if !isCIDR(e.GatewayIPv6) {
			return errors.New(prefix + "invalid subnet gateway ipv6 address " + e.GatewayIPv6)
		}
	case len(e.IPv4) == 0:
		return errors.New(prefix + "no ipv4 addresses in the message")
	case e.GatewayIPv4 == "":
		return errors.New(prefix + "no subnet gateway ipv4 address in the message")
	case !isCIDR(e.GatewayIPv4):
		return errors.New(prefix + "invalid subnet gateway ipv4 address " + e.GatewayIPv4)
	}
	switch {
	case e.MAC == "":
		return errors.New(prefix + "empty eni mac address in the message")
	case e.EC2ID == "":
		return errors.New(prefix + "empty eni id in the message")
	}
	switch e.protocol() {
	case task.ENIDefault:
	case task.ENIVLAN:
		if e.VLAN == nil || e.VLAN.ID == "" || e.VLAN.TrunkMAC == "" {
			return errors.New("vlan interface properties missing")
		}
	default:
		return fmt.Errorf("invalid interface association protocol: %s", e.protocol())
	}
	return nil
}

func (e *wireENI) protocol() string {
	if e.Protocol == nil || *e.Protocol == "" {
		return task.ENIDefault
	}
	return *e.Protocol
}

// isCIDR reports whether s has the form address/length; it does not look closer.
func isCIDR(s string) bool {
	address, length, found := strings.Cut(s, "/")
	return found && address != "" && length != "" && !strings.Contains(length, "/")
}

// interfaces checks and converts the interfaces of a task, the primary one first.
func interfaces(list []*wireENI) (task.ENIs, error) {
	var enis task.ENIs
	for _, e := range list {
		if err := e.check(); err != nil {
			return nil, err
		}
		eni := task.ENI{
			EC2ID: e.EC2ID, MAC: e.MAC, GatewayIPv4: e.GatewayIPv4, GatewayIPv6: e.GatewayIPv6,
			NameServers: e.NameServers, SearchDomains: e.SearchDomains, DNSName: e.DNSName, Protocol: e.protocol(),
		}
		for _, a := range e.IPv4 {
			eni.IPv4 = append(eni.IPv4, task.ENIAddress{Primary: a.Primary, Address: a.Address})
		}
		for _, a := range e.IPv6 {
			eni.IPv6 = append(eni.IPv6, task.ENIAddress{Primary: a.Primary, Address: a.Address})
		}
		if e.protocol() == task.ENIVLAN {
			eni.VLAN = &task.ENIVlan{ID: e.VLAN.ID, TrunkMAC: e.VLAN.TrunkMAC}
		}
		enis = append(enis, eni)
	}
	return enis, nil
}

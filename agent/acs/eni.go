package acs

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Interface association protocols of an ENI.
const (
	protocolDefault = "default"
	protocolVLAN    = "vlan"
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
	case protocolDefault:
	case protocolVLAN:
		if e.VLAN == nil || e.VLAN.ID == "" || e.VLAN.TrunkMAC == "" {
			return errors.New("vlan interface properties missing")
		}
	default:
		return fmt.Errorf("invalid interface association protocol: %s", e.protocol())
	}
	return nil
}

func (e *wireENI) protocol() string {
	if e.Protocol == nil {
		return protocolDefault
	}
	return *e.Protocol
}

// isCIDR reports whether s has the form address/length; it does not look closer.
func isCIDR(s string) bool {
	address, length, found := strings.Cut(s, "/")
	return found && address != "" && length != "" && !strings.Contains(length, "/")
}

// eniRecord is an interface of a task as agent.db keeps it (member ENI of the task).
type eniRecord struct {
	EC2ID         string       `json:"ec2Id"`
	LinkName      string       `json:"LinkName"`
	MAC           string       `json:"MacAddress"`
	IPv4          []eniAddress `json:"IPV4Addresses"`
	IPv6          []eniAddress `json:"IPV6Addresses"`
	GatewayIPv4   string       `json:"SubnetGatewayIPV4Address,omitempty"`
	GatewayIPv6   string       `json:"SubnetGatewayIPV6Address,omitempty"`
	NameServers   []string     `json:"DomainNameServers,omitempty"`
	SearchDomains []string     `json:"DomainNameSearchList,omitempty"`
	DNSName       string       `json:"PrivateDNSName,omitempty"`
	Protocol      string       `json:"InterfaceAssociationProtocol"`
	VLAN          *eniVLAN     `json:"InterfaceVlanProperties,omitempty"`
}

type eniAddress struct {
	Primary bool
	Address string
}

type eniVLAN struct {
	ID       string `json:"VlanID"`
	TrunkMAC string `json:"TrunkInterfaceMacAddress"`
}

// eniRecords checks and converts the interfaces of a task, the primary one first; nil without any.
func eniRecords(list []*wireENI) (json.RawMessage, error) {
	var records []eniRecord
	for _, e := range list {
		if err := e.check(); err != nil {
			return nil, err
		}
		r := eniRecord{
			EC2ID: e.EC2ID, MAC: e.MAC, GatewayIPv4: e.GatewayIPv4, GatewayIPv6: e.GatewayIPv6,
			NameServers: e.NameServers, SearchDomains: e.SearchDomains, DNSName: e.DNSName, Protocol: e.protocol(),
		}
		for _, a := range e.IPv4 {
			r.IPv4 = append(r.IPv4, eniAddress{a.Primary, a.Address})
		}
		for _, a := range e.IPv6 {
			r.IPv6 = append(r.IPv6, eniAddress{a.Primary, a.Address})
		}
		if e.protocol() == protocolVLAN {
			r.VLAN = &eniVLAN{e.VLAN.ID, e.VLAN.TrunkMAC}
		}
		records = append(records, r)
	}
	if records == nil {
		return nil, nil
	}
	return json.Marshal(records)
}

package task

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
)

// NetworkAWSVPC is the network mode of tasks with a network interface of their own.
const NetworkAWSVPC = "awsvpc"

// ENIInterface is the name of a task's interface in its own network namespace.
const ENIInterface = "eth0"

// Protocols with which an interface is associated with a task (ECS interfaceAssociationProtocol).
const (
	ENIDefault = "default" // an interface that is attached to the instance
	ENIVLAN    = "vlan"    // a branch of the instance's trunk interface
)

// ENIs are the elastic network interfaces of a task, the primary one first.
type ENIs []ENI

// ENI is an elastic network interface of a task.
type ENI struct {
	EC2ID         string       `json:"ec2Id"`
	LinkName      string       `json:"LinkName"`
	MAC           string       `json:"MacAddress"`
	IPv4          []ENIAddress `json:"IPV4Addresses"`
	IPv6          []ENIAddress `json:"IPV6Addresses"`
	GatewayIPv4   string       `json:"SubnetGatewayIPV4Address,omitempty"` // with the prefix length of the subnet
	GatewayIPv6   string       `json:"SubnetGatewayIPV6Address,omitempty"`
	NameServers   []string     `json:"DomainNameServers,omitempty"`
	SearchDomains []string     `json:"DomainNameSearchList,omitempty"`
	DNSName       string       `json:"PrivateDNSName,omitempty"`
	// Protocol is ENIDefault or ENIVLAN; records of old agents have none, which means ENIDefault.
	Protocol string   `json:"InterfaceAssociationProtocol"`
	VLAN     *ENIVlan `json:"InterfaceVlanProperties,omitempty"`

	// record is what the interface was read from: an interface never changes, and other agents' records have members of
	// their own.
	record json.RawMessage
}

// ENIAddress is an address of an interface, without prefix length.
type ENIAddress struct {
	Primary bool
	Address string
}

// ENIVlan says where a branch interface is.
type ENIVlan struct {
	ID       string `json:"VlanID"`
	TrunkMAC string `json:"TrunkInterfaceMacAddress"`
}

// UnmarshalJSON also reads the single object of old agents.
func (list *ENIs) UnmarshalJSON(data []byte) error {
	if data = bytes.TrimSpace(data); bytes.HasPrefix(data, []byte("{")) {
		data = append(append([]byte{'['}, data...), ']')
	}
	return json.Unmarshal(data, (*[]ENI)(list))
}

// eniRecord is an ENI in its plain JSON form.
type eniRecord ENI

// UnmarshalJSON reads an interface and keeps what it was read from.
func (e *ENI) UnmarshalJSON(data []byte) error {
	e.record = bytes.Clone(data)
	return json.Unmarshal(data, (*eniRecord)(e))
}

// MarshalJSON gives back what the interface was read from.
func (e ENI) MarshalJSON() ([]byte, error) {
	if e.record != nil {
		return e.record, nil
	}
	return json.Marshal(eniRecord(e))
}

// PrimaryENI is the interface that gives the task its name, its DNS and its IP families; nil for tasks without one.
func (t *Task) PrimaryENI() *ENI {
	if len(t.ENIs) == 0 {
		return nil
	}
	return &t.ENIs[0]
}

// Branch reports whether the interface is a VLAN on the instance's trunk: no device of its own ever appears on the host.
func (e *ENI) Branch() bool { return e.Protocol == ENIVLAN }

// IPv6Only reports whether the interface has no IPv4 address.
func (e *ENI) IPv6Only() bool { return len(e.IPv4) == 0 && len(e.IPv6) > 0 }

// IPv4Addresses lists the addresses, without prefix length.
func (e *ENI) IPv4Addresses() []string { return addressTexts(e.IPv4, "") }

// IPv6Addresses lists the addresses, without prefix length.
func (e *ENI) IPv6Addresses() []string { return addressTexts(e.IPv6, "") }

func addressTexts(list []ENIAddress, suffix string) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.Address+suffix)
	}
	return out
}

// vpcIPv6Length is the prefix length of every IPv6 subnet of a VPC.
const vpcIPv6Length = "64"

// Prefixes lists all addresses with the prefix length of their subnet, IPv4 first.
func (e *ENI) Prefixes() []string {
	_, length4, _ := strings.Cut(e.GatewayIPv4, "/")
	length6 := vpcIPv6Length
	if e.IPv6Only() {
		if _, own, _ := strings.Cut(e.GatewayIPv6, "/"); own != "" {
			length6 = own
		}
	}
	return append(addressTexts(e.IPv4, "/"+length4), addressTexts(e.IPv6, "/"+length6)...)
}

// Gateway is the router of the interface's subnet: the IPv4 one, if there is IPv4. IPv6 routers of other interfaces announce
// themselves.
func (e *ENI) Gateway() (string, error) {
	gateway := e.GatewayIPv4
	if e.IPv6Only() {
		if gateway = e.GatewayIPv6; gateway == "" {
			return "", errors.New("task ENI is IPv6-only but has no IPv6 subnet gateway address")
		}
	}
	address, _, _ := strings.Cut(gateway, "/")
	return address, nil
}

// IPv4Subnet is the network of the gateway; empty when it is not known.
func (e *ENI) IPv4Subnet() string {
	gateway, err := netip.ParsePrefix(e.GatewayIPv4)
	if err != nil {
		return ""
	}
	return gateway.Masked().String()
}

// IPv6Subnet is the network of the first IPv6 address: a /64, as every subnet of a VPC; an interface without IPv4 has the
// prefix length of its gateway.
func (e *ENI) IPv6Subnet() string {
	if len(e.IPv6) == 0 {
		return ""
	}
	own, err := netip.ParseAddr(e.IPv6[0].Address)
	if err != nil {
		return ""
	}
	bits := 64
	if gateway, err := netip.ParsePrefix(e.GatewayIPv6); err == nil && e.IPv6Only() {
		bits = gateway.Bits()
	}
	subnet, err := own.Prefix(bits)
	if err != nil {
		return ""
	}
	return subnet.String()
}

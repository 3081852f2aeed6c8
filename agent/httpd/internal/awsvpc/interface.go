// Package awsvpc reads what a task's record says about its elastic network interface, for the endpoints that show it.
package awsvpc

import (
	"bytes"
	"encoding/json"
	"net/netip"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Mode is the network mode of tasks with an interface of their own.
const Mode = "awsvpc"

// Interface is the first elastic network interface of a task, in the JSON of agent.db.
type Interface struct {
	MACAddress           string    `json:"MacAddress"`
	IPv4                 []address `json:"IPV4Addresses"`
	IPv6                 []address `json:"IPV6Addresses"`
	GatewayIPv4          string    `json:"SubnetGatewayIPV4Address"` // with prefix length
	GatewayIPv6          string    `json:"SubnetGatewayIPV6Address"`
	DomainNameServers    []string  `json:"DomainNameServers"`
	DomainNameSearchList []string  `json:"DomainNameSearchList"`
	PrivateDNSName       string    `json:"PrivateDNSName"`
}

type address struct {
	Address string `json:"Address"`
}

// Of gives the task's interface; nil for tasks without one.
func Of(t *task.Task) *Interface {
	record := bytes.TrimSpace(t.ENI)
	if len(record) == 0 || string(record) == "null" {
		return nil
	}
	if record[0] == '{' { // records of old agents
		record = append(append([]byte{'['}, record...), ']')
	}
	var list []Interface
	if err := json.Unmarshal(record, &list); err != nil {
		logger.Warn("Cannot read the network interface of a task", logger.F("taskARN", t.ARN), logger.Err(err))
		return nil
	}
	if len(list) == 0 {
		return nil
	}
	return &list[0]
}

// IPv4Addresses lists the addresses, without prefix length.
func (i *Interface) IPv4Addresses() []string { return texts(i.IPv4) }

// IPv6Addresses lists the addresses, without prefix length.
func (i *Interface) IPv6Addresses() []string { return texts(i.IPv6) }

func texts(list []address) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.Address)
	}
	return out
}

// IPv6Only reports whether the interface has no IPv4 address.
func (i *Interface) IPv6Only() bool { return len(i.IPv4) == 0 && len(i.IPv6) > 0 }

// IPv4Subnet is the network of the gateway; empty when it is not known.
func (i *Interface) IPv4Subnet() string {
	gateway, err := netip.ParsePrefix(i.GatewayIPv4)
	if err != nil {
		return ""
	}
	return gateway.Masked().String()
}

// IPv6Subnet is the network of the first IPv6 address: a /64, as every subnet of a VPC; an interface without IPv4 has the
// prefix length of its gateway.
func (i *Interface) IPv6Subnet() string {
	if len(i.IPv6) == 0 {
		return ""
	}
	own, err := netip.ParseAddr(i.IPv6[0].Address)
	if err != nil {
		return ""
	}
	bits := 64
	if gateway, err := netip.ParsePrefix(i.GatewayIPv6); err == nil && i.IPv6Only() {
		bits = gateway.Bits()
	}
	subnet, err := own.Prefix(bits)
	if err != nil {
		return ""
	}
	return subnet.String()
}

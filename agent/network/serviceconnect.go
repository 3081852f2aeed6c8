package network

import (
	"encoding/json"
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// serviceConnect is what the plug-in needs of a task's Service Connect configuration, in the JSON of agent.db.
type serviceConnect struct {
	Ingress []struct {
		ListenerPort  uint16  `json:"listenerPort"`
		InterceptPort *uint16 `json:"interceptPort"`
	} `json:"ingressConfig"`
	Egress *struct {
		ListenerPort uint16 `json:"listenerPort"`
		VIP          struct {
			IPv4CIDR string `json:"ipv4Cidr"`
			IPv6CIDR string `json:"ipv6Cidr"`
		} `json:"vip"`
	} `json:"egressConfig"`
}

// serviceConnectOf gives the task's configuration; nil without one.
func serviceConnectOf(t *task.Task) (*serviceConnect, error) {
	if len(t.ServiceConnect) == 0 || string(t.ServiceConnect) == "null" {
		return nil, nil
	}
	s := &serviceConnect{}
	if err := json.Unmarshal(t.ServiceConnect, s); err != nil {
		return nil, fmt.Errorf("service connect configuration: %w", err)
	}
	return s, nil
}

// How traffic to services is led to the proxy: rewritten where it leaves, or routed as it is.
const (
	redirectNAT    = "nat"
	redirectTProxy = "tproxy"
)

// inOwnNetwork leads the traffic of a task to the proxy in the same namespace.
func (s *serviceConnect) inOwnNetwork(e *task.ENI) plugin {
	return s.plugin(redirectNAT, nil, e != nil && len(e.IPv4) > 0, e != nil && len(e.IPv6) > 0)
}

// Addresses are those of a container on Docker's bridge; one of them may be empty.
type Addresses struct{ IPv4, IPv6 string }

// onBridge leads the traffic of one container to the proxy, which has a namespace of its own: its addresses are known. For
// the proxy itself, own is set.
func (s *serviceConnect) onBridge(proxy Addresses, own bool) plugin {
	redirect := members{}
	if proxy.IPv4 != "" {
		redirect["ipv4"] = proxy.IPv4
	}
	if proxy.IPv6 != "" {
		redirect["ipv6"] = proxy.IPv6
	}
	if own {
		redirect = nil
	}
	return s.plugin(redirectTProxy, redirect, proxy.IPv4 != "", proxy.IPv6 != "")
}

// plugin gives the call. Without a redirect the proxy listens in the same namespace.
func (s *serviceConnect) plugin(mode string, redirect members, ipv4, ipv6 bool) plugin {
	all := members{}
	var ingress []members
	for _, in := range s.Ingress {
		one := members{"listenerPort": in.ListenerPort}
		if in.InterceptPort != nil && *in.InterceptPort != 0 {
			one["interceptPort"] = *in.InterceptPort
		}
		ingress = append(ingress, one)
	}
	if ingress != nil {
		all["ingressConfig"] = ingress
	}
	if s.Egress != nil {
		vip := members{}
		if s.Egress.VIP.IPv4CIDR != "" {
			vip["ipv4Cidr"] = s.Egress.VIP.IPv4CIDR
		}
		if s.Egress.VIP.IPv6CIDR != "" {
			vip["ipv6Cidr"] = s.Egress.VIP.IPv6CIDR
		}
		egress := members{"listenerPort": s.Egress.ListenerPort, "redirectIP": nil, "redirectMode": mode, "vip": vip}
		if redirect != nil {
			egress["listenerPort"], egress["redirectIP"] = 0, redirect
		}
		all["egressConfig"] = egress
	}
	if ipv4 {
		all["enableIPv4"] = true
	}
	if ipv6 {
		all["enableIPv6"] = true
	}
	return plugin{pluginServiceConnect, interfaceServiceConnect, all}
}

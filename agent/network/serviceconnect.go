package network

import (
	"encoding/json"
	"errors"
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
	ContainerName string `json:"containerName"` // of the proxy
	Network       struct {
		// Addresses of the proxy's pause container on Docker's bridge; one of them may be empty.
		ProxyIPv4 string `json:"scPauseIPv4Addr"`
		ProxyIPv6 string `json:"scPauseIPv6Addr"`
	} `json:"networkConfig"`
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

// onBridge gives the plug-ins for one of the pause containers of a task on Docker's bridge. Only Service Connect has any: one
// per container, and those of the others send to the proxy's.
func onBridge(t *task.Task, pause *task.Container) ([]plugin, error) {
	s, err := serviceConnectOf(t)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, errNoServiceConnect
	}
	redirect := members{}
	if s.Network.ProxyIPv4 != "" {
		redirect["ipv4"] = s.Network.ProxyIPv4
	}
	if s.Network.ProxyIPv6 != "" {
		redirect["ipv6"] = s.Network.ProxyIPv6
	}
	if pause.Name == task.NetworkPauseName+"-"+s.ContainerName {
		redirect = nil
	}
	return []plugin{s.plugin(redirectTProxy, redirect, s.Network.ProxyIPv4 != "", s.Network.ProxyIPv6 != "")}, nil
}

var errNoServiceConnect = errors.New("cannot setup netns - only valid for SC-enabled task pause container")

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

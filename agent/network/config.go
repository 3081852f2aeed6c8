// Package network connects tasks of network mode awsvpc: their own network interface and a link to the agent's bridge, set
// up by CNI plug-ins in the network namespace of the task's pause container.
//
// What a plug-in is asked to do is computed by pure functions (this file); the rest runs plug-ins and keeps their limits.
package network

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Plug-ins, as they are called in the plug-in directory.
const (
	pluginENI            = "vpc-eni"
	pluginBranchENI      = "vpc-branch-eni"
	pluginBridge         = "ecs-bridge"
	pluginIPAM           = "ecs-ipam"
	pluginAppMesh        = "aws-appmesh"
	pluginServiceConnect = "ecs-serviceconnect"
)

// Interfaces in the namespace of a task, beside its own. The last two only name what is set up; no interface is made.
const (
	interfaceBridge         = "ecs-eth0"
	interfaceAppMesh        = "aws-appmesh"
	interfaceServiceConnect = "ecs-sc"
)

const (
	cniVersion  = "0.3.0"
	networkName = "network-name"
	bridgeName  = "ecs-bridge"
	// localSubnet is the network between tasks and the agent, on every instance the same.
	localSubnet = "169.254.172.0/22"
	// credentialsRoute leads to the credentials and metadata endpoints of the agent.
	credentialsRoute = "169.254.170.2/32"
)

// members are those of a JSON object; encoded, their keys are sorted.
type members map[string]any

// plugin is one plug-in to be run, and what with.
type plugin struct {
	name      string
	ifname    string
	configure members
}

// config is what the plug-in gets on its standard input.
func (p plugin) config() ([]byte, error) {
	all := maps.Clone(p.configure)
	all["type"], all["name"], all["cniVersion"] = p.name, networkName, cniVersion
	return json.Marshal(all)
}

// Options are the settings that change what tasks get.
type Options struct {
	// BlockMetadata keeps tasks from the instance metadata service.
	BlockMetadata bool
	// LocalRoutes lead to networks that tasks reach through the host.
	LocalRoutes []netip.Prefix
	// LocalAddress is given to the task instead of a free one.
	LocalAddress netip.Prefix
}

// setUp gives the plug-ins that set up the network which the pause container holds, in their order.
func setUp(t *task.Task, pause *task.Container, o Options) ([]plugin, error) {
	return plugins(t, pause, o, o.lease(t))
}

// tearDown gives the same plug-ins as setUp: they undo what they did, the last one first. The local address is released
// apart from that.
func tearDown(t *task.Task, pause *task.Container, o Options) ([]plugin, error) {
	return plugins(t, pause, o, members{})
}

func plugins(t *task.Task, pause *task.Container, o Options, ipam members) ([]plugin, error) {
	if t.NetworkMode != task.NetworkAWSVPC {
		return onBridge(t, pause)
	}
	var list []plugin
	for i := range t.ENIs {
		p, err := o.interfaceOf(&t.ENIs[i])
		if err != nil {
			return nil, fmt.Errorf("engine: failed to build cni configuration from task: %w", err)
		}
		list = append(list, p)
	}
	list = append(list, plugin{pluginBridge, interfaceBridge, members{
		"bridge": bridgeName, "ipam": ipam, "mtu": 0,
		"isGateway": false, "isDefaultGateway": false, "forceAddress": false, "ipMasq": false, "hairpinMode": false,
	}})
	if t.AppMesh != nil {
		list = append(list, appMesh(t.AppMesh))
	}
	connect, err := serviceConnectOf(t)
	if err != nil {
		return nil, fmt.Errorf("engine: failed to build cni configuration from task: %w", err)
	}
	if connect != nil {
		list = append(list, connect.inOwnNetwork(t.PrimaryENI()))
	}
	return list, nil
}

// interfaceOf brings an interface into the namespace: a device of the host, or a VLAN on its trunk.
func (o Options) interfaceOf(e *task.ENI) (plugin, error) {
	gateway, err := e.Gateway()
	if err != nil {
		return plugin{}, err
	}
	gateways := []string{gateway}
	switch e.Protocol {
	case "", task.ENIDefault:
		return plugin{pluginENI, task.ENIInterface, members{
			"dns": members{}, "eniName": "", "eniMACAddress": e.MAC, "eniIPAddresses": e.Prefixes(), "gatewayIPAddresses": gateways,
			"useExistingNetwork": false, "blockInstanceMetadata": o.BlockMetadata,
		}}, nil
	case task.ENIVLAN:
		if e.VLAN == nil {
			return plugin{}, fmt.Errorf("vlan interface properties missing")
		}
		return plugin{pluginBranchENI, task.ENIInterface, members{
			"trunkMACAddress": e.VLAN.TrunkMAC, "branchVlanID": e.VLAN.ID, "branchMACAddress": e.MAC,
			"ipAddresses": e.Prefixes(), "gatewayIPAddresses": gateways,
			"blockInstanceMetadata": o.BlockMetadata, "interfaceType": "vlan",
		}}, nil
	}
	return plugin{}, fmt.Errorf("task config: unknown interface association type: %s", e.Protocol)
}

// lease asks for an address on the local bridge, under the MAC address of the task's last interface.
func (o Options) lease(t *task.Task) members {
	routes := []members{{"dst": credentialsRoute}}
	for _, prefix := range o.LocalRoutes {
		routes = append(routes, members{"dst": prefix.String()})
	}
	ipam := members{"type": pluginIPAM, "id": leaseOwner(t), "ipv4-subnet": localSubnet, "ipv4-routes": routes}
	if o.LocalAddress.IsValid() {
		ipam["ipv4-address"] = o.LocalAddress.String()
	}
	return ipam
}

func leaseOwner(t *task.Task) string {
	if len(t.ENIs) == 0 {
		return ""
	}
	return t.ENIs[len(t.ENIs)-1].MAC
}

// release gives the local address of a task back.
func release(t *task.Task) plugin {
	return plugin{pluginIPAM, interfaceBridge, members{"ipam": Options{}.lease(t)}}
}

// appMesh sends the task's traffic through its proxy. Members without a value are left out, except the ports of the
// application.
func appMesh(m *task.AppMesh) plugin {
	all := members{
		"ignoredUID": m.IgnoredUID, "ignoredGID": m.IgnoredGID,
		"proxyIngressPort": m.ProxyIngressPort, "proxyEgressPort": m.ProxyEgressPort,
		"appPorts": nil, "egressIgnoredIPs": m.EgressIgnoredIPs,
	}
	for _, optional := range []string{"ignoredUID", "ignoredGID"} {
		if all[optional] == "" {
			delete(all, optional)
		}
	}
	if len(m.AppPorts) > 0 {
		all["appPorts"] = m.AppPorts
	}
	if len(m.EgressIgnoredPorts) > 0 {
		all["egressIgnoredPorts"] = m.EgressIgnoredPorts
	}
	return plugin{pluginAppMesh, interfaceAppMesh, all}
}

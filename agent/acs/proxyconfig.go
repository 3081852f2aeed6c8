package acs

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// neverProxied are the credentials endpoint of the agent and the instance metadata: no App Mesh proxy may catch them.
var neverProxied = []string{"169.254.170.2", "169.254.169.254"}

var errProxyType = errors.New("agent does not support proxy type other than app mesh")

// appMesh converts the proxy configuration of a task; nil without one.
func appMesh(w *wireProxy) (*task.AppMesh, error) {
	if w == nil {
		return nil, nil
	}
	if w.Type != "APPMESH" {
		return nil, errProxyType
	}
	record := &task.AppMesh{
		ContainerName:      w.ContainerName,
		IgnoredUID:         w.Properties["IgnoredUID"],
		IgnoredGID:         w.Properties["IgnoredGID"],
		ProxyIngressPort:   w.Properties["ProxyIngressPort"],
		ProxyEgressPort:    w.Properties["ProxyEgressPort"],
		AppPorts:           commaList(w.Properties["AppPorts"]),
		EgressIgnoredIPs:   commaList(w.Properties["EgressIgnoredIPs"]),
		EgressIgnoredPorts: commaList(w.Properties["EgressIgnoredPorts"]),
	}
	for _, ip := range neverProxied {
		listed := slices.ContainsFunc(record.EgressIgnoredIPs, func(s string) bool { return strings.TrimSpace(s) == ip })
		if !listed {
			record.EgressIgnoredIPs = append(record.EgressIgnoredIPs, ip)
		}
	}
	return record, nil
}

func commaList(s string) []string {
	if s == "" {
		return []string{}
	}
	return strings.Split(s, ",")
}

package config

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
)

const (
	envIPCompatibility = "ECS_INSTANCE_IP_COMPATIBILITY"

	routesIPv4 = "/proc/net/route"
	routesIPv6 = "/proc/net/ipv6_route"

	// routeReject marks a route that answers "unreachable" (RTF_REJECT). IPv6 always has such a default route on lo.
	routeReject = 0x0200
)

// ipCompatibility returns the override, or a family for each default route the host has on any interface.
func (l *loader) ipCompatibility() IPCompatibility {
	ipv4Only := IPCompatibility{IPv4: true}
	override := strings.ToLower(strings.TrimSpace(l.get(envIPCompatibility)))
	if l.platform.windows {
		if override != "" {
			l.warnf("%s is not supported on Windows", envIPCompatibility)
		}
		return ipv4Only
	}
	switch override {
	case "":
	case "ipv4":
		return ipv4Only
	case "ipv6":
		return IPCompatibility{IPv6: true}
	default:
		l.warnf("Invalid value %q for %s, using the host's routes. Allowed: ipv4, ipv6", override, envIPCompatibility)
	}

	v4, err := l.hasDefaultRoute(routesIPv4, defaultRouteIPv4)
	if err == nil {
		var v6 bool
		if v6, err = l.hasDefaultRoute(routesIPv6, defaultRouteIPv6); err == nil {
			return IPCompatibility{IPv4: v4, IPv6: v6}
		}
	}
	l.warnf("Unable to determine the IP compatibility of the instance from its routes, assuming IPv4 only: %v", err)
	return ipv4Only
}

// hasDefaultRoute looks for a line of a routing table file for which isDefault holds. A missing IPv6 table is a kernel without IPv6.
func (l *loader) hasDefaultRoute(path string, isDefault func(columns []string) bool) (bool, error) {
	table, err := l.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && path == routesIPv6 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(table)) {
		if isDefault(strings.Fields(line)) {
			return true, nil
		}
	}
	return false, nil
}

// defaultRouteIPv4 reads Iface Destination Gateway Flags RefCnt Use Metric Mask …; the heading line is no default route.
// Routes through a gateway, through several next hops and straight to a device all count.
func defaultRouteIPv4(columns []string) bool {
	return len(columns) >= 8 && columns[1] == "00000000" && columns[7] == "00000000" && usable(columns[0], columns[3])
}

// defaultRouteIPv6 reads destination, its prefix length, source, its prefix length, next hop, metric, refcount, use, flags, device.
func defaultRouteIPv6(columns []string) bool {
	return len(columns) >= 10 && strings.Trim(columns[0], "0") == "" && columns[1] == "00" && usable(columns[9], columns[8])
}

func usable(device, flagsHex string) bool {
	flags, err := strconv.ParseUint(flagsHex, 16, 32)
	return err == nil && flags&routeReject == 0 && device != "lo" && device != "*"
}

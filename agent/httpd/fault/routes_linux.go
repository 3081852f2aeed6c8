package fault

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
)

// defaultDevices reads the kernel's routing tables: the devices of the default routes with the lowest metric.
func defaultDevices() ([]string, error) {
	ipv4, err := os.ReadFile("/proc/thread-self/net/route")
	if err != nil {
		return nil, err
	}
	ipv6, err := os.ReadFile("/proc/thread-self/net/ipv6_route")
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6
		return nil, err
	}
	var devices []string
	for _, name := range []string{defaultIPv4(ipv4), defaultIPv6(ipv6)} {
		if name != "" && !slices.Contains(devices, name) {
			devices = append(devices, name)
		}
	}
	return devices, nil
}

// Bits of the flags column (linux/route.h).
const (
	routeUp      = 0x1
	routeGateway = 0x2
)

// defaultIPv4 reads /proc/net/route: Iface Destination Gateway Flags RefCnt Use Metric Mask …, numbers in hexadecimal but
// for the metric.
func defaultIPv4(table []byte) string {
	best, metric := "", uint64(0)
	for line := range bytes.Lines(table) {
		f := strings.Fields(string(line))
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" || !throughGateway(f[3]) {
			continue
		}
		if m, err := strconv.ParseUint(f[6], 10, 32); err == nil && (best == "" || m < metric) {
			best, metric = f[0], m
		}
	}
	return best
}

// defaultIPv6 reads /proc/net/ipv6_route: destination, prefix length, source, prefix length, next hop, metric, references,
// use, flags, device, all numbers in hexadecimal.
func defaultIPv6(table []byte) string {
	best, metric := "", uint64(0)
	for line := range bytes.Lines(table) {
		f := strings.Fields(string(line))
		if len(f) < 10 || strings.Trim(f[0], "0") != "" || f[1] != "00" || !throughGateway(f[8]) {
			continue
		}
		if m, err := strconv.ParseUint(f[5], 16, 32); err == nil && (best == "" || m < metric) {
			best, metric = f[9], m
		}
	}
	return best
}

func throughGateway(flags string) bool {
	n, err := strconv.ParseUint(flags, 16, 32)
	return err == nil && n&(routeUp|routeGateway) == routeUp|routeGateway
}

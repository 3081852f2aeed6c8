package link

import (
	"fmt"
	"net"
)

// Addresses reads CIDRs and keeps the host part. what is how an error calls a bad one.
func Addresses(texts []string, what string) ([]*net.IPNet, error) {
	var addresses []*net.IPNet
	for _, text := range texts {
		ip, network, err := net.ParseCIDR(text)
		if err != nil {
			return nil, fmt.Errorf("invalid %s %s", what, text)
		}
		network.IP = ip
		addresses = append(addresses, network)
	}
	return addresses, nil
}

// Gateways reads addresses. what is how an error calls a bad one.
func Gateways(texts []string, what string) ([]net.IP, error) {
	var gateways []net.IP
	for _, text := range texts {
		ip := net.ParseIP(text)
		if ip == nil {
			return nil, fmt.Errorf("invalid %s %s", what, text)
		}
		gateways = append(gateways, ip)
	}
	return gateways, nil
}

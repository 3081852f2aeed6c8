package fault

import "net"

// link is an interface of the host with a default route.
type link struct {
	name       string
	ipv4, ipv6 bool // has global addresses
}

// defaultLinks are the interfaces of the best IPv4 and the best IPv6 default route; one if that is the same.
func defaultLinks() ([]link, error) {
	names, err := defaultDevices()
	if err != nil {
		return nil, err
	}
	var links []link
	for _, name := range names {
		l := link{name: name}
		device, err := net.InterfaceByName(name)
		if err != nil {
			return nil, err
		}
		addresses, err := device.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			if n, is := a.(*net.IPNet); is && n.IP.IsGlobalUnicast() {
				l.ipv4 = l.ipv4 || n.IP.To4() != nil
				l.ipv6 = l.ipv6 || n.IP.To4() == nil
			}
		}
		links = append(links, l)
	}
	return links, nil
}

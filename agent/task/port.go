package task

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// PortMapping is a port (or range of ports) of a container, as asked for in the task definition and as observed on the
// running container. JSON is that of agent.db.
type PortMapping struct {
	ContainerPort      uint16   `json:"ContainerPort"`
	ContainerPortRange string   `json:"ContainerPortRange"`
	HostPort           uint16   `json:"HostPort"`
	BindIP             string   `json:"BindIp"`
	Protocol           Protocol `json:"Protocol"`
}

// Protocol is a transport protocol; the zero value is TCP.
type Protocol uint8

// Transport protocols.
const (
	TCP Protocol = iota
	UDP
)

func (p Protocol) String() string {
	if p == UDP {
		return "udp"
	}
	return "tcp"
}

// ParseProtocol reads "tcp" or "udp"; empty means tcp.
func ParseProtocol(s string) (Protocol, error) {
	switch s {
	case "", "tcp":
		return TCP, nil
	case "udp":
		return UDP, nil
	}
	return TCP, fmt.Errorf("TransportProtocol must be \"tcp\" or \"udp\"; Got %q", s)
}

// MarshalText gives "tcp" or "udp".
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads "tcp" or "udp"; empty means tcp.
func (p *Protocol) UnmarshalText(text []byte) error {
	parsed, err := ParseProtocol(string(text))
	*p = parsed
	return err
}

// PortRange is an inclusive range of ports.
type PortRange struct{ First, Last uint16 }

// ParsePortRange reads "a-b" with 0 ≤ a ≤ b ≤ 65535.
func ParsePortRange(s string) (PortRange, error) {
	first, last, found := strings.Cut(s, "-")
	if !found {
		return PortRange{}, fmt.Errorf("invalid port range %q: want first-last", s)
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a > b {
		return PortRange{}, fmt.Errorf("invalid port range %q: want two ports from 0 to 65535, the lower one first", s)
	}
	return PortRange{uint16(a), uint16(b)}, nil
}

// Len is the number of ports in the range.
func (r PortRange) Len() int { return int(r.Last) - int(r.First) + 1 }

func (r PortRange) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

// PortSet is a set of container ports, saved as {"80":{}}.
type PortSet map[uint16]struct{}

// Has reports whether port is in the set; the nil set is empty.
func (s PortSet) Has(port uint16) bool { _, ok := s[port]; return ok }

// MarshalJSON writes null sets as {}.
func (s PortSet) MarshalJSON() ([]byte, error) {
	if s == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[uint16]struct{}(s))
}

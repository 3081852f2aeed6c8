package container

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// dynamicPorts reads "low-high" or one port.
func dynamicPorts(text string) (task.PortRange, error) {
	if strings.Contains(text, "-") {
		return task.ParsePortRange(text)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return task.PortRange{}, fmt.Errorf("invalid port range %q: want first-last, or one port", text)
	}
	return task.PortRange{First: uint16(port), Last: uint16(port)}, nil
}

// unused reports whether a listener could be opened on all addresses of the agent's network namespace, the host's.
func unused(port uint16, protocol task.Protocol) bool {
	address := ":" + strconv.Itoa(int(port))
	if protocol == task.UDP {
		conn, err := net.ListenPacket("udp", address)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	listener.Close()
	return true
}

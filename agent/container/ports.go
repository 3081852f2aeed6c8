package container

import (
	"net"
	"strconv"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

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

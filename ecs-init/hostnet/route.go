package hostnet

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// LoopbackName is the name of the loopback interface, whatever it is called on this host.
func LoopbackName() (string, error) {
	loopback, err := loopback()
	if err != nil {
		return "", err
	}
	return loopback.Name, nil
}

func loopback() (*net.Interface, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for i := range interfaces {
		if interfaces[i].Flags&net.FlagLoopback != 0 {
			return &interfaces[i], nil
		}
	}
	return nil, errors.New("no loopback interface found")
}

// AddAgentRoute makes the agent's address routable on a host that has IPv6 alone: without an IPv4 default route the
// kernel refuses packets for it before any rule can redirect them. Other hosts are left alone.
func AddAgentRoute(root string) error {
	return onIPv6OnlyHost(root, "adding", addRoute)
}

// RemoveAgentRoute undoes AddAgentRoute. A host that has got an IPv4 default route is left alone.
func RemoveAgentRoute(root string) error {
	return onIPv6OnlyHost(root, "deleting", deleteRoute)
}

func onIPv6OnlyHost(root, doing string, change func(link int) error) error {
	found, err := HasIPv4DefaultRoute(root)
	if err != nil {
		return fmt.Errorf("error when looking up IPv4 default routes: %w", err)
	}
	if found {
		return nil
	}
	link, err := loopback()
	if err != nil {
		return err
	}
	if err := change(link.Index); err != nil {
		return fmt.Errorf("error %s route %s/32 dev %s: %w", doing, agentAddress, link.Name, err)
	}
	return nil
}

// HasIPv4DefaultRoute reports whether the main IPv4 routing table has a default route with a gateway.
func HasIPv4DefaultRoute(root string) (bool, error) {
	table, err := os.Open(filepath.Join(root, "/proc/net/route"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // a kernel without IPv4
	}
	if err != nil {
		return false, err
	}
	defer table.Close()
	// Interface, destination, gateway, flags, … and mask in column 7; addresses are hexadecimal.
	const none = "00000000"
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		columns := strings.Fields(lines.Text())
		if len(columns) > 7 && columns[1] == none && columns[7] == none && columns[2] != none {
			return true, nil
		}
	}
	return false, lines.Err()
}

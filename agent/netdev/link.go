// Package netdev knows the network devices of the host: which there are, and when the kernel reports a new one.
package netdev

import (
	"encoding/binary"
	"errors"
	"net"
	"strings"
)

// Link is a network interface.
type Link struct {
	Name string
	// Kind is "vlan", "veth", …; empty for a device of its own, such as an ENI.
	Kind string
	// MAC is the hardware address in the kernel's form; empty while it has none.
	MAC      string
	Loopback bool
}

// Numbers of rtnetlink (linux/rtnetlink.h, if_link.h, if_arp.h).
const (
	attrAddress  = 1  // IFLA_ADDRESS
	attrName     = 3  // IFLA_IFNAME
	attrLinkInfo = 18 // IFLA_LINKINFO
	infoKind     = 1  // IFLA_INFO_KIND
	attrMask     = 0x3fff
	ifinfoSize   = 16  // of struct ifinfomsg
	arpLoopback  = 772 // ARPHRD_LOOPBACK
)

// errLink is a message about an interface that cannot be read.
var errLink = errors.New("malformed netlink message about an interface")

// parseLink reads the body of an RTM_NEWLINK message, in the byte order of the machine.
func parseLink(body []byte) (Link, error) {
	if len(body) < ifinfoSize {
		return Link{}, errLink
	}
	l := Link{Loopback: binary.NativeEndian.Uint16(body[2:4]) == arpLoopback}
	err := eachAttribute(body[ifinfoSize:], func(kind uint16, value []byte) error {
		switch kind {
		case attrAddress:
			l.MAC = net.HardwareAddr(value).String()
		case attrName:
			l.Name = zeroEnded(value)
		case attrLinkInfo:
			return eachAttribute(value, func(kind uint16, value []byte) error {
				if kind == infoKind {
					l.Kind = zeroEnded(value)
				}
				return nil
			})
		}
		return nil
	})
	return l, err
}

func eachAttribute(b []byte, visit func(kind uint16, value []byte) error) error {
	for len(b) >= 4 {
		size := int(binary.NativeEndian.Uint16(b[0:2]))
		if size < 4 || size > len(b) {
			return errLink
		}
		if err := visit(binary.NativeEndian.Uint16(b[2:4])&attrMask, b[4:size]); err != nil {
			return err
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return nil
}

func zeroEnded(b []byte) string {
	name, _, _ := strings.Cut(string(b), "\x00")
	return name
}

package proc

import (
	"encoding/binary"
	"errors"
	"strings"
)

// Numbers of rtnetlink (linux/rtnetlink.h, if_link.h, if_arp.h).
const (
	attrName     = 3  // IFLA_IFNAME
	attrLinkInfo = 18 // IFLA_LINKINFO
	infoKind     = 1  // IFLA_INFO_KIND
	attrMask     = 0x3fff
	ifinfoSize   = 16  // of struct ifinfomsg
	loopback     = 772 // ARPHRD_LOOPBACK
)

// errLink is a message about an interface that cannot be read.
var errLink = errors.New("malformed netlink message about an interface")

// link is an interface.
type link struct {
	name string
	kind string // "vlan", "veth", …; empty for a device of its own, such as an ENI
	arp  uint16 // ARPHRD_…
}

// carries reports whether the link connects a task with awsvpc network to the outside: the ENI, or its VLAN on a trunk.
// The pair of virtual interfaces to the host does not count.
func (l link) carries() bool {
	return (l.kind == "" || l.kind == "vlan") && l.arp != loopback
}

// parseLink reads the body of an RTM_NEWLINK message, in the byte order of the machine.
func parseLink(body []byte) (link, error) {
	if len(body) < ifinfoSize {
		return link{}, errLink
	}
	l := link{arp: binary.NativeEndian.Uint16(body[2:4])}
	err := eachAttribute(body[ifinfoSize:], func(kind uint16, value []byte) error {
		switch kind {
		case attrName:
			l.name = zeroEnded(value)
		case attrLinkInfo:
			return eachAttribute(value, func(kind uint16, value []byte) error {
				if kind == infoKind {
					l.kind = zeroEnded(value)
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

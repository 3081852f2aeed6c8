package hostnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

func addRoute(link int) error {
	err := changeRoute(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, link)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func deleteRoute(link int) error {
	err := changeRoute(unix.RTM_DELROUTE, 0, link)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// changeRoute asks the kernel (rtnetlink) to add or delete the route of scope link to the agent's address.
func changeRoute(kind uint16, flags int, link int) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink socket: %w", err)
	}
	defer unix.Close(socket)
	if err := unix.Sendto(socket, routeMessage(kind, flags, link), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("netlink request: %w", err)
	}
	answer := make([]byte, unix.Getpagesize())
	n, _, err := unix.Recvfrom(socket, answer, 0)
	if err != nil {
		return fmt.Errorf("netlink answer: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(answer[:n])
	if err != nil || len(messages) == 0 || messages[0].Header.Type != unix.NLMSG_ERROR || len(messages[0].Data) < 4 {
		return errors.New("netlink: unexpected answer")
	}
	if code := int32(binary.NativeEndian.Uint32(messages[0].Data)); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}

// routeMessage is struct nlmsghdr, struct rtmsg and two attributes.
func routeMessage(kind uint16, flags int, link int) []byte {
	address := netip.MustParseAddr(agentAddress).As4()
	native := binary.NativeEndian
	b := make([]byte, 0, unix.SizeofNlMsghdr+unix.SizeofRtMsg+2*(unix.SizeofRtAttr+4))
	b = native.AppendUint32(b, uint32(cap(b)))
	b = native.AppendUint16(b, kind)
	b = native.AppendUint16(b, uint16(unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags))
	b = native.AppendUint32(b, 1) // sequence
	b = native.AppendUint32(b, 0) // sender: the kernel fills it in
	b = append(b, unix.AF_INET, 32, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_LINK, unix.RTN_UNICAST)
	b = native.AppendUint32(b, 0)
	b = native.AppendUint16(b, unix.SizeofRtAttr+4)
	b = native.AppendUint16(b, unix.RTA_DST)
	b = append(b, address[:]...)
	b = native.AppendUint16(b, unix.SizeofRtAttr+4)
	b = native.AppendUint16(b, unix.RTA_OIF)
	return native.AppendUint32(b, uint32(link))
}

package netdev

import (
	"encoding/binary"
	"testing"
)

func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func linkMessage(arp uint16, name, kind string, mac []byte) []byte {
	b := make([]byte, ifinfoSize)
	binary.NativeEndian.PutUint16(b[2:], arp)
	b = append(b, attribute(attrName, []byte(name+"\x00"))...)
	b = append(b, attribute(attrAddress, mac)...)
	if kind != "" {
		b = append(b, attribute(attrLinkInfo, append(attribute(infoKind, []byte(kind+"\x00")), attribute(2, []byte{1, 2, 3})...))...)
	}
	return append(b, attribute(50|0x8000, []byte{1})...)
}

func TestParseLink(t *testing.T) {
	const ethernet = 1
	for _, c := range []struct {
		arp  uint16
		mac  []byte
		want Link
	}{
		{arpLoopback, make([]byte, 6), Link{"lo", "", "00:00:00:00:00:00", true}},
		{ethernet, []byte{2, 0x22, 0x33, 0x44, 0x55, 0xfe}, Link{"eth0", "", "02:22:33:44:55:fe", false}},
		{ethernet, []byte{2, 0x22, 0x33, 0x44, 0x55, 0xfe}, Link{"eth0.5", "vlan", "02:22:33:44:55:fe", false}},
		{768, nil, Link{"tunl0", "ipip", "", false}},
	} {
		got, err := parseLink(linkMessage(c.arp, c.want.Name, c.want.Kind, c.mac))
		if err != nil || got != c.want {
			t.Errorf("%+v, %v; want %+v", got, err, c.want)
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 15), append(make([]byte, 16), 3, 0, 0, 0), append(make([]byte, 16), 9, 0, 0, 0)} {
		if _, err := parseLink(b); err == nil {
			t.Errorf("accepted %v", b)
		}
	}
}

func TestAppeared(t *testing.T) {
	const net = "\x00ACTION=add\x00SUBSYSTEM=net\x00DEVPATH="
	for _, c := range []struct {
		name, message string
		sender        uint32
		want          bool
	}{
		{"a PCI device", "add@/devices/pci0000:00/0000:00:06.0/net/eth1" + net + "/devices/pci0000:00/0000:00:06.0/net/eth1\x00INTERFACE=eth1\x00IFINDEX=3\x00SEQNUM=2345\x00", 0, true},
		{"a device of Xen", "add@/devices/vif-1/net/eth1" + net + "/devices/vif-1/net/eth1\x00INTERFACE=eth1\x00", 0, true},
		{"software", "add@/devices/virtual/net/veth1" + net + "/devices/virtual/net/veth1\x00INTERFACE=veth1\x00", 0, false},
		{"a device of another bus", "add@/devices/platform/net/eth1" + net + "/devices/platform/net/eth1\x00", 0, false},
		{"no device", "add@/module/x" + net + "/module/x\x00", 0, false},
		{"a device that goes", "remove@/devices/pci0000:00/net/eth1\x00ACTION=remove\x00SUBSYSTEM=net\x00DEVPATH=/devices/pci0000:00/net/eth1\x00", 0, false},
		{"a disk", "add@/devices/pci0000:00/block/nvme1n1\x00ACTION=add\x00SUBSYSTEM=block\x00DEVPATH=/devices/pci0000:00/block/nvme1n1\x00", 0, false},
		{"another sender", "add@/devices/pci0000:00/net/eth1" + net + "/devices/pci0000:00/net/eth1\x00", 1234, false},
		{"nothing", "", 0, false},
	} {
		if got := appeared(c.message, c.sender); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(linkMessage(1, "eth0", "vlan", []byte{1, 2, 3, 4, 5, 6}))
	f.Add([]byte("add@/devices/vif-1/net/eth1\x00ACTION=add\x00DEVPATH=/devices/vif-1/net/eth1\x00"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = parseLink(text)
		appeared(string(text), 0)
	})
}

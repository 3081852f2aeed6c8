//go:build integration

package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// ipamConfig is the address management of a task's owner.
func ipamConfig(id string) string {
	return `"ipam":{"type":"ecs-ipam","id":"` + id + `","ipv4-subnet":"169.254.172.0/22","ipv4-routes":[{"dst":"169.254.170.2/32"},{"dst":"10.9.0.0/16"}]}`
}

func bridgeConfig(ipam string) string {
	return `{"bridge":"ecs-bridge","isGateway":false,"isDefaultGateway":false,"forceAddress":false,"ipMasq":false,"hairpinMode":false,"mtu":0,` + ipam + `}`
}

// bridgeDel is the configuration with which agents take the link away: addresses are released on their own.
var bridgeDel = bridgeConfig(`"ipam":{}`)

// serveEndpoint makes 169.254.170.2 an address of the host.
func (l *lab) serveEndpoint() {
	l.t.Helper()
	l.host.do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		address, err := netlink.ParseAddr("169.254.170.2/32")
		return errors.Join(err, netlink.AddrAdd(lo, address))
	})
	l.host.listen(":80")
}

func TestLinkToTheHost(t *testing.T) {
	l := newLab(t)
	l.serveEndpoint()
	first, second := newSpace(t, "first task"), newSpace(t, "second task")
	host, before := l.host.view(), first.view()

	result := l.must("ADD", "ecs-bridge", "ecs-eth0", first, bridgeConfig(ipamConfig("a")))
	want := []string{
		"link ecs-eth0 veth mtu 1500 up mac 0a:58:a9:fe:ac:02 169.254.172.2/22",
		"route 169.254.170.2/32 via 169.254.172.1 dev ecs-eth0", "route 10.9.0.0/16 via 169.254.172.1 dev ecs-eth0", "route 169.254.172.1/32 via 169.254.172.1 dev ecs-eth0",
	}
	sameLines(t, "task", want, added(t, before, first.view()))

	if len(result.Interfaces) != 3 || len(result.IPs) != 1 || len(result.Routes) != 3 {
		t.Fatalf("result %+v", result)
	}
	bridge, port := result.Interfaces[0], result.Interfaces[1]
	if ip := result.IPs[0]; ip.Address.String() != "169.254.172.2/22" || ip.Gateway.String() != "169.254.172.1" || *ip.Interface != 2 || result.Interfaces[2].Name != "ecs-eth0" {
		t.Errorf("result %+v %+v", ip, result.Interfaces[2])
	}
	if r := result.Routes[2]; r.Dst.String() != "169.254.172.1/32" || r.GW.String() != "169.254.172.1" {
		t.Errorf("the gateway's route in the result: %+v", r)
	}
	sameLines(t, "host", []string{
		"link ecs-bridge bridge mtu 1500 up mac " + bridge.Mac + " 169.254.172.1/22",
		"link " + port.Name + " veth mtu 1500 up mac " + port.Mac + " port of ecs-bridge",
		"route 169.254.172.0/22 dev ecs-bridge",
	}, added(t, host, l.host.view()))
	if first := bridge.Mac[1]; !strings.ContainsRune("26ae", rune(first)) {
		t.Errorf("hardware address of the bridge: %s, want a local one of one host", bridge.Mac)
	}

	l.must("ADD", "ecs-bridge", "ecs-eth0", second, bridgeConfig(ipamConfig("b")))
	first.reaches("169.254.170.2:80", "169.254.172.2")
	second.reaches("169.254.170.2:80", "169.254.172.3")
	first.listen("169.254.172.2:80")
	if _, err := second.dial("169.254.172.2:80"); !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("from task to task over the bridge: %v, want an unreachable network", err)
	}
	if mac := l.macOf("ecs-bridge"); mac != bridge.Mac {
		t.Errorf("the bridge's hardware address changed from %s to %s", bridge.Mac, mac)
	}

	l.fails("bridge create veth pair: unable to setup veth pair for interface: ecs-eth0: container veth name provided (ecs-eth0) already exists",
		"ADD", "ecs-bridge", "ecs-eth0", first, bridgeConfig(ipamConfig("c")))
	for range 2 {
		l.must("DEL", "ecs-bridge", "ecs-eth0", first, bridgeDel)
		sameLines(t, "task after DEL", before, first.view())
	}
	l.must("DEL", "ecs-bridge", "ecs-eth0", second, bridgeConfig(ipamConfig("b"))) // releases the address, too
	sameLines(t, "host after DEL", []string{"link ecs-bridge bridge mtu 1500 up mac " + bridge.Mac + " 169.254.172.1/22", "route 169.254.172.0/22 dev ecs-bridge"},
		added(t, host, l.host.view()))
	l.must("DEL", "ecs-ipam", "ecs-eth0", first, `{`+ipamConfig("a")+`}`)
	l.fails("release ipstore: no ip address associated with the given id: b", "DEL", "ecs-ipam", "ecs-eth0", first, `{`+ipamConfig("b")+`}`)
	if _, err := l.plugin("DEL", "ecs-bridge", "ecs-eth0", "/proc/999999999/ns/net", bridgeDel); err == nil ||
		err.Error() != `failed to Statfs "/proc/999999999/ns/net": no such file or directory` {
		t.Errorf("DEL without a namespace: %v", err)
	}
}

func (l *lab) macOf(name string) (mac string) {
	l.host.do(func() error {
		link, err := netlink.LinkByName(name)
		if err == nil {
			mac = link.Attrs().HardwareAddr.String()
		}
		return err
	})
	return mac
}

func TestFailedLinkLeavesNothing(t *testing.T) {
	for _, c := range []struct {
		name, config, want string
		prepare            func(*lab) error
	}{
		{name: "no bridge named", config: `{"mtu":0}`, want: "bridge parsing config: missing required parameter in config named: 'bridge'"},
		{name: "an interface of that name that is no bridge", config: bridgeConfig(ipamConfig("a")), want: "bridge create: interface named ecs-bridge already exists, but is not a bridge",
			prepare: func(*lab) error {
				return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "ecs-bridge"}, PeerName: "x"})
			}},
		{name: "no IPAM plugin", config: bridgeConfig(`"ipam":{"type":"no-ipam"}`), want: `bridge ipam ADD: failed to execute plugin: no-ipam: failed to find plugin "no-ipam" in path [` + "PROGRAMS]"},
		{name: "an IPAM plugin that fails", config: bridgeConfig(`"ipam":{"type":"ecs-ipam","id":"a"}`),
			want: "bridge ipam ADD: failed to execute plugin: ecs-ipam: loadIPAMConfig config: at least one subnet (ipv4 or ipv6) is required"},
		{name: "a bridge with another address", config: bridgeConfig(ipamConfig("a")), want: "bridge configure: mismatch in bridge ecs-bridge address for family 2",
			prepare: func(*lab) error {
				bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "ecs-bridge", HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}}
				address, err := netlink.ParseAddr("169.254.172.9/22")
				return errors.Join(err, netlink.LinkAdd(bridge), netlink.AddrAdd(bridge, address), netlink.LinkSetUp(bridge))
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			task := newSpace(t, "task")
			if c.prepare != nil {
				l.host.do(func() error { return c.prepare(l) })
			}
			host, before := l.host.view(), task.view()
			l.fails(strings.Replace(c.want, "PROGRAMS", programs, 1), "ADD", "ecs-bridge", "ecs-eth0", task, c.config)
			sameLines(t, "task", before, task.view())
			sameLines(t, "host", host, l.host.view())
			if _, err := l.plugin("DEL", "ecs-ipam", "ecs-eth0", "/", `{`+ipamConfig("a")+`}`); err == nil || !strings.Contains(err.Error(), "no ip address associated") {
				t.Errorf("the address is still leased: %v", err)
			}
		})
	}
}

// Both families at once, as no agent asks for today.
func TestLinkWithIPv6(t *testing.T) {
	l := newLab(t)
	task := newSpace(t, "task")
	before := task.view()
	config := bridgeConfig(strings.Replace(ipamConfig("a"), `"id"`, `"ipv6-subnet":"fd00:ec2::172:0/112","ipv6-routes":[{"dst":"fd00:ec2::23/128"}],"id"`, 1))
	l.must("ADD", "ecs-bridge", "ecs-eth0", task, config)
	sameLines(t, "task", []string{
		"link ecs-eth0 veth mtu 1500 up mac 0a:58:a9:fe:ac:02 169.254.172.2/22 fd00:ec2::172:2/112",
		"route 169.254.170.2/32 via 169.254.172.1 dev ecs-eth0", "route 10.9.0.0/16 via 169.254.172.1 dev ecs-eth0", "route 169.254.172.1/32 via 169.254.172.1 dev ecs-eth0",
		"route fd00:ec2::23/128 via fd00:ec2::172:1 dev ecs-eth0", "route fd00:ec2::172:1/128 via fd00:ec2::172:1 dev ecs-eth0",
	}, added(t, before, task.view()))
}

// A host on which many tasks start and stop at one time, the first of them ever.
func TestManyLinksAtOnce(t *testing.T) {
	const tasks = 20
	l := newLab(t)
	l.serveEndpoint()
	host := l.host.view()
	var spaces []*space
	for i := range tasks {
		spaces = append(spaces, newSpace(t, fmt.Sprintf("task %d", i)))
	}
	var mu sync.Mutex
	addresses := map[string]bool{}
	var adds errgroup.Group
	for i, s := range spaces {
		adds.Go(func() error {
			result, err := l.plugin("ADD", "ecs-bridge", "ecs-eth0", s.path(), bridgeConfig(ipamConfig(fmt.Sprint(i))))
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			addresses[result.IPs[0].Address.IP.String()] = true
			return nil
		})
	}
	if err := adds.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(addresses) != tasks {
		t.Errorf("%d addresses for %d tasks", len(addresses), tasks)
	}
	for _, s := range spaces {
		if answer, err := s.dial("169.254.170.2:80"); err != nil || !addresses[answer] {
			t.Errorf("%s is seen as %q (%v)", s.name, answer, err)
		}
	}
	var dels errgroup.Group
	for i, s := range spaces {
		dels.Go(func() error {
			if _, err := l.plugin("DEL", "ecs-bridge", "ecs-eth0", s.path(), bridgeDel); err != nil {
				return err
			}
			_, err := l.plugin("DEL", "ecs-ipam", "ecs-eth0", "/host/proc//ns/net", `{`+ipamConfig(fmt.Sprint(i))+`}`)
			return err
		})
	}
	if err := dels.Wait(); err != nil {
		t.Fatal(err)
	}
	left := added(t, host, l.host.view())
	if len(left) != 2 || !strings.HasPrefix(left[0], "link ecs-bridge bridge mtu 1500 up") {
		t.Errorf("left on the host: %q", left)
	}
	if left := l.leases(); len(left) != 0 {
		t.Errorf("leases left: %v", left)
	}
}

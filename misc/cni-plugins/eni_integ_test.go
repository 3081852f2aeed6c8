//go:build integration

package main

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	eniMAC   = "02:99:ec:49:83:44"
	trunkMAC = "02:11:22:33:44:55"
)

// listen serves connections at an address of the namespace; each gets the peer's address as text.
func (s *space) listen(address string) {
	s.t.Helper()
	var l net.Listener
	s.do(func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
	s.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			peer, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
			_, _ = conn.Write([]byte(peer))
			_ = conn.Close()
		}
	}()
}

// dial returns what a listener at address answers to a connection from the namespace.
func (s *space) dial(address string) (answer string, err error) {
	s.t.Helper()
	s.do(func() error {
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp", address, 2*time.Second); err != nil {
			return nil
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
		text := make([]byte, 64)
		n, readErr := conn.Read(text)
		answer, err = string(text[:n]), readErr
		return nil
	})
	return answer, err
}

func (s *space) reaches(address, from string) {
	s.t.Helper()
	if answer, err := s.dial(address); err != nil || answer != from {
		s.t.Errorf("%s to %s: %q, %v, want to be seen as %s", s.name, address, answer, err, from)
	}
}

// In all cases the interface comes back with DEL, and nothing else is left.
func TestInterfaceOfTheHost(t *testing.T) {
	for _, c := range []struct {
		name, config, result string
		want                 []string
		dial, from           string
		blocked              bool
	}{
		{
			name: "IPv4 and IPv6, metadata blocked, other MTU",
			config: `{"eniName":"","eniMACAddress":"` + eniMAC + `","eniIPAddresses":["10.0.1.5/24","10.0.1.6/24","2600:1f14::5/64"],"gatewayIPAddresses":["10.0.1.1"],
				"useExistingNetwork":false,"blockInstanceMetadata":true,"mtu":1400,"dns":{}}`,
			result: "10.0.1.5/24 via 10.0.1.1",
			want: []string{
				"link eth0 veth mtu 1400 up mac " + eniMAC + " 10.0.1.5/24 10.0.1.6/24 2600:1f14::5/64",
				"route 10.0.1.0/24 dev eth0", "route 0.0.0.0/0 via 10.0.1.1 dev eth0", "route blackhole 169.254.169.254/32",
				"route 2600:1f14::/64 dev eth0", "route blackhole fd00:ec2::254/128",
			},
			dial: "10.0.1.1:80", from: "10.0.1.5", blocked: true,
		},
		{
			name:   "IPv6 alone",
			config: `{"eniMACAddress":"` + strings.ToUpper(eniMAC) + `","eniIPAddresses":["2600:1f14::5/80"],"gatewayIPAddresses":["2600:1f14::1"]}`,
			result: "2600:1f14::5/80 via 2600:1f14::1",
			want: []string{
				"link eth0 veth mtu 9001 up mac " + eniMAC + " 2600:1f14::5/80",
				"route 2600:1f14::/80 dev eth0", "route ::/0 via 2600:1f14::1 dev eth0",
			},
			dial: "[2600:1f14::1]:80", from: "2600:1f14::5",
		},
		{
			name:   "by its name",
			config: `{"eniName":"en1","eniIPAddresses":["10.0.1.5/24"],"gatewayIPAddresses":["10.0.1.1"]}`,
			result: "10.0.1.5/24 via 10.0.1.1",
			want: []string{
				"link eth0 veth mtu 9001 up mac " + eniMAC + " 10.0.1.5/24", "route 10.0.1.0/24 dev eth0", "route 0.0.0.0/0 via 10.0.1.1 dev eth0",
			},
			dial: "10.0.1.1:80", from: "10.0.1.5",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			task, network := newSpace(t, "task"), newSpace(t, "network")
			l.interfaceTo(network, "en1", eniMAC, "10.0.1.1/24", "2600:1f14::1/64", "169.254.169.254/32")
			network.listen(":80")
			host, before := l.host.view(), task.view()

			result := l.must("ADD", "vpc-eni", "eth0", task, c.config)
			if got := result.IPs[0].Address.String() + " via " + result.IPs[0].Gateway.String(); len(result.IPs) != 1 || got != c.result || *result.IPs[0].Interface != 0 {
				t.Errorf("addresses of the result: %s and %d others, want %s", got, len(result.IPs)-1, c.result)
			}
			if i := result.Interfaces[0]; i.Name != "eth0" || i.Mac != eniMAC || i.Sandbox != task.path() {
				t.Errorf("interface of the result: %+v", i)
			}
			sameLines(t, "task", c.want, added(t, before, task.view()))
			task.reaches(c.dial, c.from)
			if _, err := task.dial("169.254.169.254:80"); c.blocked != errors.Is(err, unix.EINVAL) && c.blocked {
				t.Errorf("instance metadata: %v, want an invalid argument", err)
			}

			l.must("DEL", "vpc-eni", "eth0", task, c.config)
			mtu := "9001"
			if c.blocked {
				mtu = "1400"
				before = append(before, "route blackhole 169.254.169.254/32", "route blackhole fd00:ec2::254/128") // end with the namespace
			}
			sameLines(t, "task after DEL", before, task.view())
			back := strings.Replace(strings.Join(l.host.view(), "\n"), "link ecs0299ec498344 veth mtu "+mtu, "link en1 veth mtu 9001", 1)
			sameLines(t, "host after DEL", host, strings.Split(back, "\n"))
			// Again, and when the namespace is gone: nothing to do.
			l.must("DEL", "vpc-eni", "eth0", task, c.config)
			if _, err := l.plugin("DEL", "vpc-eni", "eth0", "/proc/0/ns/net", c.config); err != nil {
				t.Errorf("DEL without a namespace: %v", err)
			}
		})
	}
}

const eniConfig = `{"eniMACAddress":"` + eniMAC + `","eniIPAddresses":["10.0.1.5/24"],"gatewayIPAddresses":["10.0.1.1"]}`

func TestInterfaceGoesBackAfterAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		config, wanted string
	}{
		"its name in the task is taken":  {eniConfig, `rename interface "en1" to "eth0": file exists`},
		"the gateway cannot be reached":  {strings.Replace(eniConfig, "10.0.1.1", "10.7.7.1", 1), "add default route"},
		"the MTU is beyond what it does": {strings.Replace(eniConfig, "{", `{"mtu":70000,`, 1), "set the MTU"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			task, network := newSpace(t, "task"), newSpace(t, "network")
			l.interfaceTo(network, "en1", eniMAC, "10.0.1.1/24")
			if strings.HasPrefix(c.wanted, "rename") {
				task.do(func() error { return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}}) })
			}
			host, before := l.host.view(), task.view()
			if _, err := l.plugin("ADD", "vpc-eni", "eth0", task.path(), c.config); err == nil || !strings.Contains(err.Error(), c.wanted) {
				t.Errorf("error %v, want %q", err, c.wanted)
			}
			sameLines(t, "task", before, task.view())
			sameLines(t, "host", host, l.host.view())
		})
	}
}

func TestInterfaceThatIsNotThere(t *testing.T) {
	l := newLab(t)
	task := newSpace(t, "task")
	l.fails(`interface with the address `+eniMAC+`: no such network interface`, "ADD", "vpc-eni", "eth0", task, eniConfig)
	l.fails(`interface "en7": no such network interface`, "ADD", "vpc-eni", "eth0", task, `{"eniName":"en7","eniIPAddresses":["10.0.1.5/24"]}`)
	if _, err := l.plugin("ADD", "vpc-eni", "eth0", "/proc/0/ns/net", eniConfig); err == nil || err.Error() != `failed to Statfs "/proc/0/ns/net": no such file or directory` {
		t.Errorf("without a namespace: %v", err)
	}
}

// A call that was killed in the middle, and tried again.
func TestInterfaceThatIsInTheTaskAlready(t *testing.T) {
	l := newLab(t)
	task, network := newSpace(t, "task"), newSpace(t, "network")
	l.interfaceTo(network, "en1", eniMAC, "10.0.1.1/24")
	network.listen(":80")
	for range 2 {
		l.must("ADD", "vpc-eni", "eth0", task, eniConfig)
		task.reaches("10.0.1.1:80", "10.0.1.5")
	}
}

func TestInterfaceThatIsOnlyMoved(t *testing.T) {
	l := newLab(t)
	task, network := newSpace(t, "task"), newSpace(t, "network")
	l.interfaceTo(network, "en1", eniMAC)
	before := task.view()
	l.must("ADD", "vpc-eni", "eth0", task, strings.Replace(eniConfig, "{", `{"opState":false,`, 1))
	sameLines(t, "task", []string{"link en1 veth mtu 9001 down mac " + eniMAC}, added(t, before, task.view()))
}

func TestLegacyInterfacePlugin(t *testing.T) {
	l := newLab(t)
	task, network := newSpace(t, "task"), newSpace(t, "network")
	l.interfaceTo(network, "en1", eniMAC, "10.0.1.1/24")
	before := task.view()
	config := `{"eni":"eni-1","mac":"` + eniMAC + `","ip-addresses":["10.0.1.5/24","10.0.1.6/24","2600:1f14::5/64"],"gateway-ip-addresses":["10.0.1.1"],"block-instance-metadata":true,"mtu":1400}`
	result := l.must("ADD", "ecs-eni", "eth0", task, config)
	if i := result.Interfaces[0]; i.Name != "en1" || i.Mac != eniMAC || len(result.IPs) != 3 || result.IPs[2].Address.String() != "2600:1f14::5/64" || result.IPs[0].Gateway != nil {
		t.Errorf("result %+v, %v", i, result.IPs)
	}
	sameLines(t, "task", []string{
		"link eth0 veth mtu 1400 up mac " + eniMAC + " 10.0.1.5/24 10.0.1.6/24 2600:1f14::5/64",
		"route 10.0.1.0/24 dev eth0", "route 0.0.0.0/0 via 10.0.1.1 dev eth0", "route blackhole 169.254.169.254/32",
		"route 2600:1f14::/64 dev eth0", "route blackhole fd00:ec2::254/128",
	}, added(t, before, task.view()))
	l.must("DEL", "ecs-eni", "eth0", task, config) // does nothing
	network.listen("10.0.1.1:80")
	task.reaches("10.0.1.1:80", "10.0.1.5")
	l.fails("getInterfaceDeviceName engine: unable to get device with hardware address '02:00:00:00:00:01': engine: device with mac address not found",
		"ADD", "ecs-eni", "eth0", task, strings.Replace(config, eniMAC, "02:00:00:00:00:01", 1))
}

const branchConfig = `{"trunkMACAddress":"` + trunkMAC + `","branchVlanID":"133","branchMACAddress":"02:aa:bb:cc:dd:01","ipAddresses":["10.0.1.5/24","2600:1f14::5/64"],
	"gatewayIPAddresses":["10.0.1.1"],"blockInstanceMetadata":true,"interfaceType":"vlan"}`

// needVLAN skips the test where the kernel cannot make VLAN interfaces.
func (l *lab) needVLAN(trunk string) {
	l.t.Helper()
	var err error
	l.host.do(func() error {
		parent, findErr := netlink.LinkByName(trunk)
		if findErr != nil {
			return findErr
		}
		probe := &netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "probe", ParentIndex: parent.Attrs().Index}, VlanId: 7}
		if err = netlink.LinkAdd(probe); err == nil {
			return netlink.LinkDel(probe)
		}
		return nil
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		l.t.Skip("this kernel knows no VLANs (8021q)")
	} else if err != nil {
		l.t.Fatal(err)
	}
}

// linksMade says, when asked, which links the kernel has reported in the namespace since.
func (s *space) linksMade() func() string {
	s.t.Helper()
	updates, done := make(chan netlink.LinkUpdate, 1000), make(chan struct{})
	s.t.Cleanup(func() { close(done) })
	s.do(func() error { return netlink.LinkSubscribe(updates, done) })
	return func() string {
		s.t.Helper()
		// What is made now is reported behind everything before.
		s.do(func() error { return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "last"}}) })
		var names []string
		for update := range updates {
			if update.Attrs().Name == "last" {
				break
			}
			names = append(names, update.Attrs().Name)
		}
		s.do(func() error { return netlink.LinkDel(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "last"}}) })
		return strings.Join(names, " ")
	}
}

func TestBranchOfATrunk(t *testing.T) {
	l := newLab(t)
	network := newSpace(t, "network")
	l.interfaceTo(network, "trunk", trunkMAC)
	l.needVLAN("trunk")
	network.do(func() error {
		peer, err := netlink.LinkByName("to-trunk")
		if err != nil {
			return err
		}
		vlan := &netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "v133", ParentIndex: peer.Attrs().Index}, VlanId: 133}
		gateway, err := netlink.ParseAddr("10.0.1.1/24")
		return errors.Join(err, netlink.LinkAdd(vlan), netlink.AddrAdd(vlan, gateway), netlink.LinkSetUp(vlan))
	})
	network.listen("10.0.1.1:80")
	task, other := newSpace(t, "task"), newSpace(t, "other task")
	before := task.view()
	want := []string{
		"link eth0 vlan mtu 9001 up mac 02:aa:bb:cc:dd:01 10.0.1.5/24 2600:1f14::5/64",
		"route 10.0.1.0/24 dev eth0", "route 0.0.0.0/0 via 10.0.1.1 dev eth0", "route blackhole 169.254.169.254/32",
		"route 2600:1f14::/64 dev eth0", "route blackhole fd00:ec2::254/128",
	}
	links := l.host.linksMade()
	for range 2 { // the second call takes over what the first has left
		result := l.must("ADD", "vpc-branch-eni", "eth0", task, branchConfig)
		if i := result.Interfaces[0]; i.Name != "eth0" || i.Mac != "02:aa:bb:cc:dd:01" || i.Sandbox != task.path() || len(result.IPs) != 0 {
			t.Errorf("result %+v, %v", i, result.IPs)
		}
		sameLines(t, "task", want, added(t, before, task.view()))
		task.reaches("10.0.1.1:80", "10.0.1.5")
	}
	// A call that is killed leaves nothing in the host that would be in the way of the next one.
	if made := links(); strings.Contains(made, "trunk.133") {
		t.Errorf("the VLAN was in the host's namespace: %s", made)
	}
	if _, err := l.plugin("ADD", "vpc-branch-eni", "eth0", other.path(), branchConfig); err == nil || !strings.Contains(err.Error(), `create VLAN 133 on trunk "trunk": file exists`) {
		t.Errorf("one VLAN for two tasks: %v", err)
	}
	sameLines(t, "other task", before, other.view())
	host := l.host.view() // the trunk stays up

	l.must("DEL", "vpc-branch-eni", "eth0", task, branchConfig)
	sameLines(t, "task after DEL", append(before, "route blackhole 169.254.169.254/32", "route blackhole fd00:ec2::254/128"), task.view())
	sameLines(t, "host after DEL", host, l.host.view())
	l.must("DEL", "vpc-branch-eni", "eth0", task, branchConfig)
	if _, err := l.plugin("DEL", "vpc-branch-eni", "eth0", "/proc/0/ns/net", branchConfig); err != nil {
		t.Errorf("DEL without a namespace: %v", err)
	}
	l.fails(`trunk: interface with the address 02:00:00:00:00:01: no such network interface`, "ADD", "vpc-branch-eni", "eth0", task,
		strings.Replace(branchConfig, trunkMAC, "02:00:00:00:00:01", 1))
	l.must("ADD", "vpc-branch-eni", "eth0", other, branchConfig) // the VLAN is free again
}

// A branch that cannot be configured does not stay on its trunk.
func TestBranchIsDeletedAfterAFailure(t *testing.T) {
	l := newLab(t)
	network, task := newSpace(t, "network"), newSpace(t, "task")
	l.interfaceTo(network, "trunk", trunkMAC)
	l.needVLAN("trunk")
	before := task.view()
	bad := strings.Replace(branchConfig, `["10.0.1.1"]`, `["10.7.7.1"]`, 1)
	if _, err := l.plugin("ADD", "vpc-branch-eni", "eth0", task.path(), bad); err == nil || !strings.Contains(err.Error(), "add default route") {
		t.Errorf("error %v", err)
	}
	sameLines(t, "task", before, task.view())
	l.must("ADD", "vpc-branch-eni", "eth0", newSpace(t, "other task"), branchConfig)
}

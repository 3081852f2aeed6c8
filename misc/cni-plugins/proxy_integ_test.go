//go:build integration

package main

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// connected is a task with an interface, 10.0.1.5 and 2600:1f14::5, in a network with a router.
func (l *lab) connected() (task, network *space) {
	l.t.Helper()
	task, network = newSpace(l.t, "task"), newSpace(l.t, "network")
	l.interfaceTo(network, "en1", eniMAC, "10.0.1.1/24", "2600:1f14::1/64", "10.0.1.9/32")
	l.must("ADD", "vpc-eni", "eth0", task, `{"eniMACAddress":"`+eniMAC+`","eniIPAddresses":["10.0.1.5/24","2600:1f14::5/64"],"gatewayIPAddresses":["10.0.1.1"]}`)
	return task, network
}

const meshConfig = `{"ignoredUID":"1337","ignoredGID":"35","proxyIngressPort":"15000","proxyEgressPort":"15001","appPorts":["9080","9081"],
	"egressIgnoredPorts":["22"],"egressIgnoredIPs":["169.254.169.254","169.254.170.2","10.0.1.9","fd00:ec2::254"]`

func TestAppMeshRules(t *testing.T) {
	ipv4 := []string{
		"iptables :APPMESH_INGRESS -", "iptables :APPMESH_EGRESS -",
		"iptables -A PREROUTING -p tcp -m addrtype ! --src-type LOCAL -j APPMESH_INGRESS",
		"iptables -A OUTPUT -p tcp -m addrtype ! --dst-type LOCAL -j APPMESH_EGRESS",
		"iptables -A APPMESH_INGRESS -p tcp -m multiport --dports 9080,9081 -j REDIRECT --to-ports 15000",
		"iptables -A APPMESH_EGRESS -m owner --uid-owner 1337 -j RETURN",
		"iptables -A APPMESH_EGRESS -m owner --gid-owner 35 -j RETURN",
		"iptables -A APPMESH_EGRESS -p tcp -m multiport --dports 22 -j RETURN",
		"iptables -A APPMESH_EGRESS -d 169.254.169.254/32 -p tcp -j RETURN",
		"iptables -A APPMESH_EGRESS -d 169.254.170.2/32 -p tcp -j RETURN",
		"iptables -A APPMESH_EGRESS -d 10.0.1.9/32 -p tcp -j RETURN",
		"iptables -A APPMESH_EGRESS -p tcp -j REDIRECT --to-ports 15001",
	}
	var ipv6 []string
	for _, line := range ipv4 {
		if !strings.Contains(line, " -d ") {
			ipv6 = append(ipv6, strings.Replace(line, "iptables", "ip6tables", 1))
		}
	}
	ipv6 = append(ipv6, "ip6tables -A APPMESH_EGRESS -d fd00:ec2::254/128 -p tcp -j RETURN")
	egressOnly := []string{
		"iptables :APPMESH_EGRESS -", "iptables -A OUTPUT -p tcp -m addrtype ! --dst-type LOCAL -j APPMESH_EGRESS",
		"iptables -A APPMESH_EGRESS -m owner --uid-owner 1337 -j RETURN", "iptables -A APPMESH_EGRESS -p tcp -j REDIRECT --to-ports 15001",
	}
	many := []string{"iptables -A APPMESH_EGRESS -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 -j RETURN",
		"iptables -A APPMESH_EGRESS -p tcp -m multiport --dports 16,17 -j RETURN"}
	for _, c := range []struct {
		name, config string
		want         []string
	}{
		{"as agents ask for it", meshConfig + `}`, ipv4},
		{"with IPv6", meshConfig + `,"enableIPv6":true}`, append(append([]string{}, ipv4...), ipv6...)},
		{"egress alone; lists of one empty text", `{"ignoredUID":"1337","proxyEgressPort":"15001","appPorts":[""],"egressIgnoredPorts":[""],"egressIgnoredIPs":[""]}`, egressOnly},
		{"more ports than one rule takes", `{"ignoredUID":"1337","proxyEgressPort":"15001","appPorts":null,
			"egressIgnoredPorts":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"],"egressIgnoredIPs":[]}`, append(many, egressOnly...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			task := newSpace(t, "task")
			before := task.view()
			for range 2 {
				if result := l.must("ADD", "aws-appmesh", "aws-appmesh", task, c.config); len(result.Interfaces) != 0 {
					t.Errorf("result %+v", result)
				}
				sameLines(t, "task", c.want, added(t, before, task.view()))
			}
			for range 2 {
				l.must("DEL", "aws-appmesh", "aws-appmesh", task, c.config)
				sameLines(t, "task after DEL", before, task.view())
			}
		})
	}
}

func TestAppMeshRedirects(t *testing.T) {
	l := newLab(t)
	task, network := l.connected()
	l.must("ADD", "aws-appmesh", "aws-appmesh", task, meshConfig+`}`)
	task.listen(":15000")
	task.listen(":15001")
	network.listen(":80")
	for _, c := range []struct{ name, address, seenAs string }{
		{"to the outside, which has nobody there", "10.0.1.1:4711", "10.0.1.5"},
		{"to an address that is left alone", "10.0.1.9:80", "10.0.1.5"},
	} {
		if answer, err := task.dial(c.address); err != nil || answer != c.seenAs {
			t.Errorf("%s: %q, %v", c.name, answer, err)
		}
	}
	if _, err := task.dial("10.0.1.9:4711"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("an address that is left alone, without a listener: %v", err)
	}
	network.reaches("10.0.1.5:9080", "10.0.1.1")
	if _, err := l.plugin("DEL", "aws-appmesh", "aws-appmesh", "/proc/0/ns/net", meshConfig+`}`); err == nil || !strings.Contains(err.Error(), "failed to Statfs") {
		t.Errorf("DEL without a namespace: %v", err)
	}
}

func TestAppMeshPassesTheResultOn(t *testing.T) {
	l := newLab(t)
	result := l.must("ADD", "aws-appmesh", "aws-appmesh", newSpace(t, "task"), `{"ignoredUID":"1","proxyEgressPort":"15001","prevResult":{"interfaces":[{"name":"eth7"}],"dns":{}}}`)
	if len(result.Interfaces) != 1 || result.Interfaces[0].Name != "eth7" {
		t.Errorf("result %+v", result)
	}
}

// A rule that the kernel refuses takes the others with it.
func TestFailedRulesLeaveNothing(t *testing.T) {
	l := newLab(t)
	task := newSpace(t, "task")
	before := task.view()
	if _, err := l.plugin("ADD", "aws-appmesh", "aws-appmesh", task.path(), strings.Replace(meshConfig, "1337", "nobody-at-all", 1)+`}`); err == nil {
		t.Error("no error for a user that does not exist")
	}
	sameLines(t, "task", before, task.view())
}

const (
	ingressConfig = `{"ingressConfig":[{"listenerPort":15000,"interceptPort":8080},{"listenerPort":32768}],`
	vips          = `"vip":{"ipv4Cidr":"127.255.0.0/16","ipv6Cidr":"2002::1234:abcd:ffff:c0a8:101/64"}`
)

func TestServiceConnectRules(t *testing.T) {
	ingress := []string{
		"iptables :ECS_SERVICE_CONNECT_INGRESS -",
		"iptables -A ECS_SERVICE_CONNECT_INGRESS -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 15000",
		"iptables -A PREROUTING -p tcp -m addrtype ! --src-type LOCAL -j ECS_SERVICE_CONNECT_INGRESS",
	}
	tproxy := []string{
		"iptables :ECS_SERVICE_CONNECT_DIVERT -",
		"iptables -A ECS_SERVICE_CONNECT_DIVERT -j MARK --set-xmark 0x1/0xffffffff", "iptables -A ECS_SERVICE_CONNECT_DIVERT -j ACCEPT",
		"iptables -A PREROUTING -p tcp -m socket -j ECS_SERVICE_CONNECT_DIVERT",
		"iptables -A PREROUTING -d 127.255.0.0/16 -p tcp -m tcp -j TPROXY --on-port 32769 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1",
		"rule family 2 mark 1 table 100", "route local 0.0.0.0/0 dev lo table 100",
	}
	tproxy6 := []string{
		"ip6tables :ECS_SERVICE_CONNECT_DIVERT -",
		"ip6tables -A ECS_SERVICE_CONNECT_DIVERT -j MARK --set-xmark 0x1/0xffffffff", "ip6tables -A ECS_SERVICE_CONNECT_DIVERT -j ACCEPT",
		"ip6tables -A PREROUTING -p tcp -m socket -j ECS_SERVICE_CONNECT_DIVERT",
		"ip6tables -A PREROUTING -d 2002:0:0:1234::/64 -p tcp -m tcp -j TPROXY --on-port 32769 --on-ip :: --tproxy-mark 0x1/0x1",
		"rule family 10 mark 1 table 100", "route local ::/0 dev lo table 100",
	}
	for _, c := range []struct {
		name, config string
		want         []string
	}{
		{"in a task's own namespace", ingressConfig + `"egressConfig":{"listenerPort":32769,"redirectIP":null,"redirectMode":"nat",` + vips + `},"enableIPv4":true}`,
			append([]string{"iptables -A OUTPUT -d 127.255.0.0/16 -p tcp -j REDIRECT --to-ports 32769"}, ingress...)},
		{"IPv6 alone", `{"egressConfig":{"listenerPort":32769,"redirectMode":"nat",` + vips + `},"enableIPv6":true}`,
			[]string{"ip6tables -A OUTPUT -d 2002:0:0:1234::/64 -p tcp -j REDIRECT --to-ports 32769"}},
		{"the proxy of tasks on Docker's bridge", `{"egressConfig":{"listenerPort":32769,"redirectMode":"tproxy",` + vips + `},"enableIPv4":true,"enableIPv6":true}`,
			append(append([]string{}, tproxy...), tproxy6...)},
		{"those it works for", `{"egressConfig":{"listenerPort":0,"redirectIP":{"ipv4":"10.0.1.1"},"redirectMode":"tproxy",` + vips + `},"enableIPv4":true}`,
			[]string{"route 127.255.0.0/16 via 10.0.1.1 dev eth0"}},
		{"ingress without interception", `{"ingressConfig":[{"listenerPort":32768}],"enableIPv4":true}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			task, _ := l.connected()
			before := task.view()
			for range 2 {
				result := l.must("ADD", "ecs-serviceconnect", "ecs-sc", task, c.config)
				if len(result.Interfaces) != 1 || result.Interfaces[0].Name != "ecs-sc" || result.Interfaces[0].Sandbox != task.path() {
					t.Errorf("result %+v", result)
				}
				sameLines(t, "task", c.want, added(t, before, task.view()))
			}
			for range 2 {
				l.must("DEL", "ecs-serviceconnect", "ecs-sc", task, c.config)
				sameLines(t, "task after DEL", before, task.view())
			}
		})
	}
}

func TestServiceConnectRedirects(t *testing.T) {
	l := newLab(t)
	task, network := l.connected()
	l.must("ADD", "ecs-serviceconnect", "ecs-sc", task, ingressConfig+`"egressConfig":{"listenerPort":32769,"redirectMode":"nat",`+vips+`},"enableIPv4":true,"enableIPv6":true}`)
	task.listen(":15000")
	task.listen(":32769")
	task.reaches("127.255.0.7:80", "127.0.0.1")
	if _, err := task.dial("[2002:0:0:1234::9]:80"); err != nil && !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("IPv6: %v", err)
	}
	network.reaches("10.0.1.5:8080", "10.0.1.1")
	if _, err := l.plugin("DEL", "ecs-serviceconnect", "ecs-sc", "/proc/0/ns/net", ingressConfig+`"enableIPv4":true}`); err == nil || !strings.Contains(err.Error(), "failed to Statfs") {
		t.Errorf("DEL without a namespace: %v", err)
	}
}

// The pieces of a failed call are taken back, and the error of the piece is told.
func TestFailedServiceConnectLeavesNothing(t *testing.T) {
	l := newLab(t)
	task, _ := l.connected()
	before := task.view()
	config := ingressConfig + `"egressConfig":{"redirectIP":{"ipv4":"172.17.0.3"},"redirectMode":"tproxy",` + vips + `},"enableIPv4":true}`
	l.fails("add route to 127.255.0.0/16: network is unreachable", "ADD", "ecs-serviceconnect", "ecs-sc", task, config)
	sameLines(t, "task", before, task.view())
}

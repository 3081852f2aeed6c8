package proxy

import (
	"strings"
	"testing"
)

func TestMeshConfigurations(t *testing.T) {
	const complete = `{"ignoredUID":"1337","proxyIngressPort":"15000","proxyEgressPort":"15001","appPorts":["9080"],"egressIgnoredPorts":["22"],"egressIgnoredIPs":["10.0.0.0/8","::1"]}`
	for _, c := range []struct{ name, old, new, want string }{
		{"complete", "", "", ""},
		{"no user and no group", "ignoredUID", "x", "missing required parameter ignoredGID or ignoredUID"},
		{"no egress port", "proxyEgressPort", "x", "missing required parameter proxyEgressPort"},
		{"no ingress port", "proxyIngressPort", "x", "missing parameter proxyIngressPort (required if appPorts are provided)"},
		{"no application ports", `["9080"]`, `[""]`, "missing parameter appPorts (required if proxyIngressPort is provided)"},
		{"a port that is none", "9080", "web", "invalid port [web] specified"},
		{"a port beyond the last", "15001", "65536", "invalid port [65536] specified"},
		{"an empty port in a list", `["22"]`, `["22",""]`, "invalid port [] specified"},
		{"an address that is none", "::1", "10.0.0", "invalid IP or CIDR block [10.0.0] specified in egressIgnoredIPs"},
		{"not JSON", complete, "[]", "failed to parse network config: json: cannot unmarshal array into Go value of type proxy.meshConfig"},
	} {
		_, err := parseMesh([]byte(strings.Replace(complete, c.old, c.new, 1)))
		check(t, c.name, err, c.want)
	}
}

func TestServiceConnectConfigurations(t *testing.T) {
	const complete = `{"ingressConfig":[{"listenerPort":15000,"interceptPort":8080}],"egressConfig":{"listenerPort":32769,"redirectIP":null,"redirectMode":"nat",
		"vip":{"ipv4Cidr":"127.255.0.0/16","ipv6Cidr":"2002::/64"}},"enableIPv4":true,"enableIPv6":true}`
	redirect := func(ip string) string { return `"listenerPort":0,"redirectIP":` + ip + `,"redirectMode":"tproxy"` }
	const listener = `"listenerPort":32769,"redirectIP":null,"redirectMode":"nat"`
	for _, c := range []struct{ name, old, new, want string }{
		{"complete", "", "", ""},
		{"names without regard to case", "listenerPort", "ListenerPort", ""},
		{"neither direction", complete, `{"enableIPv4":true}`, "either IngressConfig or EgressConfig must be present"},
		{"neither family", `"enableIPv4":true,"enableIPv6":true`, `"x":1`, "both V4 and V6 cannot be disabled"},
		{"two ways to the proxy", "null", `{"ipv4":"10.0.0.1"}`, "exactly one of ListenerPort and RedirectIP must be specified in Egress"},
		{"no way to the proxy", listener, `"redirectMode":"nat"`, "exactly one of ListenerPort and RedirectIP must be specified in Egress"},
		{"an unknown mode", `"nat"`, `"dnat"`, "invalid parameter: Egress RedirectMode"},
		{"translation needs a port", listener, `"redirectIP":{"ipv4":"10.0.0.1"},"redirectMode":"nat"`, "missing required parameter: Egress ListenerPort"},
		{"an egress port beyond the last", "32769", "65536", "invalid port 65536 specified"},
		{"no ingress listener", `"listenerPort":15000,`, "", "invalid port 0 specified"},
		{"a wrong intercepted port", "8080", "-1", "invalid port -1 specified"},
		{"no address of the proxy", listener, redirect(`{}`), "missing required parameter: EgressConfig Redirect IP"},
		{"a wrong address of the proxy", listener, redirect(`{"ipv4":"proxy","ipv6":"fe80::1"}`), "invalid parameter: EgressConfig RedirectIP"},
		{"an address of one family alone", listener, redirect(`{"ipv4":"10.0.0.1"}`), "missing required parameter: EgressConfig Redirect IP"},
		{"no services", `"vip"`, `"x"`, "missing required parameter: EgressConfig VIP"},
		{"no services in a family", `"ipv6Cidr":"2002::/64"`, `"x":1`, "missing required parameter: EgressConfig VIP CIDR"},
		{"a wrong IPv4 network", "127.255.0.0/16", "127.255.0.0", "invalid parameter: EgressConfig IPv4 CIDR Address"},
		{"a wrong IPv6 network", "2002::/64", "10.0.0.0/8", "invalid parameter: EgressConfig IPv6 CIDR Address"},
	} {
		_, err := parseConnect([]byte(strings.Replace(complete, c.old, c.new, 1)))
		check(t, c.name, err, c.want)
	}
}

func check(t *testing.T, name string, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
}

package task

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestENIRecords(t *testing.T) {
	cases := []struct {
		name, record string
		macs         []string
	}{
		{"none", `null`, nil},
		{"an empty list", `[]`, nil},
		{"a list", `[{"MacAddress":"a"},{"MacAddress":"b"}]`, []string{"a", "b"}},
		{"the single object of old agents", ` {"MacAddress":"a"}`, []string{"a"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			task := Task{}
			if err := json.Unmarshal([]byte(`{"ENI":`+c.record+`}`), &task); err != nil {
				t.Fatal(err)
			}
			var macs []string
			for _, e := range task.ENIs {
				macs = append(macs, e.MAC)
			}
			if !slices.Equal(macs, c.macs) || (task.PrimaryENI() == nil) != (len(c.macs) == 0) {
				t.Errorf("interfaces %v, want %v", macs, c.macs)
			}
		})
	}
	if err := json.Unmarshal([]byte(`{"ENI":[{"MacAddress":1}]}`), &Task{}); err == nil {
		t.Error("a number was taken for a MAC address")
	}
}

func TestENIAddresses(t *testing.T) {
	v4 := func(list ...string) (out []ENIAddress) {
		for _, a := range list {
			out = append(out, ENIAddress{Address: a})
		}
		return out
	}
	cases := []struct {
		name     string
		eni      ENI
		prefixes []string
		gateway  string
		failure  string
	}{
		{"IPv4", ENI{IPv4: v4("10.0.1.5", "10.0.1.6"), GatewayIPv4: "10.0.1.1/24"}, []string{"10.0.1.5/24", "10.0.1.6/24"}, "10.0.1.1", ""},
		{"dual stack has the IPv4 gateway and a /64", ENI{IPv4: v4("10.0.1.5"), IPv6: v4("2600::5"), GatewayIPv4: "10.0.1.1/20", GatewayIPv6: "2600::1/80"},
			[]string{"10.0.1.5/20", "2600::5/64"}, "10.0.1.1", ""},
		{"IPv6 only has the prefix length of its gateway", ENI{IPv6: v4("2600::5"), GatewayIPv6: "2600::1/80"}, []string{"2600::5/80"}, "2600::1", ""},
		{"a gateway without prefix length", ENI{IPv6: v4("2600::5"), GatewayIPv6: "fe80::1"}, []string{"2600::5/64"}, "fe80::1", ""},
		{"IPv6 only without a gateway", ENI{IPv6: v4("2600::5")}, []string{"2600::5/64"}, "", "task ENI is IPv6-only but has no IPv6 subnet gateway address"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			gateway, err := c.eni.Gateway()
			failure := ""
			if err != nil {
				failure = err.Error()
			}
			if got := c.eni.Prefixes(); !slices.Equal(got, c.prefixes) || gateway != c.gateway || failure != c.failure {
				t.Errorf("addresses %v, gateway %q, %s", got, gateway, failure)
			}
		})
	}
}

func TestSubnetsOfUnreadableAddresses(t *testing.T) {
	e := ENI{IPv6: []ENIAddress{{Address: "nonsense"}}, GatewayIPv4: "nonsense"}
	if e.IPv4Subnet() != "" || e.IPv6Subnet() != "" {
		t.Errorf("%q %q", e.IPv4Subnet(), e.IPv6Subnet())
	}
	// A gateway of the other family has more or fewer bits than the address.
	e = ENI{IPv6: []ENIAddress{{Address: "10.0.0.1"}}, GatewayIPv6: "8::/48"}
	if e.IPv6Subnet() != "" {
		t.Errorf("%q", e.IPv6Subnet())
	}
}

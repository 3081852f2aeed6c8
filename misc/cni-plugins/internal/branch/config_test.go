package branch

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

const complete = `{"trunkMACAddress":"02:11:22:33:44:55","branchVlanID":"133","branchMACAddress":"02:aa:bb:cc:dd:01","ipAddresses":["10.0.1.5/24"],"gatewayIPAddresses":["10.0.1.1"],"interfaceType":"vlan"}`

func TestConfigurations(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"complete", "", "", ""},
		{"the trunk by name", `"trunkMACAddress":"02:11:22:33:44:55"`, `"trunkName":"en1"`, ""},
		{"no trunk", `"trunkMACAddress":"02:11:22:33:44:55"`, `"a":1`, "missing required parameter trunkName or trunkMACAddress"},
		{"no VLAN", `"branchVlanID":"133"`, `"a":1`, "missing required parameter branchVlanID"},
		{"no branch", `"branchMACAddress":"02:aa:bb:cc:dd:01"`, `"a":1`, "missing required parameter branchMACAddress"},
		{"a wrong trunk", "02:11:22:33:44:55", "zz", "invalid trunkMACAddress zz"},
		{"a wrong VLAN", `"133"`, `"x"`, "invalid branchVlanID x"},
		{"a VLAN beyond the last", `"133"`, `"4095"`, "invalid branchVlanID 4095"},
		{"VLAN 0", `"133"`, `"0"`, "Invalid isolationID"},
		{"a wrong branch", "02:aa:bb:cc:dd:01", "zz", "invalid branchMACAddress zz"},
		{"a wrong address", "10.0.1.5/24", "10.0.1.5", "invalid ipAddress 10.0.1.5"},
		{"a wrong gateway", `"10.0.1.1"`, `"x"`, "invalid gatewayIPAddress x"},
		{"another type of interface", `"vlan"`, `"tap"`, `invalid interfaceType "tap": this plugin makes interfaces of the type "vlan" only`},
		{"not JSON", complete, `{`, "failed to parse network config: unexpected end of JSON input"},
	} {
		got := ""
		if _, err := parse([]byte(strings.Replace(complete, c.old, c.new, 1)), ""); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestArgumentsComeFirst(t *testing.T) {
	c, err := parse([]byte(complete), "IgnoreUnknown=1;BranchVlanID=7;BranchMACAddress=02:00:00:00:00:07;IPAddresses=10.7.0.5/16,2600::7/64;GatewayIPAddresses=10.7.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if c.vlanID != 7 || c.branchMAC.String() != "02:00:00:00:00:07" || len(c.addresses) != 2 || c.addresses[1].String() != "2600::7/64" || c.gateways[0].String() != "10.7.0.1" {
		t.Errorf("%+v", c)
	}
}

func TestNameOfTheVLAN(t *testing.T) {
	for trunk, want := range map[string]string{"eth1": "eth1.4094", "ecs021122334455": "trunk12.4094", "en12345678": "en12345678.4094", "en123456789": "trunk12.4094"} {
		if got := vlanName(&netlink.LinkAttrs{Name: trunk, Index: 12}, 4094); got != want || len(got) > 15 {
			t.Errorf("on %s: %s, want %s", trunk, got, want)
		}
	}
}

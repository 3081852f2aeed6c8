package eni

import (
	"strings"
	"testing"
)

func TestConfigurations(t *testing.T) {
	for _, c := range []struct{ name, config, want string }{
		{"not JSON", `{`, "failed to parse network config: unexpected end of JSON input"},
		{"no interface", `{}`, "missing required parameter ENIName or ENIMACAddress"},
		{"no address", `{"eniName":"en1"}`, "missing required parameter ENIIPAddresses"},
		{"a network that exists, without a name", `{"eniName":"en1","eniIPAddresses":["10.0.0.5/24"],"useExistingNetwork":true}`, "missing required parameter network name"},
		{"a wrong hardware address", `{"eniMACAddress":"zz","eniIPAddresses":["10.0.0.5/24"]}`, "invalid ENIMACAddress zz"},
		{"an address without a length", `{"eniName":"en1","eniIPAddresses":["10.0.0.5"]}`, "invalid ENIIPAddress 10.0.0.5"},
		{"a gateway with a length", `{"eniName":"en1","eniIPAddresses":["10.0.0.5/24"],"gatewayIPAddresses":["10.0.0.1/24"]}`, "invalid GatewayIPAddress 10.0.0.1/24"},
		{"complete", `{"name":"n","eniName":"","eniMACAddress":"02:99:ec:49:83:44","eniIPAddresses":["10.0.0.5/24","2600::5/64"],"gatewayIPAddresses":["10.0.0.1"],"dns":{},"useExistingNetwork":false}`, ""},
	} {
		_, _, err := parseVPC([]byte(c.config))
		if got := text(err); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLegacyConfigurations(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`{`, "newconf types: failed to parse config: unexpected end of JSON input"},
		{`{}`, "newconf types: missing required parameter in config: 'eni'"},
		{`{"eni":"eni-1"}`, "newconf types: missing required parameter in config: 'mac'"},
		{`{"eni":"eni-1","mac":"02:00:00:00:00:01"}`, "newconf types: missing required parameter in config: 'ip-addresses'"},
		{`{"eni":"eni-1","mac":"zz","ip-addresses":["1.2.3.4/5"]}`, "newconf types: malformatted mac address specified: address zz: invalid MAC address"},
		{`{"eni":"eni-1","mac":"02:00:00:00:00:01","ip-addresses":["1.2.3.4"]}`, "newconf types: malformed IP address specified: 1.2.3.4"},
		{`{"eni":"eni-1","mac":"02:00:00:00:00:01","ip-addresses":["1.2.3.4/5"],"gateway-ip-addresses":["x"]}`, "newconf types: malformed IP address specified: x"},
		{`{"eni":"eni-1","mac":"02:00:00:00:00:01","ip-addresses":["1.2.3.4/5"],"gateway-ip-addresses":["1.2.3.1"]}`, ""},
	} {
		_, err := parseLegacy([]byte(c.config))
		if got := text(err); got != c.want {
			t.Errorf("%s: %q, want %q", c.config, got, c.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimSpace(err.Error())
}

package fault

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestUsable(t *testing.T) {
	for _, test := range []struct {
		name     string
		ipv6Only bool
		lacks    string // tool
		fails    string // probe
		links    []link
		want     string // in the error; empty: usable
	}{
		{name: "all there", links: []link{{name: "eth0"}}},
		{name: "ip6tables is not needed", lacks: "ip6tables", links: []link{{name: "eth0"}}},
		{name: "ip6tables is needed", ipv6Only: true, lacks: "ip6tables", links: []link{{name: "eth0"}}, want: "ip6tables"},
		{name: "no iptables", lacks: "iptables", links: []link{{name: "eth0"}}, want: "iptables"},
		{name: "no tc", lacks: "tc", links: []link{{name: "eth0"}}, want: "tc"},
		{name: "no nsenter", lacks: "nsenter", links: []link{{name: "eth0"}}, want: "nsenter"},
		{name: "no netem", fails: "modinfo", links: []link{{name: "eth0"}}, want: "network emulation"},
		{name: "no default route", want: "default route"},
		{name: "old tc", fails: "tc -j q show dev eth0 parent 1:1", links: []link{{name: "eth0"}}, want: "tc"},
	} {
		t.Run(test.name, func(t *testing.T) {
			find := func(tool string) (string, error) {
				if tool == test.lacks {
					return "", errors.New(tool + " is missing")
				}
				return "/sbin/" + tool, nil
			}
			run := func(_ context.Context, args []string, _ string) ([]byte, error) {
				if line := strings.Join(args, " "); test.fails != "" && strings.HasPrefix(line, test.fails) {
					return nil, exit(1, line)
				}
				return nil, nil
			}
			err := usable(t.Context(), test.ipv6Only, find, run, func() ([]link, error) { return test.links, nil })
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

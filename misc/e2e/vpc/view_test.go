//go:build e2e

package vpc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// view is what there is in the host's namespace and in the lab: links, addresses, routes, rules of routing, packet filters,
// namespaces.
func (h *host) view() (lines []string) {
	h.t.Helper()
	note := func(where string, more []string, err error) {
		h.t.Helper()
		h.must(err)
		for _, line := range more {
			lines = append(lines, where+": "+line)
		}
	}
	more, err := network()
	note("host", more, err)
	more, err = filters(h.ctx())
	note("host", more, err)
	h.must(ns.WithNetNSPath("/run/netns/ecs-lab", func(ns.NetNS) (err error) {
		more, err = network()
		return err
	}))
	note("lab", more, nil)
	entries, err := os.ReadDir("/run/netns")
	h.must(err)
	for _, e := range entries {
		lines = append(lines, "namespace: "+e.Name())
	}
	// Other namespaces live in a container, or some time longer as Docker likes.
	running, err := exec.CommandContext(h.ctx(), "docker", "ps", "--format", "{{.Names}}").Output()
	note("container", strings.Fields(string(running)), err)
	slices.Sort(lines)
	// The bridge to the agent comes with the first task and stays.
	return slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "ecs-bridge") })
}

// network lists the links, addresses, routes and rules of routing in the namespace of the thread. The kernel's own addresses
// and groups of each link come and go with it, but not at once.
func network() (lines []string, err error) {
	links, err := netlinksafe.LinkList()
	if err != nil {
		return nil, err
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
		addresses, err := netlinksafe.AddrList(l, 0)
		if err != nil {
			return nil, err
		}
		line := l.Type() + " " + l.Attrs().Name
		for _, a := range addresses {
			if !a.IP.IsLinkLocalUnicast() || a.IP.To4() != nil {
				line += " " + a.IPNet.String()
			}
		}
		lines = append(lines, line)
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlinksafe.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return nil, err
		}
		for _, r := range routes {
			if r.Dst == nil || r.Dst.IP.To4() != nil || !r.Dst.IP.IsLinkLocalUnicast() && !r.Dst.IP.IsMulticast() {
				lines = append(lines, fmt.Sprintf("route %v via %v dev %s table %d type %d", r.Dst, r.Gw, names[r.LinkIndex], r.Table, r.Type))
			}
		}
		rules, err := netlinksafe.RuleList(family)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			lines = append(lines, fmt.Sprintf("rule of family %d: %s", family, r))
		}
	}
	return lines, nil
}

// filters lists the chains and rules of the packet filters, without their counters.
func filters(ctx context.Context) (lines []string, err error) {
	for _, tool := range []string{"iptables-save", "ip6tables-save"} {
		text, err := exec.CommandContext(ctx, tool).Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", tool, err)
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " [")
			if strings.HasPrefix(line, "-A") || strings.HasPrefix(line, ":") && strings.HasSuffix(line, " -") {
				lines = append(lines, tool+" "+line)
			}
		}
	}
	return lines, nil
}

// nothingIsLeft waits until the namespaces are as they were and no address is leased.
func (h *host) nothingIsLeft() {
	h.t.Helper()
	diff := ""
	err := rig.Poll(h.ctx(), "everything to be gone", func() (bool, error) {
		diff = cmp.Diff(h.before, h.view()) + cmp.Diff([]string(nil), h.leases())
		return diff == "", nil
	})
	if err != nil {
		h.t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

func (h *host) database() string { return filepath.Join(h.dir, "eni-ipam.db") }

// leases are the addresses on the bridge that have an owner.
func (h *host) leases() (owned []string) {
	h.t.Helper()
	if _, err := os.Stat(h.database()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	db, err := bolt.Open(h.database(), 0o644, &bolt.Options{ReadOnly: true, Timeout: 5 * time.Second})
	h.must(err)
	defer func() { _ = db.Close() }()
	h.must(db.View(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte("IPAM"))
		if bucket == nil {
			return nil // nothing was ever leased
		}
		return bucket.ForEach(func(k, v []byte) error {
			if owner := string(v[8:]); owner != "GateWay" && !strings.HasPrefix(string(k), "last") {
				owned = append(owned, string(k)+" "+owner)
			}
			return nil
		})
	}))
	return owned
}

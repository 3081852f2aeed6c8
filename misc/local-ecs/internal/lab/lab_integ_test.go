//go:build integration

package lab

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
)

// In a namespace that stands in for the host: a lab comes up, interfaces in it reach the gateway, one another and the host,
// and everything goes with it.
func TestLabUpAndDown(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("makes network namespaces, for which it takes root")
	}
	dir := t.TempDir()
	l := Default()
	l.Name = "labtest"
	host, err := ns.TempNetNS()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Close() }()
	in := func(what string, f func() error) {
		t.Helper()
		if err := host.Do(func(ns.NetNS) error { return f() }); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	t.Cleanup(func() { _ = l.remove() })
	in("up", func() error { return l.Up(dir) })
	in("up again", func() error { return l.Up(dir) })
	if got, err := Load(dir); err != nil || got != l {
		t.Errorf("the file says %+v, %v", got, err)
	}
	for id, mac := range map[string]string{"0a": "02:00:00:00:00:0a", "0b": "02:00:00:00:00:0b"} {
		in("plug", func() error {
			address, err := net.ParseMAC(mac)
			return errors.Join(err, l.Plug(id, address))
		})
	}
	in("look", func() error {
		ids, err := l.Plugged()
		if len(ids) != 2 {
			t.Errorf("plugged: %v", ids)
		}
		return err
	})
	// One interface goes into a task's namespace, the other stays at the host.
	task, err := ns.TempNetNS()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = task.Close() }()
	configure := func(name, ip string) error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(ip)
		return errors.Join(err, netlink.AddrAdd(link, a), netlink.LinkSetUp(link))
	}
	in("move", func() error {
		link, err := netlink.LinkByName("eni0a")
		if err != nil {
			return err
		}
		if link.Attrs().HardwareAddr.String() != "02:00:00:00:00:0a" {
			t.Errorf("hardware address %s", link.Attrs().HardwareAddr)
		}
		return netlink.LinkSetNsFd(link, int(task.Fd()))
	})
	if err := task.Do(func(ns.NetNS) error { return configure("eni0a", "10.200.0.10/24") }); err != nil {
		t.Fatal(err)
	}
	var listener net.Listener
	in("listen", func() (err error) {
		listener, err = net.Listen("tcp", "10.200.0.2:0")
		return err
	})
	defer func() { _ = listener.Close() }()
	err = task.Do(func(ns.NetNS) error {
		conn, err := net.DialTimeout("tcp", listener.Addr().String(), 5*time.Second)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	if err != nil {
		t.Errorf("from a task to the host: %v", err)
	}

	in("unplug", func() error { return l.Unplug("0a") })
	_ = task.Do(func(ns.NetNS) error {
		if _, err := netlink.LinkByName("eni0a"); err == nil {
			t.Error("the task still has the interface that was unplugged")
		}
		return nil
	})
	in("down", func() error { return l.Down(dir) })
	deadline := time.Now().Add(5 * time.Second)
	for left := 2; left > 1; {
		in("look", func() error {
			links, err := netlink.LinkList()
			left = len(links)
			return err
		})
		if time.Now().After(deadline) {
			t.Fatalf("%d interfaces are left of the lab", left-1)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, path := range []string{filepath.Join(dir, "lab.json"), l.path()} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
}

// A trunk is in the lab by its branches alone. Where the kernel has no VLANs, the lab does not come up, says why, and leaves
// nothing.
func TestTrunkOfALab(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("makes network namespaces, for which it takes root")
	}
	dir := t.TempDir()
	l := Default()
	l.Name, l.Trunk = "labtest", true
	host, task := newNamespace(t), newNamespace(t)
	t.Cleanup(func() { _ = l.remove() })
	in := func(where ns.NetNS, what string, f func() error) {
		t.Helper()
		if err := where.Do(func(ns.NetNS) error { return f() }); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	var noVLANs error
	in(host, "up", func() error {
		err := l.Up(dir)
		if errors.Is(err, ErrNoVLANs) {
			noVLANs, err = err, nil
		}
		return err
	})
	if noVLANs != nil {
		if _, err := os.Stat(l.path()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left of a lab that could not be made: %v", l.path(), err)
		}
		if _, err := Load(dir); !errors.Is(err, ErrNone) {
			t.Errorf("serve would find a lab: %v", err)
		}
		t.Skip(noVLANs)
	}
	const trunk, branch = "00000000000a", "00000000000b"
	mac, err := net.ParseMAC("02:00:00:00:00:0a")
	if err != nil {
		t.Fatal(err)
	}
	in(host, "plug", func() error { return errors.Join(l.PlugTrunk(trunk, mac), l.PlugBranch(branch, trunk, 11)) })
	in(host, "branch of a task", func() error {
		parent, err := netlink.LinkByName("eni" + trunk)
		if err != nil {
			return err
		}
		if parent.Attrs().HardwareAddr.String() != mac.String() {
			t.Errorf("hardware address %s", parent.Attrs().HardwareAddr)
		}
		vlan := &netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "branch", ParentIndex: parent.Attrs().Index}, VlanId: 11}
		return errors.Join(netlink.LinkSetUp(parent), netlink.LinkAdd(vlan), netlink.LinkSetNsFd(vlan, int(task.Fd())))
	})
	in(task, "configure", func() error {
		link, err := netlink.LinkByName("branch")
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr("10.200.0.11/24")
		return errors.Join(err, netlink.AddrAdd(link, a), netlink.LinkSetUp(link))
	})
	var listener net.Listener
	in(host, "listen", func() (err error) {
		listener, err = net.Listen("tcp", "10.200.0.2:0")
		return err
	})
	defer func() { _ = listener.Close() }()
	in(task, "from a task to the host", func() error {
		conn, err := net.DialTimeout("tcp", listener.Addr().String(), 5*time.Second)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	in(host, "unplug", func() error {
		ids, err := l.Plugged()
		if len(ids) != 2 {
			t.Errorf("plugged: %v", ids)
		}
		// The branch goes with its trunk, and may be unplugged all the same.
		return errors.Join(err, l.Unplug(trunk), l.Unplug(branch))
	})
	in(host, "down", func() error { return l.Down(dir) })
}

func newNamespace(t *testing.T) ns.NetNS {
	t.Helper()
	made, err := ns.TempNetNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Close() })
	return made
}

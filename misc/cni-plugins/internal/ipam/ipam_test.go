package ipam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/flock"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin"
	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

const subnet = `"ipv4-subnet":"169.254.172.0/22"`

// useDatabase gives the test a database of its own.
func useDatabase(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db", "eni-ipam.db")
	t.Setenv("IPAM_DB_PATH", path)
	return path
}

// call returns the addresses that ADD gives, or the error's text.
func call(op, ipam string) (got []string) {
	c := &plugin.Call{Stdin: []byte(`{"cniVersion":"0.3.0","name":"n","ipam":{"type":"ecs-ipam",` + ipam + `}}`)}
	if op == "DEL" {
		if err := del(context.Background(), c); err != nil {
			return []string{err.Error()}
		}
		return nil
	}
	result, err := add(context.Background(), c)
	if err != nil {
		return []string{err.Error()}
	}
	for _, ip := range result.IPs {
		got = append(got, fmt.Sprintf("%s gateway %s", ip.Address.String(), ip.Gateway))
	}
	return got
}

func TestLeases(t *testing.T) {
	path := useDatabase(t)
	for _, step := range []struct {
		name, op, ipam string
		want           []string
	}{
		{"the first address is behind the gateway", "ADD", `"id":"02:00:00:00:00:44",` + subnet, []string{"169.254.172.2/22 gateway 169.254.172.1"}},
		{"the next one", "ADD", `"id":"02:00:00:00:00:45",` + subnet, []string{"169.254.172.3/22 gateway 169.254.172.1"}},
		{"nobody has two", "ADD", `"id":"02:00:00:00:00:44",` + subnet, []string{"getIPV4AddressFromDB commands: failed to get available ip from the db: " +
			"ipstore get ip: failed to assign ip in ipam: assign ipstore: check id unique failed, id: 02:00:00:00:00:44: ipstore: id already exists"}},
		{"release by owner", "DEL", `"id":"02:00:00:00:00:44",` + subnet, nil},
		{"again", "DEL", `"id":"02:00:00:00:00:44",` + subnet, []string{"release ipstore: no ip address associated with the given id: 02:00:00:00:00:44"}},
		{"a released address rests", "ADD", `"id":"02:00:00:00:00:46",` + subnet, []string{"169.254.172.4/22 gateway 169.254.172.1"}},
		{"a gateway that is a task's", "ADD", `"id":"y","ipv4-gateway":"169.254.172.3",` + subnet, []string{"verifyGateway commands: ip of gateway has already been used"}},
		{"a fixed address that is a task's", "ADD", `"id":"x","ipv4-address":"169.254.172.3/22",` + subnet,
			[]string{"getIPV4Address commands: failed to mark this ip 169.254.172.3/22 as used: Previous K/V pair exists, cannot complete Atomic operation"}},
		{"both families", "ADD", `"id":"z","ipv6-subnet":"fd00:ec2::172:0/112",` + subnet,
			[]string{"169.254.172.5/22 gateway 169.254.172.1", "fd00:ec2::172:2/112 gateway fd00:ec2::172:1"}},
		{"a second subnet", "ADD", `"id":"w","ipv4-subnet":"20.0.0.0/24"`,
			[]string{"verifyGateway commands: failed to update gateway into the db: assign ipstore: check id unique failed, id: GateWay: ipstore: id already exists"}},
		{"half of what is wanted is nothing", "ADD", `"id":"v","ipv6-subnet":"fd00:ec2::172:0/112","ipv6-address":"fd00:ec2::172:2/112",` + subnet,
			[]string{"getIPV6Address commands: failed to mark this ip fd00:ec2::172:2/112 as used: Previous K/V pair exists, cannot complete Atomic operation"}},
		{"a fixed address", "ADD", `"id":"u","ipv4-address":"169.254.175.9/22",` + subnet, []string{"169.254.175.9/22 gateway 169.254.172.1"}},
		{"release by address", "DEL", `"ipv4-address":"169.254.175.9/22",` + subnet, nil},
		{"an address that is nobody's", "DEL", `"ipv4-address":"169.254.175.9/22",` + subnet, []string{"release ipstore: ip does not existed in the db: 169.254.175.9"}},
		{"release of nothing", "DEL", subnet, []string{"del commands: ip address (ipv4 or ipv6) and id can not all be empty for deletion"}},
		{"by owner of both families", "DEL", `"id":"z","ipv6-subnet":"fd00:ec2::172:0/112",` + subnet, nil},
	} {
		if diff := cmp.Diff(step.want, call(step.op, step.ipam)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	want := map[string]string{
		"169.254.172.1": "GateWay", "169.254.172.3": "02:00:00:00:00:45", "169.254.172.4": "02:00:00:00:00:46", "lastKnownIP": "169.254.172.5",
		"6fd00:ec2::172:1": "GateWayV6", "lastKnownIPv6": "fd00:ec2::172:2",
	}
	if diff := cmp.Diff(want, contents(t, path)); diff != "" {
		t.Errorf("database (-want +got):\n%s", diff)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode of the file: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("mode of the directory: %v, %v", info.Mode(), err)
	}
}

// contents reads the database as other builds of the plugin do: values behind 8 bytes.
func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	db, err := bolt.Open(path, 0o644, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all := map[string]string{}
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("IPAM")).ForEach(func(k, v []byte) error {
			all[string(k)] = string(v[8:])
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// write makes a database as another build of the plugin would.
func write(t *testing.T, path string, entries map[string]string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o644, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("IPAM"))
		for k, v := range entries {
			err = errors.Join(err, b.Put([]byte(k), append([]byte{7, 1, 0, 0, 0, 0, 0, 0}, v...)))
		}
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestDatabasesOfOthers(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries map[string]string
		ipam    string
		want    string
	}{
		{"the search goes on and round", map[string]string{"10.0.0.1": "GateWay", "lastKnownIP": "10.0.0.6"}, `"id":"a","ipv4-subnet":"10.0.0.0/29"`, "10.0.0.2/29 gateway 10.0.0.1"},
		{"a cursor of another subnet does not count", map[string]string{"lastKnownIP": "10.9.9.9"}, `"id":"a","ipv4-subnet":"10.0.0.0/29"`, "10.0.0.2/29 gateway 10.0.0.1"},
		{"a full subnet", map[string]string{"10.0.0.1": "GateWay", "10.0.0.2": "b"}, `"id":"a","ipv4-subnet":"10.0.0.0/30"`,
			"getIPV4AddressFromDB commands: failed to get available ip from the db: getAvailableIP ipstore: failed to find available ip addresses in the subnet"},
		{"the address the cursor is at, last of all", map[string]string{"10.0.0.1": "GateWay", "lastKnownIP": "10.0.0.2"}, `"id":"a","ipv4-subnet":"10.0.0.0/30"`, "10.0.0.2/30 gateway 10.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, useDatabase(t), c.entries)
			if got := call("ADD", c.ipam); !slices.Equal(got, []string{c.want}) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestWrongConfigurations(t *testing.T) {
	useDatabase(t)
	for ipam, want := range map[string]string{
		`"id":"x"`:                             "loadIPAMConfig config: at least one subnet (ipv4 or ipv6) is required",
		`"id":"x","ipv4-subnet":"10.0.0.0/31"`: "loadIPAMConfig config: no available ip in the subnet",
		`"id":"x","ipv6-subnet":"fd00::/127"`:  "loadIPAMConfig config: no available ip in the subnet",
		`"id":"x","ipv4-subnet":"10.0.0.0/24","ipv4-address":"10.1.0.5/24"`:      "verifyIPSubnet config: ip 10.1.0.5 is not within the subnet {10.0.0.0 ffffff00}",
		`"id":"x","ipv4-subnet":"10.0.0.0/24","ipv4-gateway":"10.1.0.5"`:         "verifyIPSubnet config: ip 10.1.0.5 is not within the subnet {10.0.0.0 ffffff00}",
		`"id":"x","ipv4-subnet":"10.0.0.0/24","ipv4-address":"10.0.0.0/24"`:      "ip specified is reserved by default: {10.0.0.0 ffffff00}",
		`"id":"x","ipv4-subnet":"10.0.0.0/24","ipv4-address":"10.0.0.255/24"`:    "ip specified is reserved by default: {10.0.0.255 ffffff00}",
		`"id":"x","ipv4-subnet":"10.0.0.0/24","ipv4-gateway":"10.0.0.255"`:       "gateway specified is reserved by default: 10.0.0.255",
		`"id":"x","ipv6-subnet":"fd00::/112","ipv6-address":"fd00::/112"`:        "ip specified is reserved by default: {fd00:: ffffffffffffffffffffffffffff0000}",
		`"id":"x","ipv4-subnet":"10.0.0.0/24","ipv4-routes":[{"dst":"nowhere"}]`: "loadIPAMConfig config: failed to load netconf: invalid CIDR address: nowhere",
	} {
		if got := call("ADD", ipam); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", ipam, got, want)
		}
	}
	stdin := `{"cniVersion":"0.3.0","name":"n"}`
	if _, err := add(context.Background(), &plugin.Call{Stdin: []byte(stdin)}); err == nil || err.Error() != "loadIPAMConfig config: 'IPAM' field missing in configuration: "+stdin {
		t.Errorf("without ipam: %v", err)
	}
}

func TestRoutesAreThoseOfTheConfiguration(t *testing.T) {
	useDatabase(t)
	result, err := add(context.Background(), &plugin.Call{Stdin: []byte(`{"ipam":{"id":"x","ipv4-routes":[{"dst":"169.254.170.2/32"},{"dst":"10.9.0.0/16","gw":"169.254.172.1"}],` + subnet + `}}`)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(result)
	want := `{"ips":[{"version":"4","address":"169.254.172.2/22","gateway":"169.254.172.1"}],"routes":[{"dst":"169.254.170.2/32"},{"dst":"10.9.0.0/16","gw":"169.254.172.1"}],"dns":{}}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s\nwant %s (%v)", got, want, err)
	}
}

// A database in the hands of a process that does not end is an error, in time.
func TestALockedDatabase(t *testing.T) {
	path := useDatabase(t)
	t.Setenv("IPAM_DB_CONNECTION_TIMEOUT", "100ms")
	call("ADD", `"id":"x",`+subnet)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := flock.Acquire(context.Background(), file); err != nil {
		t.Fatal(err)
	}
	if got := call("ADD", `"id":"y",`+subnet); len(got) != 1 || !strings.Contains(got[0], "held by another process") {
		t.Errorf("got %q", got)
	}
	_ = file.Close()
	if got := call("ADD", `"id":"y",`+subnet); !slices.Equal(got, []string{"169.254.172.3/22 gateway 169.254.172.1"}) {
		t.Errorf("after the lock: %q", got)
	}
}

// Whatever comes and goes: no address has two owners, no owner two addresses, and all are given out before one is missing.
func TestLeaseProperties(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		t.Setenv("IPAM_DB_PATH", filepath.Join(dir, "db"))
		owners := map[string]string{} // address by owner
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			id := rapid.StringMatching("[a-h]").Draw(r, "owner")
			ipam := fmt.Sprintf(`"id":"%s","ipv4-subnet":"10.0.0.0/29"`, id)
			if rapid.Bool().Draw(r, "release") {
				got := call("DEL", ipam)
				if _, had := owners[id]; had != (got == nil) {
					r.Fatalf("DEL %s: %q with %v", id, got, owners)
				}
				delete(owners, id)
				continue
			}
			got := call("ADD", ipam)
			if _, had := owners[id]; had || len(owners) == 5 {
				if !strings.Contains(got[0], "failed") {
					r.Fatalf("ADD %s: %q with %v", id, got, owners)
				}
				continue
			}
			ip, _, err := net.ParseCIDR(strings.Fields(got[0])[0])
			if err != nil {
				r.Fatalf("ADD %s: %q with %v", id, got, owners)
			}
			for other, address := range owners {
				if address == ip.String() {
					r.Fatalf("%s has the address of %s, %s", id, other, ip)
				}
			}
			owners[id] = ip.String()
		}
	})
}

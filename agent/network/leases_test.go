//go:build unix

package network

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// leaseDatabase writes a database as the plug-in does.
func leaseDatabase(t *testing.T, entries map[string]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "eni-ipam.db")
	t.Setenv("IPAM_DB_PATH", path)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte("IPAM"))
		for key, value := range entries {
			if err == nil {
				err = bucket.Put([]byte(key), []byte("\x07\x00\x00\x00\x00\x00\x00\x00"+value))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLeakedAddressesAreReleased(t *testing.T) {
	leaseDatabase(t, map[string]string{"169.254.172.1": "GateWay", "169.254.172.2": "02:00:00:00:00:02", "169.254.172.3": "02:00:00:00:00:03",
		"lastKnownIP": "169.254.172.3", "6fd00::2": "02:00:00:00:00:06"})
	p := newPrograms(t)
	if err := p.network().ReleaseLeaked(t.Context(), func(mac string) bool { return mac == "02:00:00:00:00:03" }); err != nil {
		t.Error(err)
	}
	if want := "DEL ecs-ipam"; p.calls() != want {
		t.Errorf("called %s, want %s", p.calls(), want)
	}
	stdin, err := os.ReadFile(p.dir + "/stdin-ecs-ipam")
	if err != nil || !strings.Contains(string(stdin), `"id":"02:00:00:00:00:02"`) {
		t.Errorf("released %s, %v", stdin, err)
	}
	p.write(pluginIPAM, `echo '{"msg":"locked"}'; exit 1`)
	err = p.network().ReleaseLeaked(t.Context(), func(string) bool { return false })
	if err == nil || strings.Count(err.Error(), "locked") != 2 {
		t.Errorf("one failure hides another: %v", err)
	}
}

func TestWithoutADatabaseNothingLeaked(t *testing.T) {
	t.Setenv("IPAM_DB_PATH", filepath.Join(t.TempDir(), "none"))
	p := newPrograms(t)
	if err := p.network().ReleaseLeaked(t.Context(), func(string) bool { return false }); err != nil || p.calls() != "" {
		t.Errorf("%v, called %s", err, p.calls())
	}
	file := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(file, []byte(strings.Repeat("junk", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("IPAM_DB_PATH", file)
	if err := p.network().ReleaseLeaked(t.Context(), func(string) bool { return false }); err == nil {
		t.Error("junk was taken for a database")
	}
}

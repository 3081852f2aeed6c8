//go:build integration

package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"
)

// leases are the addresses in the database that are somebody's.
func (l *lab) leases() []string {
	l.t.Helper()
	db, err := bolt.Open(l.database(), 0o644, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var found []string
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("IPAM")).ForEach(func(k, v []byte) error {
			if owner := string(v[8:]); owner != "GateWay" && !strings.HasPrefix(string(k), "last") {
				found = append(found, string(k)+" "+owner)
			}
			return nil
		})
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return found
}

// 32 processes at a time lease and release in a subnet that just about holds them.
func TestNoAddressIsLeasedTwice(t *testing.T) {
	const workers, rounds = 32, 4
	l := newLab(t)
	config := func(id string) string {
		return `{"ipam":{"type":"ecs-ipam","id":"` + id + `","ipv4-subnet":"10.0.0.0/26"}}`
	}
	var mu sync.Mutex
	owners := map[string]string{}
	var group errgroup.Group
	started := time.Now()
	for worker := range workers {
		group.Go(func() error {
			for range rounds {
				id := fmt.Sprintf("02:00:00:00:00:%02x", worker)
				result, err := l.plugin("ADD", "ecs-ipam", "ecs-eth0", "/", config(id))
				if err != nil {
					return err
				}
				address := result.IPs[0].Address.String()
				mu.Lock()
				if other := owners[address]; other != "" {
					err = fmt.Errorf("%s is of %s and of %s", address, other, id)
				}
				owners[address] = id
				mu.Unlock()
				if err != nil {
					return err
				}
				// Before the release: another may have the address in the very next moment.
				mu.Lock()
				delete(owners, address)
				mu.Unlock()
				if _, err := l.plugin("DEL", "ecs-ipam", "ecs-eth0", "/", config(id)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d processes in %v", 2*workers*rounds, time.Since(started).Round(time.Millisecond))
	if left := l.leases(); len(left) != 0 {
		t.Errorf("leases left: %v", left)
	}
}

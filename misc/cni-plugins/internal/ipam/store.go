package ipam

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/flock"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin"
	bolt "go.etcd.io/bbolt"
)

// The database, shared with other builds of this plugin: tasks keep their addresses when the agent's image changes.
//
//	IPAM                       bucket
//	  169.254.172.1            GateWay: the subnet's gateway
//	  169.254.172.7            the owner's id, the hardware address of a task's ENI
//	  6fd00:ec2::172:7         the same for IPv6; its gateway is GateWayV6
//	  lastKnownIP              where the search for a free address goes on
//	  lastKnownIPv6            the same for IPv6
//
// Each value follows a counter of 8 bytes, bookkeeping of a library that others use. It is not looked at.
const (
	defaultPath = "/data/eni-ipam.db"
	defaultWait = 5 * time.Second
	counterSize = 8
)

var bucketName = []byte("IPAM")

// store is the database within one transaction.
type store struct{ bucket *bolt.Bucket }

// update opens the database, runs f in a transaction, which an error undoes, and closes it. Processes take turns.
func update(ctx context.Context, log *plugin.Log, f func(*store) error) error {
	path := os.Getenv("IPAM_DB_PATH")
	if path == "" {
		path = defaultPath
	}
	wait := defaultWait
	if text := os.Getenv("IPAM_DB_CONNECTION_TIMEOUT"); text != "" {
		given, err := time.ParseDuration(text)
		if err != nil || given <= 0 {
			log.Warn(fmt.Sprintf("IPAM_DB_CONNECTION_TIMEOUT: %q is no duration like 5s; %s counts", text, defaultWait))
		} else {
			wait = given
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("address database: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	db, err := bolt.Open(path, 0o644, &bolt.Options{
		Timeout: wait,
		// Waiting in the kernel's queue is fair; bolt by itself would try again and again, and some never have luck.
		OpenFile: func(path string, flag int, mode fs.FileMode) (*os.File, error) {
			file, err := os.OpenFile(path, flag, mode)
			if err != nil {
				return nil, err
			}
			return file, flock.Acquire(ctx, file)
		},
	})
	if err != nil {
		return fmt.Errorf("open address database %s: %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(bucketName)
		if err != nil {
			return err
		}
		return f(&store{bucket})
	})
	return errors.Join(err, db.Close())
}

// used reports whether the address is somebody's.
func (s *store) used(f *family, ip net.IP) bool { return s.bucket.Get(f.key(ip)) != nil }

// owner is who has the address.
func (s *store) owner(f *family, ip net.IP) string {
	return withoutCounter(s.bucket.Get(f.key(ip)))
}

// addressOf is the owner's address of a family, nil for none.
func (s *store) addressOf(f *family, id string) net.IP {
	c := s.bucket.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if ip := f.ipOf(k); ip != nil && withoutCounter(v) == id {
			return ip
		}
	}
	return nil
}

// assign gives a free address to an owner that has none.
func (s *store) assign(f *family, ip net.IP, id string) error {
	if s.used(f, ip) {
		//lint:ignore ST1005 the text is known like this
		return errors.New("Previous K/V pair exists, cannot complete Atomic operation")
	}
	if s.addressOf(f, id) != nil {
		return fmt.Errorf("assign ipstore: check id unique failed, id: %s: ipstore: id already exists", id)
	}
	return s.bucket.Put(f.key(ip), withCounter(id))
}

// release frees the address and lets the search go on behind it: who still sends to it finds nobody for a while, not
// another task.
func (s *store) release(f *family, ip net.IP) error {
	if err := s.bucket.Delete(f.key(ip)); err != nil {
		return err
	}
	return s.setCursor(f, ip)
}

func (s *store) cursor(f *family) net.IP {
	return canonical(net.ParseIP(withoutCounter(s.bucket.Get(f.cursorKey()))))
}

func (s *store) setCursor(f *family, ip net.IP) error {
	return s.bucket.Put(f.cursorKey(), withCounter(ip.String()))
}

func (f *family) key(ip net.IP) []byte {
	if f.isIPv4() {
		return []byte(ip.String())
	}
	return []byte("6" + ip.String())
}

// ipOf is the address whose entry has the key, nil if it is no entry of this family. An IPv6 key may look like an address
// itself, so that the colon decides.
func (f *family) ipOf(key []byte) net.IP {
	isIPv6 := bytes.HasPrefix(key, []byte("6")) && bytes.ContainsRune(key, ':')
	if isIPv6 == f.isIPv4() {
		return nil
	}
	if isIPv6 {
		key = key[1:]
	}
	return canonical(net.ParseIP(string(key)))
}

func (f *family) cursorKey() []byte {
	if f.isIPv4() {
		return []byte("lastKnownIP")
	}
	return []byte("lastKnownIPv6")
}

// gatewayOwner is the id under which the gateway's address is kept.
func (f *family) gatewayOwner() string {
	if f.isIPv4() {
		return "GateWay"
	}
	return "GateWayV6"
}

func withCounter(value string) []byte {
	return append(binary.LittleEndian.AppendUint64(make([]byte, 0, counterSize+len(value)), 1), value...)
}

func withoutCounter(stored []byte) string {
	if len(stored) < counterSize {
		return ""
	}
	return string(stored[counterSize:])
}

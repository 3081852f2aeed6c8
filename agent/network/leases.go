package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// The database of local addresses belongs to the plug-in ecs-ipam; here it is only read.
//
//	eni-ipam.db
//	└── IPAM
//	    ├── 169.254.172.7      8 bytes of bookkeeping, then the owner: the MAC address of a task's interface
//	    ├── 169.254.172.1      the gateway, in the same form
//	    └── lastKnownIP
const (
	leaseFile      = "/data/eni-ipam.db"
	leaseFileEnv   = "IPAM_DB_PATH"
	leaseBucket    = "IPAM"
	leaseHeader    = 8
	leaseGateway   = "GateWay"
	leaseLockLimit = 5 * time.Second
	leaseIPv4      = "1" // how IPv4 keys begin, and no others
)

// ReleaseLeaked gives back the local addresses whose owners, by MAC address, no task owns any more: their agent was gone, or
// its records were lost, before it could do so.
func (n *Network) ReleaseLeaked(ctx context.Context, owned func(mac string) bool) error {
	path := os.Getenv(leaseFileEnv)
	if path == "" {
		path = leaseFile
	}
	owners, err := leaseOwners(path)
	if err != nil {
		return fmt.Errorf("read the local addresses of tasks: %w", err)
	}
	var failed []error
	for _, owner := range owners {
		if owned(owner) {
			continue
		}
		logger.Warn("Releasing a local address that no task has any more", logger.F("owner", owner))
		if err := n.Release(ctx, &task.Task{ENIs: task.ENIs{{MAC: owner}}}); err != nil {
			failed = append(failed, fmt.Errorf("release the local address of %s: %w", owner, err))
		}
	}
	return errors.Join(failed...)
}

// leaseOwners lists who has an address; nobody without a database.
func leaseOwners(path string) ([]string, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: leaseLockLimit})
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	var owners []string
	err = db.View(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte(leaseBucket))
		if bucket == nil {
			return nil
		}
		return bucket.ForEach(func(key, value []byte) error {
			if !strings.HasPrefix(string(key), leaseIPv4) || len(value) <= leaseHeader {
				return nil
			}
			if owner := string(value[leaseHeader:]); owner != leaseGateway && !slices.Contains(owners, owner) {
				owners = append(owners, owner)
			}
			return nil
		})
	})
	return owners, err
}

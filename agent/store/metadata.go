package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// Keys of bucket metadata. A further key, imds-iam-roles, is reserved by other agents and left alone.
const (
	keyAgentVersion         = "agent-version"
	keyAvailabilityZone     = "availability-zone"
	keyCluster              = "cluster-name"
	keyContainerInstanceARN = "container-instance-arn"
	keyEC2InstanceID        = "ec2-instance-id"
	keyManifestSequence     = "task-manifest-seq-num"
)

// noVersion stands for the writer of a file whose agent-version was lost. It keeps a legacy file from being imported
// into a host that has used the database before.
const noVersion = "0.0.0"

// Metadata is who this container instance is, as of the last successful registration.
type Metadata struct {
	AgentVersion         string // x.y.z of the agent that wrote the file
	AvailabilityZone     string
	Cluster              string // as configured, name or ARN; "default" when none was configured
	ContainerInstanceARN string
	EC2InstanceID        string // empty outside EC2
}

func (m *Metadata) fields() map[string]*string {
	return map[string]*string{
		keyAgentVersion:         &m.AgentVersion,
		keyAvailabilityZone:     &m.AvailabilityZone,
		keyCluster:              &m.Cluster,
		keyContainerInstanceARN: &m.ContainerInstanceARN,
		keyEC2InstanceID:        &m.EC2InstanceID,
	}
}

// SaveMetadata queues all five values; to be called after every successful registration.
func (s *Store) SaveMetadata(m Metadata) {
	if s.db == nil {
		return
	}
	for key, value := range m.fields() {
		s.put(write{bucketMetadata, key, jsonString(*value)})
	}
}

// SaveManifestSequence saves the number of an accepted task manifest and waits until it is durable: the manifest must
// not be acknowledged before.
func (s *Store) SaveManifestSequence(ctx context.Context, number int64) error {
	if s.db == nil {
		return nil
	}
	s.put(write{bucketMetadata, keyManifestSequence, jsonString(strconv.FormatInt(number, 10))})
	return s.Sync(ctx)
}

// Wipe removes every record, for a host that turned out to be another one (a machine image made of a used instance).
func (s *Store) Wipe() error {
	if s.db == nil {
		return nil
	}
	s.queue.discard()
	err := guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			version := bytesOr(tx.Bucket([]byte(bucketMetadata)).Get([]byte(keyAgentVersion)), jsonString(noVersion))
			for _, name := range buckets {
				if err := tx.DeleteBucket([]byte(name)); err != nil {
					return err
				}
			}
			if err := createBuckets(tx); err != nil {
				return err
			}
			return tx.Bucket([]byte(bucketMetadata)).Put([]byte(keyAgentVersion), version)
		})
	})
	if err != nil {
		return fmt.Errorf("wipe %s: %w", s.path, err)
	}
	return nil
}

func bytesOr(b, fallback []byte) []byte {
	if b == nil {
		return fallback
	}
	return append([]byte(nil), b...)
}

func jsonString(s string) []byte {
	text, _ := json.Marshal(s) // a string always has a JSON form
	return text
}

package store

import (
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// SaveImage queues the record of an image under its id ("sha256:…"). The record is encoded before SaveImage returns, so
// the caller may go on changing it.
func (s *Store) SaveImage(id string, record any) error {
	if s.db == nil {
		return nil
	}
	if id == "" {
		return errors.New("failed to generate database image id")
	}
	w, err := newWrite(bucketImages, id, record)
	if err != nil {
		return fmt.Errorf("save image %q: %w", id, err)
	}
	s.put(w)
	return nil
}

// DeleteImage queues the removal of an image's record.
func (s *Store) DeleteImage(id string) {
	if s.db == nil || id == "" {
		return
	}
	s.put(write{bucketImages, id, nil})
}

// LoadImages hands every saved image to decode. A record that decode refuses is quarantined; the others still come.
func (s *Store) LoadImages(decode func(id string, record []byte) error) error {
	if s.db == nil {
		return nil
	}
	var lost []Lost
	err := s.view(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketImages)).ForEach(func(k, v []byte) error {
			if err := decode(string(k), v); err != nil {
				lost = append(lost, Lost{Bucket: bucketImages, Key: string(k), Err: err})
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("load images from %s: %w", s.path, err)
	}
	return s.quarantine(lost)
}

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// damagedMark is between the name of a file that was put aside and the time.
const damagedMark = ".damaged-"

// keepDamaged is how many damaged files stay in the data directory; older ones are removed.
const keepDamaged = 3

// repairIfDamaged looks through the file before bbolt does. A missing or empty one is fine. The lock keeps it from
// looking at, or replacing, a file that another agent is writing.
func repairIfDamaged(path string, lockWait time.Duration) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("open %s: %w", path, err)
	case info.IsDir():
		return setAside(path, errors.New("it is a directory"))
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer f.Close()
	locked, err := lock(f, lockWait)
	switch {
	case err != nil:
		return fmt.Errorf("lock %s: %w", path, err)
	case !locked:
		return lockedError(path, lockWait)
	}
	if info, err = f.Stat(); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if info.Size() == 0 {
		return nil
	}
	pages, err := openPages(f, info.Size())
	if err == nil {
		err = pages.check()
	}
	if err == nil {
		return nil
	}
	return rebuildFrom(f, info.Size(), path, err)
}

// rebuild replaces the file by one with everything that can be read from it.
func rebuild(path string, cause error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	return rebuildFrom(f, info.Size(), path, cause)
}

func rebuildFrom(f *os.File, size int64, path string, cause error) error {
	records := salvage(f, size)
	replacement := path + ".rebuilt"
	if err := os.Remove(replacement); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rebuild %s: %w", path, err)
	}
	if err := writeRecords(replacement, records); err != nil {
		return fmt.Errorf("rebuild %s: %w", path, err)
	}
	if err := setAside(path, cause); err != nil {
		return err
	}
	if err := os.Rename(replacement, path); err != nil {
		return fmt.Errorf("rebuild %s: %w", path, err)
	}
	logger.Critical("The damaged state file was replaced by one with all records that could still be read", logger.F("file", path), logger.F("records", len(records)))
	return nil
}

// salvage collects the readable records. When the transaction before the last one is complete, it is preferred to a last
// one with holes.
func salvage(f *os.File, size int64) map[valueKey][]byte {
	pages, err := openPages(f, size)
	if err != nil {
		return nil
	}
	var newest map[valueKey][]byte
	for _, m := range pages.metas {
		found := map[valueKey][]byte{}
		w := pages.walk(m, func(bucket, key, value []byte) {
			if slices.Contains(buckets[:], string(bucket)) {
				found[valueKey{string(bucket), string(key)}] = value
			}
		})
		if len(w.problems) == 0 {
			return found
		}
		if newest == nil {
			newest = found
		}
	}
	return newest
}

// writeRecords makes a new database of records.
func writeRecords(path string, records map[valueKey][]byte) error {
	db, err := bolt.Open(path, fileMode, &bolt.Options{Timeout: lockTimeout, NoStatistics: true})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if err := createBuckets(tx); err != nil {
			return err
		}
		version := valueKey{bucketMetadata, keyAgentVersion}
		if records[version] == nil {
			if err := (write{version.bucket, version.key, jsonString(noVersion)}).apply(tx); err != nil {
				return err
			}
		}
		for key, value := range records {
			if err := (write{key.bucket, key.key, value}).apply(tx); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, db.Close())
}

// setAside renames a file that cannot be used, so that people can look at it, and removes the oldest of its kind.
func setAside(path string, cause error) error {
	aside := path + damagedMark + time.Now().UTC().Format("20060102T150405.000000000Z")
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("put the unreadable file %s aside: %w", path, err)
	}
	logger.Critical("A state file is damaged and was put aside", logger.F("file", path), logger.F("movedTo", aside), logger.Err(cause))
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil // only the tidying is lost
	}
	var old []string
	for _, e := range entries { // sorted by name, that is by time
		if strings.HasPrefix(e.Name(), base+damagedMark) {
			old = append(old, filepath.Join(dir, e.Name()))
		}
	}
	for len(old) > keepDamaged {
		if err := os.RemoveAll(old[0]); err != nil {
			logger.Warn("An old damaged state file could not be removed", logger.F("file", old[0]), logger.Err(err))
		}
		old = old[1:]
	}
	return nil
}

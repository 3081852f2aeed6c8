// Package store is the agent's checkpoint: what it must know again after a restart, in one bbolt file of the data
// directory. The file, its buckets, keys and JSON are those of every Amazon ECS agent that keeps agent.db, so that a
// host can move to this agent and back with its tasks running.
package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// The layout of agent.db. Values are JSON texts.
//
//	agent.db
//	├── tasks
//	│   └── <task id>                       task.Task, with a copy of its containers
//	├── containers
//	│   └── <task id>-<container name>      {DockerId, DockerName, Container}; newer than the copy in the task
//	├── images
//	│   └── sha256:…                        owned by the image package
//	├── eniattachments
//	│   └── <attachment id>                 task.Attachment
//	├── resattachments
//	│   └── <attachment id>                 kept as found
//	├── metadata                            JSON strings, also for numbers
//	│   ├── agent-version                   who wrote the file; its presence ends the import of the legacy file
//	│   ├── availability-zone
//	│   ├── cluster-name
//	│   ├── container-instance-arn
//	│   ├── ec2-instance-id
//	│   └── task-manifest-seq-num
//	└── quarantine                          ours; other agents do not look at it
//	    └── <bucket>/<key>                  {bucket, key, error, time, record}: a record that could not be read
const (
	bucketTasks          = "tasks"
	bucketContainers     = "containers"
	bucketImages         = "images"
	bucketENIAttachments = "eniattachments"
	bucketResAttachments = "resattachments"
	bucketMetadata       = "metadata"
	bucketQuarantine     = "quarantine"
)

var buckets = [...]string{bucketImages, bucketContainers, bucketTasks, bucketENIAttachments, bucketResAttachments, bucketMetadata, bucketQuarantine}

const (
	fileName = "agent.db"
	fileMode = 0o600
	// lockTimeout is how long Open waits for another process to let go of the file: longer than an agent that was told
	// to stop needs to leave.
	lockTimeout = 5 * time.Second
	// closeTimeout is how long Close waits for the last write.
	closeTimeout = 3 * time.Second
)

// Store keeps the records. Saves queue and return at once; one goroutine writes everything that is waiting as one
// transaction. Open starts that goroutine and Close waits for it. The Store of Off keeps nothing.
type Store struct {
	path  string
	db    *bolt.DB // nil when checkpointing is off; replaced by a repair in Load only
	queue queue
	done  chan struct{} // closed when the writer has ended
	// observe hears of every transaction; nil: nobody does.
	observe atomic.Pointer[func(took time.Duration, failed bool)]

	closing sync.Once
	closed  error
}

// Off is the store of an agent without checkpointing: nothing is opened, read or written.
func Off() *Store { return &Store{} }

// Observe sets who hears how long each transaction took and whether it failed. It is called by the writer and must not
// block.
func (s *Store) Observe(f func(took time.Duration, failed bool)) { s.observe.Store(&f) }

// Enabled reports whether anything is kept.
func (s *Store) Enabled() bool { return s.db != nil }

// Open opens or creates agent.db in dir, which has to exist. A file that another process holds is waited for a few
// seconds. A damaged file is replaced by one with everything that can still be read; the damaged one stays beside it.
func Open(dir string) (*Store, error) { return open(dir, lockTimeout) }

func open(dir string, lockWait time.Duration) (*Store, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("path %s is not a valid directory", dir)
	}
	s := &Store{path: filepath.Join(dir, fileName), done: make(chan struct{})}
	if err := repairIfDamaged(s.path, lockWait); err != nil {
		return nil, err
	}
	if err := s.openFile(lockWait); err != nil {
		if !errors.Is(err, errDamaged) {
			return nil, err
		}
		if err := s.repair(err, lockWait); err != nil {
			return nil, err
		}
	}
	s.queue.init()
	go s.writeLoop()
	return s, nil
}

// openFile opens the database and creates missing buckets.
func (s *Store) openFile(lockWait time.Duration) error {
	var file *os.File
	options := bolt.Options{
		Timeout: lockWait,
		// Our largest files have some hundred pages; the map needs less memory than it saves only far above that.
		FreelistType: bolt.FreelistArrayType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	}
	var db *bolt.DB
	err := guard(func() (err error) {
		if db, err = bolt.Open(s.path, fileMode, &options); err != nil {
			return err
		}
		return db.Update(createBuckets)
	})
	switch {
	case err == nil:
		s.db = db
		return nil
	case errors.Is(err, berrors.ErrTimeout):
		return lockedError(s.path, lockWait)
	}
	if db != nil {
		_ = guard(db.Close)
	}
	if file != nil {
		_ = file.Close() // lets go of the lock when bbolt could not
	}
	for _, unreadable := range []error{berrors.ErrInvalid, berrors.ErrVersionMismatch, berrors.ErrChecksum} {
		if errors.Is(err, unreadable) {
			err = fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	return fmt.Errorf("open %s: %w", s.path, err)
}

func createBuckets(tx *bolt.Tx) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	return nil
}

// repair rebuilds the file after bbolt stumbled over it and opens the result.
func (s *Store) repair(cause error, lockWait time.Duration) error {
	if s.db != nil {
		_ = guard(s.db.Close)
		s.db = nil
	}
	if err := rebuild(s.path, cause); err != nil {
		return err
	}
	return s.openFile(lockWait)
}

func lockedError(path string, waited time.Duration) error {
	return fmt.Errorf("open %s: another process has held its lock for %v; is a second agent running with the same data directory (ECS_DATADIR)? Stop one of them", path, waited)
}

// Close writes what is waiting and closes the file. It gives up after some seconds when the disk does not answer.
func (s *Store) Close() error {
	if s.db == nil {
		return nil
	}
	s.closing.Do(func() {
		s.queue.close()
		select {
		case <-s.done:
			s.closed = guard(s.db.Close)
		case <-time.After(closeTimeout):
			s.closed = fmt.Errorf("close %s: the last write did not end within %v", s.path, closeTimeout)
		}
	})
	return s.closed
}

// writeLoop is the only writer of records after loading. It ends when the queue is closed and empty.
func (s *Store) writeLoop() {
	defer close(s.done)
	var failing failures
	for {
		b, last := s.queue.next(failing.wait())
		if b != nil {
			began := time.Now()
			failed, err := s.commit(b)
			if observe := s.observe.Load(); observe != nil {
				(*observe)(time.Since(began), failed != nil)
			}
			failing.note(s.path, failed, err)
			s.queue.finished(b, failed, err)
		}
		if last {
			return
		}
	}
}

// failures spaces out attempts to write to a disk that does not take them, and says so without flooding the log.
type failures struct {
	row    int
	logged time.Time
}

const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second
	relogEvery = time.Minute
)

// wait is the pause before the next attempt that nobody asked for; 0 when nothing failed.
func (f *failures) wait() time.Duration {
	if f.row == 0 {
		return 0
	}
	return min(firstRetry<<min(f.row-1, 10), lastRetry)
}

// note takes the outcome of an attempt: the records it could not write, if any.
func (f *failures) note(path string, failed *batch, err error) {
	if failed == nil {
		if f.row > 0 {
			logger.Info("State is saved again", logger.F("file", path))
		}
		*f = failures{}
		return
	}
	f.row++
	if time.Since(f.logged) >= relogEvery {
		logger.Error("Failed to save data for tasks and containers; it is kept in memory and tried again",
			logger.F("file", path), logger.F("records", failed.len()), logger.Err(err))
		f.logged = time.Now()
	}
}

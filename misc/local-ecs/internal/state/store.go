// Package state keeps what the control plane knows: in memory for reading, in one bbolt file for surviving a restart.
//
//	local-ecs.db
//	├── meta             schema → "1", instance-id → the EC2 instance id the metadata service shows
//	├── clusters         name → Cluster
//	├── taskdefinitions  family:00000001 → TaskDefinition
//	├── instances        id → Instance
//	├── tasks            id → Task
//	└── services         cluster/name → Service
//
// Values are JSON. A change is visible to readers at once; Update returns when it is in the file, so that nothing is lost
// when the process dies at any instant. The file is forced to the disk once a second only (see Sync): agents wait for
// the answers of many small changes, and a power failure on a laptop may cost the last of them.
// Changes that come while another one is being written go into the file together.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	schema  = "1"
	metaBkt = "meta"
)

// fileName is the name of the file in the data directory.
const fileName = "local-ecs.db"

// Store is the state of one control plane. It is safe for concurrent use.
type Store struct {
	db *bbolt.DB

	mu       sync.RWMutex // guards everything below
	rows     tables
	open     *batch // changes not yet in the file
	watchers map[chan struct{}]bool

	writing sync.Mutex  // held while a batch goes into the file
	unsaved atomic.Bool // the file has changes that were not forced to the disk
}

type tables struct {
	meta      map[string]*string
	clusters  map[string]*Cluster
	defs      map[string]*TaskDefinition
	instances map[string]*Instance
	tasks     map[string]*Task
	services  map[string]*Service
}

type batch struct {
	changes []change
	done    bool
	err     error
}

// Tx is a consistent view of the state and, inside Update, the place for changes.
type Tx struct {
	Meta            Table[string]
	Clusters        Table[Cluster]
	TaskDefinitions Table[TaskDefinition]
	Instances       Table[Instance]
	Tasks           Table[Task]
	Services        Table[Service]
}

// Open opens or creates the file in dir. One process only: a second one fails after a second.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	path := filepath.Join(dir, fileName)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, NoSync: true})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: another local-ecs is using this data directory; stop it or choose another --data-dir", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s := &Store{db: db, open: &batch{}, watchers: map[chan struct{}]bool{}}
	if err := s.load(); err != nil {
		db.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

// Sync forces the file to the disk once a second, when it has changed, until ctx ends.
func (s *Store) Sync(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if s.unsaved.Swap(false) && s.db.Sync() != nil {
				s.unsaved.Store(true) // next time; Close tells
			}
		}
	}
}

// Close forces the file to the disk and closes it.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return errors.Join(s.db.Sync(), s.db.Close())
}

func (s *Store) load() error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists([]byte(metaBkt))
		if err != nil {
			return err
		}
		if v := meta.Get([]byte("schema")); v == nil {
			// The value has the same JSON form as every other row.
			if err := meta.Put([]byte("schema"), []byte(`"`+schema+`"`)); err != nil {
				return err
			}
		} else if string(v) != `"`+schema+`"` {
			return fmt.Errorf("the file has schema %s, this program knows %q; use another --data-dir", v, schema)
		}
		for _, b := range []string{"clusters", "taskdefinitions", "instances", "tasks", "services"} {
			if _, err := tx.CreateBucketIfNotExists([]byte(b)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.db.View(func(tx *bbolt.Tx) error {
		var errs [6]error
		s.rows.meta, errs[0] = readBucket[string](tx, metaBkt)
		s.rows.clusters, errs[1] = readBucket[Cluster](tx, "clusters")
		s.rows.defs, errs[2] = readBucket[TaskDefinition](tx, "taskdefinitions")
		s.rows.instances, errs[3] = readBucket[Instance](tx, "instances")
		s.rows.tasks, errs[4] = readBucket[Task](tx, "tasks")
		s.rows.services, errs[5] = readBucket[Service](tx, "services")
		return errors.Join(errs[:]...)
	})
}

func readBucket[T any](tx *bbolt.Tx, name string) (map[string]*T, error) {
	rows := map[string]*T{}
	err := tx.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
		r := new(T)
		if err := json.Unmarshal(v, r); err != nil {
			return fmt.Errorf("%s %q: %w", name, k, err)
		}
		rows[string(k)] = r
		return nil
	})
	return rows, err
}

func (s *Store) tx() *Tx {
	return &Tx{
		Meta:            Table[string]{bucket: metaBkt, rows: s.rows.meta},
		Clusters:        Table[Cluster]{bucket: "clusters", rows: s.rows.clusters},
		TaskDefinitions: Table[TaskDefinition]{bucket: "taskdefinitions", rows: s.rows.defs},
		Instances:       Table[Instance]{bucket: "instances", rows: s.rows.instances},
		Tasks:           Table[Task]{bucket: "tasks", rows: s.rows.tasks},
		Services:        Table[Service]{bucket: "services", rows: s.rows.services},
	}
}

// View runs read with a view that does not change meanwhile. Records may be kept afterwards.
func (s *Store) View(read func(tx *Tx)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	read(s.tx())
}

// Update runs change alone and writes its changes; when change returns an error nothing has happened.
func (s *Store) Update(change func(tx *Tx) error) error {
	b, err := s.stage(change)
	if err != nil || b == nil {
		return err
	}
	return s.flush(b)
}

func (s *Store) stage(fn func(tx *Tx) error) (*batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.tx()
	if err := fn(tx); err != nil {
		return nil, err
	}
	var all []change
	for _, t := range []interface{ changes() ([]change, error) }{
		&tx.Meta, &tx.Clusters, &tx.TaskDefinitions, &tx.Instances, &tx.Tasks, &tx.Services,
	} {
		cs, err := t.changes()
		if err != nil {
			return nil, err
		}
		all = append(all, cs...)
	}
	if len(all) == 0 {
		return nil, nil
	}
	tx.Meta.apply()
	tx.Clusters.apply()
	tx.TaskDefinitions.apply()
	tx.Instances.apply()
	tx.Tasks.apply()
	tx.Services.apply()
	s.open.changes = append(s.open.changes, all...)
	for c := range s.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return s.open, nil
}

// flush returns when b is in the file. Whoever comes first writes for all that staged changes meanwhile.
func (s *Store) flush(b *batch) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if b.done {
		return b.err
	}
	s.mu.Lock()
	s.open = &batch{}
	s.mu.Unlock()
	b.err = s.db.Update(func(tx *bbolt.Tx) error {
		for _, c := range b.changes {
			bkt := tx.Bucket([]byte(c.bucket))
			var err error
			if c.value == nil {
				err = bkt.Delete([]byte(c.key))
			} else {
				err = bkt.Put([]byte(c.key), c.value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	b.done = true
	s.unsaved.Store(true)
	if b.err != nil {
		// Memory is ahead of the file now; the next batch tries again.
		b.err = fmt.Errorf("write state: %w", b.err)
		s.mu.Lock()
		s.open.changes = append(b.changes, s.open.changes...)
		s.mu.Unlock()
	}
	return b.err
}

// Watch returns a channel that gets a value after changes (several changes may give one value) and a function that ends it.
func (s *Store) Watch() (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	s.watchers[c] = true
	s.mu.Unlock()
	return c, func() {
		s.mu.Lock()
		delete(s.watchers, c)
		s.mu.Unlock()
	}
}

// DefinitionKey is the key of a task definition: ordered by family, then by revision.
func DefinitionKey(family string, revision int) string {
	return fmt.Sprintf("%s:%08d", family, revision)
}

// TasksOn returns the tasks of an instance that are not reported STOPPED.
func (tx *Tx) TasksOn(instanceID string) []*Task {
	return tx.Tasks.Where(func(t *Task) bool { return t.InstanceID == instanceID && t.Live() })
}

// TasksOf returns all tasks of a service, stopped ones included.
func (tx *Tx) TasksOf(cluster, service string) []*Task {
	return tx.Tasks.Where(func(t *Task) bool { return t.ClusterName == cluster && t.ServiceName == service })
}

// Revisions returns all revisions of a family, oldest first.
func (tx *Tx) Revisions(family string) []*TaskDefinition {
	return tx.TaskDefinitions.Where(func(d *TaskDefinition) bool { return d.Family == family })
}

// ServiceKey is the key of a service.
func ServiceKey(cluster, name string) string { return strings.Join([]string{cluster, name}, "/") }

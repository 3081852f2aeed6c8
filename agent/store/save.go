package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// finalSaveTimeout bounds the last save of a process that was told to stop: Docker kills it after 10 s.
const finalSaveTimeout = 3 * time.Second

// containerRecord is the value of bucket containers. Id and name are empty before a create call, except that the name
// may be there already: it is chosen and saved first.
type containerRecord struct {
	DockerID   string          `json:"DockerId"`
	DockerName string          `json:"DockerName"`
	Container  *task.Container `json:"Container"`
}

// SaveTask queues the task's record. It never blocks on the disk.
func (s *Store) SaveTask(t *task.Task) {
	s.onTask(t.ARN, func(change *taskChange) { change.task = t })
}

// SaveContainer queues the container's record, with its Docker id and name in it. It is written only while the record of
// its task exists: a container without a task would be in the way of the next start.
func (s *Store) SaveContainer(c *task.Container) {
	s.onTask(c.TaskARN, func(change *taskChange) { change.save(c) })
}

// DeleteTask queues the removal of the task's container records and its own, together.
func (s *Store) DeleteTask(t *task.Task) {
	s.onTask(t.ARN, func(change *taskChange) { *change = taskChange{arn: t.ARN, remove: true} })
}

func (s *Store) onTask(arn string, edit func(*taskChange)) {
	if s.db == nil {
		return
	}
	s.queue.add(func(b *batch) {
		id, err := task.IDFromARN(arn)
		if err != nil {
			err = fmt.Errorf("failed to generate database id: failed to get task id: %w", err)
			logger.Error("Failed to save data for task", logger.F("taskARN", arn), logger.Err(err))
			b.errs = append(b.errs, err)
			return
		}
		edit(b.change(id, arn))
	})
}

// put queues a record that belongs to no task.
func (s *Store) put(w write) {
	s.queue.add(func(b *batch) { b.values[valueKey{w.bucket, w.key}] = w.value })
}

// Sync waits until everything queued before is durable. The error is that of the write in which it was: records that
// met a disk error stay queued and are tried again, records that cannot be saved at all do not.
func (s *Store) Sync(ctx context.Context) error {
	if s.db == nil {
		return nil
	}
	if err := s.queue.sync(ctx); err != nil {
		return fmt.Errorf("save to %s: %w", s.path, err)
	}
	return nil
}

// Hurry asks for what was saved to be written without waiting for more. It does not wait for the disk.
func (s *Store) Hurry() {
	if s.db != nil {
		s.queue.hurry()
	}
}

// FinalSave writes every task and container once more and waits a short while for it: the last thing before the process
// ends. Nothing depends on it.
func (s *Store) FinalSave(tasks []*task.Task) error {
	for _, t := range tasks {
		s.SaveTask(t)
		for _, c := range t.Containers {
			if c.RuntimeID != "" {
				s.SaveContainer(c)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), finalSaveTimeout)
	defer cancel()
	err := s.Sync(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("final save: timed out trying to save to disk")
	}
	return err
}

// write is one put (or, with a nil value, one delete) of a transaction.
type write struct {
	bucket, key string
	value       []byte
}

// commit writes b as one transaction. What could not be encoded is dropped with an error; when the transaction fails,
// all of it comes back as failed.
func (s *Store) commit(b *batch) (failed *batch, err error) {
	errs := b.errs
	var writes []write
	for key, value := range b.values {
		writes = append(writes, write{key.bucket, key.key, value})
	}
	var changes []encodedChange
	for id, change := range b.tasks {
		encoded, err := change.encode(id)
		if err != nil {
			logger.Error("Failed to save data for task", logger.F("taskARN", change.arn), logger.Err(err))
			errs = append(errs, err)
		}
		changes = append(changes, encoded)
	}
	err = guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			for _, w := range writes {
				if err := w.apply(tx); err != nil {
					return err
				}
			}
			for i := range changes {
				if err := changes[i].apply(tx); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return b, errors.Join(append(errs, err)...)
	}
	return nil, errors.Join(errs...)
}

// newWrite encodes a record. A key the database cannot take must not fail the records beside it.
func newWrite(bucket, key string, record any) (write, error) {
	if len(key) > bolt.MaxKeySize {
		return write{}, fmt.Errorf("a key of %d bytes is too long for bucket %s", len(key), bucket)
	}
	value, err := json.Marshal(record)
	return write{bucket, key, value}, err
}

func (w write) apply(tx *bolt.Tx) error {
	bucket := tx.Bucket([]byte(w.bucket))
	if w.value == nil {
		return bucket.Delete([]byte(w.key))
	}
	return bucket.Put([]byte(w.key), w.value)
}

// encodedChange is a taskChange as bytes.
type encodedChange struct {
	id, arn    string
	remove     bool
	task       *write
	containers []write
}

// encode turns the snapshots into records. An error leaves out the records that have no JSON form.
func (t *taskChange) encode(id string) (encodedChange, error) {
	out := encodedChange{id: id, arn: t.arn, remove: t.remove}
	var errs []error
	if t.task != nil {
		w, err := newWrite(bucketTasks, id, t.task)
		if err != nil {
			errs = append(errs, fmt.Errorf("task %q: %w", t.arn, err))
		} else {
			out.task = &w
		}
	}
	for name, c := range t.containers {
		w, err := newWrite(bucketContainers, containerKey(id, name), containerRecord{DockerID: c.RuntimeID, DockerName: c.RuntimeName, Container: c})
		if err != nil {
			errs = append(errs, fmt.Errorf("container %q of task %q: %w", name, t.arn, err))
		} else {
			out.containers = append(out.containers, w)
		}
	}
	return out, errors.Join(errs...)
}

func containerKey(taskID, name string) string { return taskID + "-" + name }

func (c *encodedChange) apply(tx *bolt.Tx) error {
	if c.remove {
		if err := removeTask(tx, c.id, c.arn); err != nil {
			return err
		}
	}
	if c.task != nil {
		if err := c.task.apply(tx); err != nil {
			return err
		}
	}
	if len(c.containers) == 0 || tx.Bucket([]byte(bucketTasks)).Get([]byte(c.id)) == nil {
		return nil
	}
	for _, w := range c.containers {
		if err := w.apply(tx); err != nil {
			return err
		}
	}
	return nil
}

// removeTask deletes the task's record and every container record that names it.
func removeTask(tx *bolt.Tx, id, arn string) error {
	containers := tx.Bucket([]byte(bucketContainers))
	prefix := []byte(containerKey(id, ""))
	var keys [][]byte
	cursor := containers.Cursor()
	for k, v := cursor.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = cursor.Next() {
		var record struct {
			Container struct {
				TaskARN string `json:"taskARN"`
			}
		}
		// A short task id may be the beginning of a longer one, so the record has the last word.
		if err := json.Unmarshal(v, &record); err == nil && record.Container.TaskARN != "" && record.Container.TaskARN != arn {
			continue
		}
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := containers.Delete(k); err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(bucketTasks)).Delete([]byte(id))
}

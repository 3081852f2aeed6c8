package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// State is what a former run of the agent left behind. The zero value is a host without a past.
type State struct {
	Metadata Metadata
	// ManifestSequence is the number of the last accepted task manifest; −1 when nothing was kept.
	ManifestSequence int64
	// Tasks in the order in which they were accepted, each with the newest record of its containers.
	Tasks []*task.Task
	// Attachments are the network interfaces that ECS attached or was about to.
	Attachments []task.Attachment
	// Lost are the records that could not be read. They are out of the way (bucket quarantine) and logged; those with a
	// TaskARN and no task in Tasks are to be reported STOPPED.
	Lost []Lost
}

// Lost is a record that could not be read.
type Lost struct {
	Bucket, Key string
	TaskARN     string // empty when unknown
	Err         error
}

// Reason is the text ECS gets for the task of the record.
func (l Lost) Reason() string {
	return fmt.Sprintf("The agent's saved state of this task could not be read: %v", l.Err)
}

// Fresh is the state of a host that starts over as a new container instance.
func Fresh() *State { return &State{ManifestSequence: -1} }

// Load reads everything. Records that make no sense are quarantined and named in the result, they do not fail it.
// Before agent-version is known, the legacy state file is read as well and what it holds becomes records.
func (s *Store) Load() (*State, error) {
	if s.db == nil {
		return Fresh(), nil
	}
	found, err := s.load()
	if errors.Is(err, errDamaged) {
		// The pages were fine a moment ago: the disk is failing. Keep what can still be read.
		if err = s.repair(err, lockTimeout); err == nil {
			found, err = s.load()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", s.path, err)
	}
	if found.Metadata.AgentVersion == "" {
		if err := s.importLegacy(found); err != nil {
			return nil, err
		}
	}
	if err := s.quarantine(found.Lost); err != nil {
		return nil, err
	}
	slices.SortStableFunc(found.Tasks, func(a, b *task.Task) int {
		if byTime := a.AcceptedAt.Compare(b.AcceptedAt); byTime != 0 {
			return byTime
		}
		return strings.Compare(a.ARN, b.ARN)
	})
	return found, nil
}

func (s *Store) load() (*State, error) {
	var l loader
	err := s.view(func(tx *bolt.Tx) error {
		l = loader{state: &State{}, byID: map[string]*task.Task{}, byARN: map[string]*task.Task{}}
		l.metadata(tx)
		l.each(tx, bucketTasks, l.loadTask)
		l.each(tx, bucketContainers, l.loadContainer)
		l.each(tx, bucketENIAttachments, l.loadAttachment)
		return nil
	})
	return l.state, err
}

func (s *Store) view(read func(*bolt.Tx) error) error {
	return guard(func() error { return s.db.View(read) })
}

// loader collects the records of one reading.
type loader struct {
	state *State
	byID  map[string]*task.Task
	byARN map[string]*task.Task
}

// each hands out the records of a bucket; a failure costs the record only.
func (l *loader) each(tx *bolt.Tx, bucket string, read func(key string, value []byte) error) {
	cursor := tx.Bucket([]byte(bucket)).Cursor()
	for k, v := cursor.First(); k != nil; k, v = cursor.Next() {
		if err := read(string(k), v); err != nil {
			l.state.Lost = append(l.state.Lost, Lost{Bucket: bucket, Key: string(k), TaskARN: arnIn(v), Err: err})
		}
	}
}

func (l *loader) loadTask(key string, value []byte) error {
	value, err := migrate(migrations, l.state.Metadata.AgentVersion, value)
	if err != nil {
		return err
	}
	t, err := decodeTask(value)
	if err != nil {
		return err
	}
	if id, err := task.IDFromARN(t.ARN); err != nil || id != key {
		return fmt.Errorf("record %q holds task %q", key, t.ARN)
	}
	l.byID[key], l.byARN[t.ARN] = t, t
	l.state.Tasks = append(l.state.Tasks, t)
	return nil
}

// decodeTask reads a task and brings it into the shape the rest of the agent expects.
func decodeTask(value []byte) (*task.Task, error) {
	t := &task.Task{}
	if err := json.Unmarshal(value, t); err != nil {
		return nil, err
	}
	for i, c := range t.Containers {
		if c == nil {
			return nil, fmt.Errorf("container %d is null", i)
		}
		if c.TaskARN == "" {
			c.TaskARN = t.ARN
		}
		dropEmptyStats(c)
	}
	// Other agents write this object for every task; it means something only with the container it names.
	var connect struct {
		ContainerName string `json:"containerName"`
	}
	if len(t.ServiceConnect) > 0 {
		err := json.Unmarshal(t.ServiceConnect, &connect)
		if _, present := t.Container(connect.ContainerName); err != nil || !present {
			t.ServiceConnect = nil
		}
	}
	return t, nil
}

// dropEmptyStats forgets a restart's statistics when there was no restart: about 1 KB of zeros per container.
func dropEmptyStats(c *task.Container) {
	var stats struct{ LastRestartDetectedAt time.Time }
	if c.RestartStats != nil && json.Unmarshal(*c.RestartStats, &stats) == nil && stats.LastRestartDetectedAt.IsZero() {
		c.RestartStats = nil
	}
}

// loadContainer puts the record's container in the place of the older copy in its task.
func (l *loader) loadContainer(_ string, value []byte) error {
	var record struct {
		containerRecord
		Container json.RawMessage
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return err
	}
	c := &task.Container{}
	if err := json.Unmarshal(record.Container, c); err != nil {
		l.keepDockerName(value, record.containerRecord)
		return err
	}
	t := l.byARN[c.TaskARN]
	if t == nil {
		return fmt.Errorf("did not find the task of container %s: %s", c.Name, c.TaskARN)
	}
	i := t.Index(c.Name)
	if i < 0 {
		return fmt.Errorf("task %s has no container %q", c.TaskARN, c.Name)
	}
	c.RuntimeName = record.DockerName
	if c.RuntimeID == "" {
		c.RuntimeID = record.DockerID
	}
	dropEmptyStats(c)
	t.Containers[i] = c
	return nil
}

// keepDockerName saves the one thing of a damaged container record that the copy in the task may lack: which container
// in Docker it is.
func (l *loader) keepDockerName(value []byte, record containerRecord) {
	t := l.byARN[arnIn(value)]
	if t == nil {
		return
	}
	var name struct {
		Container struct{ Name json.RawMessage }
	}
	var text string
	_ = json.Unmarshal(value, &name)
	_ = json.Unmarshal(name.Container.Name, &text)
	if i := t.Index(text); i >= 0 {
		c := t.Edit(i)
		c.RuntimeName = record.DockerName
		if c.RuntimeID == "" {
			c.RuntimeID = record.DockerID
		}
	}
}

func (l *loader) metadata(tx *bolt.Tx) {
	fields := l.state.Metadata.fields()
	l.each(tx, bucketMetadata, func(key string, value []byte) error {
		field := fields[key]
		if field == nil && key != keyManifestSequence {
			return nil
		}
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return err
		}
		if field != nil {
			*field = text
			return nil
		}
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("failed to convert saved task manifest sequence number to int64: %s", text)
		}
		l.state.ManifestSequence = number
		return nil
	})
}

// arnPattern finds the task of a record that does not parse any more. Hardly any start needs it.
var arnPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)"(?:Arn|taskARN)"\s*:\s*"(arn:[^"\\[:cntrl:]]+:task/[^"\\[:cntrl:]]+)"`)
})

func arnIn(record []byte) string {
	if m := arnPattern().FindSubmatch(record); m != nil {
		return string(m[1])
	}
	return ""
}

// quarantined is a record of bucket quarantine.
type quarantined struct {
	Bucket string    `json:"bucket"`
	Key    string    `json:"key"`
	Error  string    `json:"error"`
	Time   time.Time `json:"time"`
	Record []byte    `json:"record"` // base64 in JSON: it may be anything
}

// maxQuarantine bounds the bucket; beyond it the oldest records go.
const maxQuarantine = 100

// quarantine moves records out of the way of this start and the next ones, and says so.
func (s *Store) quarantine(lost []Lost) error {
	if len(lost) == 0 {
		return nil
	}
	now := time.Now().UTC()
	err := guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			place := tx.Bucket([]byte(bucketQuarantine))
			for _, l := range lost {
				from := tx.Bucket([]byte(l.Bucket))
				if from == nil {
					continue // from the legacy file, which stays as it is
				}
				value, err := json.Marshal(quarantined{l.Bucket, l.Key, l.Err.Error(), now, from.Get([]byte(l.Key))})
				if err != nil {
					return err
				}
				if err := place.Put([]byte(l.Bucket+"/"+l.Key), value); err != nil {
					return err
				}
				if err := from.Delete([]byte(l.Key)); err != nil {
					return err
				}
			}
			return trimQuarantine(place)
		})
	})
	for _, l := range lost {
		logger.Critical("A saved record could not be read; it was put aside and the agent goes on without it",
			logger.F("file", s.path), logger.F("bucket", l.Bucket), logger.F("key", l.Key), logger.F("taskARN", l.TaskARN), logger.Err(l.Err))
	}
	if err != nil {
		// The records stay where they are and will be skipped again.
		logger.Error("Failed to save data for quarantine", logger.F("file", s.path), logger.Err(err))
	}
	return nil
}

func trimQuarantine(place *bolt.Bucket) error {
	type entry struct {
		key  string
		time time.Time
	}
	var entries []entry
	cursor := place.Cursor()
	for k, v := cursor.First(); k != nil; k, v = cursor.Next() {
		var q quarantined
		_ = json.Unmarshal(v, &q) // an unreadable one counts as the oldest
		entries = append(entries, entry{string(k), q.Time})
	}
	if len(entries) <= maxQuarantine {
		return nil
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.time.Compare(b.time) })
	for _, e := range entries[:len(entries)-maxQuarantine] {
		if err := place.Delete([]byte(e.key)); err != nil {
			return err
		}
	}
	return nil
}

package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// The state file of agents before the database. It is read when the database has never been in use on this host, and
// never written.
const (
	legacyName       = "ecs_agent_data.json"
	legacyMaxVersion = 31 // successive versions only added keys
)

// legacyEngine is the member TaskEngine of the file.
type legacyEngine struct {
	Tasks          []json.RawMessage
	IDToContainer  map[string]json.RawMessage `json:"IdToContainer"`
	IDToTask       map[string]string          `json:"IdToTask"`
	ImageStates    []json.RawMessage
	ENIAttachments []json.RawMessage
	IPToTask       map[string]string
}

// importLegacy adds what the legacy file holds to the state and writes all of it to the database. The key agent-version
// is left to the registration, so that an interrupted import is repeated.
func (s *Store) importLegacy(state *State) error {
	path := filepath.Join(filepath.Dir(s.path), legacyName)
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("legacy state: %w", err)
	}
	var other []write
	if err == nil {
		switch other, err = readLegacy(data, state); {
		case errors.Is(err, errDamaged):
			if err := setAside(path, err); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("legacy state %s: %w", path, err)
		}
	}
	return s.saveImported(state, other)
}

// readLegacy adds the file's content to state. Records that are none of the model's come back as writes.
func readLegacy(data []byte, state *State) ([]write, error) {
	var file struct {
		Data    map[string]json.RawMessage
		Version int
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if file.Version > legacyMaxVersion {
		//lint:ignore ST1005 the text is part of the contract
		return nil, fmt.Errorf("Unsupported data format: Version %d not %d", file.Version, legacyMaxVersion)
	}
	l := legacyLoader{state: state, byARN: map[string]*task.Task{}}
	var engine legacyEngine
	members := map[string]any{
		"taskengine":                  &engine,
		"containerinstancearn":        &state.Metadata.ContainerInstanceARN,
		"cluster":                     &state.Metadata.Cluster,
		"ec2instanceid":               &state.Metadata.EC2InstanceID,
		"availabilityzone":            &state.Metadata.AvailabilityZone,
		"latestseqnumbertaskmanifest": &state.ManifestSequence,
	}
	for key, value := range file.Data {
		member := members[strings.ToLower(key)]
		if member == nil {
			logger.Error("Loading state: potentially malformed json key of " + key)
			continue
		}
		if err := json.Unmarshal(value, member); err != nil {
			l.lost("Data", key, "", err)
		}
	}
	l.tasks(engine.Tasks)
	l.containers(engine)
	for ip, arn := range engine.IPToTask {
		if t := l.byARN[arn]; t != nil {
			t.LocalIPAddress = ip
		}
	}
	return l.others(engine), nil
}

type legacyLoader struct {
	state *State
	byARN map[string]*task.Task
}

func (l *legacyLoader) lost(kind, key, arn string, err error) {
	l.state.Lost = append(l.state.Lost, Lost{Bucket: legacyName + " " + kind, Key: key, TaskARN: arn, Err: err})
}

func (l *legacyLoader) tasks(records []json.RawMessage) {
	for i, record := range records {
		t, err := decodeTask(record)
		if err == nil {
			_, err = task.IDFromARN(t.ARN)
		}
		if err != nil {
			l.lost("Tasks", strconv.Itoa(i), arnIn(record), err)
			continue
		}
		if old := l.index(t.ARN); old >= 0 {
			l.state.Tasks[old] = t // written by an import that was interrupted
		} else {
			l.state.Tasks = append(l.state.Tasks, t)
		}
		l.byARN[t.ARN] = t
	}
}

func (l *legacyLoader) index(arn string) int {
	for i, t := range l.state.Tasks {
		if t.ARN == arn {
			return i
		}
	}
	return -1
}

// containers gives the containers of the tasks their Docker id and name. The task's own object is the one that counts.
func (l *legacyLoader) containers(engine legacyEngine) {
	for id, value := range engine.IDToContainer {
		arn, known := engine.IDToTask[id]
		if !known {
			//lint:ignore ST1005 the text is part of the contract
			l.lost("IdToContainer", id, "", fmt.Errorf("Could not unmarshal state; incomplete save. There was no task for docker id %s", id))
			continue
		}
		t := l.byARN[arn]
		if t == nil {
			//lint:ignore ST1005 the text is part of the contract
			l.lost("IdToContainer", id, arn, fmt.Errorf("Could not unmarshal state; incomplete save. There was no task for arn %s", arn))
			continue
		}
		var record struct {
			DockerID   string `json:"DockerId"`
			DockerName string
			Container  struct{ Name string }
		}
		if err := json.Unmarshal(value, &record); err != nil {
			l.lost("IdToContainer", id, arn, err)
			continue
		}
		c, found := t.Container(record.Container.Name)
		if !found {
			//lint:ignore ST1005 the text is part of the contract
			l.lost("IdToContainer", id, arn, fmt.Errorf("Could not resolve a container into a task based on name: %s", record.Container.Name))
			continue
		}
		c.RuntimeID, c.RuntimeName = record.DockerID, record.DockerName
		if c.RuntimeID == "" {
			c.RuntimeID = id
		}
	}
}

// others turns images and attachments into records as they are.
func (l *legacyLoader) others(engine legacyEngine) []write {
	var out []write
	for i, value := range engine.ImageStates {
		var image struct{ Image struct{ ImageID string } }
		err := json.Unmarshal(value, &image)
		if err == nil && image.Image.ImageID == "" {
			err = errors.New("failed to generate database image id")
		}
		if err != nil {
			l.lost("ImageStates", strconv.Itoa(i), "", err)
			continue
		}
		out = append(out, write{bucketImages, image.Image.ImageID, value})
	}
	for i, value := range engine.ENIAttachments {
		a, err := decodeAttachment(value)
		if err != nil {
			l.lost("ENIAttachments", strconv.Itoa(i), "", err)
			continue
		}
		l.state.Attachments = append(l.state.Attachments, a)
		out = append(out, write{bucketENIAttachments, a.ID(), value})
	}
	return out
}

// saveImported writes the state as one transaction.
func (s *Store) saveImported(state *State, other []write) error {
	b := newBatch()
	for _, t := range state.Tasks {
		id, err := task.IDFromARN(t.ARN)
		if err != nil {
			return err // cannot be: such a task was not taken in
		}
		change := b.change(id, t.ARN)
		change.task = t
		for _, c := range t.Containers {
			if c.RuntimeID != "" {
				change.save(c)
			}
		}
	}
	for _, w := range other {
		b.values[valueKey{w.bucket, w.key}] = w.value
	}
	b.values[valueKey{bucketMetadata, keyManifestSequence}] = jsonString(strconv.FormatInt(state.ManifestSequence, 10))
	for key, value := range state.Metadata.fields() {
		if *value != "" && key != keyAgentVersion {
			b.values[valueKey{bucketMetadata, key}] = jsonString(*value)
		}
	}
	if _, err := s.commit(b); err != nil {
		logger.Error("Failed to save data for the state found at start", logger.F("file", s.path), logger.Err(err))
	}
	return nil
}

package engine

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// fakeStore keeps records as JSON; what was not synced or committed is lost in a crash.
type fakeStore struct {
	mu      sync.Mutex
	durable map[string][]byte
	pending map[string][]byte // nil value: delete
	// committing is set while a commit is due.
	committing bool
}

type containerRecord struct {
	DockerName string
	ARN        string
	Container  *task.Container
}

func newFakeStore() *fakeStore {
	return &fakeStore{durable: map[string][]byte{}, pending: map[string][]byte{}}
}

func (s *fakeStore) put(key string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending[key] = data
	s.commitSoon()
}

// commitSoon is the background writer: what is pending gets to disk some time later.
func (s *fakeStore) commitSoon() {
	if !s.committing {
		s.committing = true
		time.AfterFunc(100*time.Millisecond+time.Nanosecond, func() { _ = s.Sync(context.Background()) })
	}
}

func (s *fakeStore) SaveTask(t *task.Task) { s.put("t/"+t.ARN, t) }

func (s *fakeStore) SaveContainer(c *task.Container) {
	s.put("c/"+c.TaskARN+"/"+c.Name, containerRecord{c.RuntimeName, c.TaskARN, c})
}

func (s *fakeStore) DeleteTask(t *task.Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending["t/"+t.ARN] = nil
	for _, c := range t.Containers {
		s.pending["c/"+t.ARN+"/"+c.Name] = nil
	}
	s.commitSoon()
}

func (s *fakeStore) Hurry() {
	time.AfterFunc(5*time.Millisecond+time.Nanosecond, func() { _ = s.Sync(context.Background()) })
}

func (s *fakeStore) Sync(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, data := range s.pending {
		if data == nil {
			delete(s.durable, key)
		} else {
			s.durable[key] = data
		}
	}
	clear(s.pending)
	s.committing = false
	return nil
}

// crash gives the store as it is after a crash: without what never reached the disk.
func (s *fakeStore) crash() *fakeStore {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := newFakeStore()
	maps.Copy(after.durable, s.durable)
	return after
}

func (s *fakeStore) load() []*task.Task {
	var tasks []*task.Task
	byARN := map[string]*task.Task{}
	for key, data := range s.durable {
		if key[0] == 't' {
			t := &task.Task{}
			if err := json.Unmarshal(data, t); err != nil {
				panic(err)
			}
			tasks = append(tasks, t)
			byARN[t.ARN] = t
		}
	}
	for key, data := range s.durable {
		if key[0] == 'c' {
			var r containerRecord
			if err := json.Unmarshal(data, &r); err != nil {
				panic(err)
			}
			if t, has := byARN[r.ARN]; has {
				r.Container.RuntimeName = r.DockerName
				t.Containers[t.Index(r.Container.Name)] = r.Container
			}
		}
	}
	return tasks
}

package acs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/logger/loggertest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const (
	clusterARN  = "arn:aws:ecs:us-west-2:123456789012:cluster/test-cluster"
	instanceARN = "arn:aws:ecs:us-west-2:123456789012:container-instance/a1b2c3d4-5678-90ab-cdef-11111EXAMPLE"
	taskPrefix  = "arn:aws:ecs:us-west-2:123456789012:task/test-cluster/"
)

func TestMain(m *testing.M) {
	logger.Setup(logger.Options{Driver: &logs})
	goleak.VerifyTestMain(m)
}

// logs is everything the package has logged.
var logs loggertest.Buffer

// fakeEngine keeps tasks as they were accepted.
type fakeEngine struct {
	mu       sync.Mutex
	tasks    []*task.Task
	accepted []string          // in order
	refused  map[string]string // reason by ARN
	stopped  []string
	// credentials are the ids set, by "<ARN> <role>".
	credentials map[string]string

	acceptErr error
	// block holds Accept up until it is closed or ctx ends.
	block chan struct{}
}

func (e *fakeEngine) Tasks() []*task.Task {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.tasks)
}

func (e *fakeEngine) Task(arn string) (*task.Task, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.index(arn)
	if i < 0 {
		return nil, false
	}
	return e.tasks[i], true
}

func (e *fakeEngine) index(arn string) int {
	return slices.IndexFunc(e.tasks, func(t *task.Task) bool { return t.ARN == arn })
}

func (e *fakeEngine) Accept(ctx context.Context, tasks ...*task.Task) error {
	if e.block != nil {
		select {
		case <-e.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.acceptErr != nil {
		return e.acceptErr
	}
	for _, t := range tasks {
		e.accepted = append(e.accepted, t.ARN)
		if i := e.index(t.ARN); i < 0 {
			e.tasks = append(e.tasks, t)
		} else if t.Desired > e.tasks[i].Desired {
			raised := e.tasks[i].Clone()
			raised.Desired = t.Desired
			e.tasks[i] = raised
		}
	}
	return nil
}

func (e *fakeEngine) Refuse(_ context.Context, arn, reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refused == nil {
		e.refused = map[string]string{}
	}
	e.refused[arn] = reason
}

func (e *fakeEngine) Stop(arn string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.index(arn) < 0 {
		return false
	}
	e.stopped = append(e.stopped, arn)
	return true
}

func (e *fakeEngine) SetCredentials(arn string, role credentials.RoleType, id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.index(arn) < 0 {
		return false
	}
	if e.credentials == nil {
		e.credentials = map[string]string{}
	}
	e.credentials[arn+" "+string(role)] = id
	return true
}

// add puts a task into the engine as if it had been accepted before.
func (e *fakeEngine) add(t *task.Task) { e.tasks = append(e.tasks, t) }

// fakeENIs keeps what was announced.
type fakeENIs struct{ announced []task.Attachment }

func (e *fakeENIs) Accept(_ context.Context, announced ...task.Attachment) {
	e.announced = append(e.announced, announced...)
}

// fakeManifest keeps the number in memory.
type fakeManifest struct {
	mu   sync.Mutex
	seq  int64
	fail bool
}

func (m *fakeManifest) ManifestSeq() int64 { m.mu.Lock(); defer m.mu.Unlock(); return m.seq }

func (m *fakeManifest) SetManifestSeq(n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail {
		return errors.New("disk full")
	}
	m.seq = n
	return nil
}

// bench is a session whose messages are handled one by one, without a connection.
type bench struct {
	*Session
	engine   *fakeEngine
	enis     *fakeENIs
	manifest *fakeManifest
	store    *credentials.Store
	conn     connection
}

func newBench(known int64) *bench {
	b := &bench{
		engine: &fakeEngine{}, enis: &fakeENIs{}, manifest: &fakeManifest{seq: known}, store: &credentials.Store{},
		conn: connection{beats: make(chan outgoing, beatLimit)},
	}
	b.Session = New(Config{Engine: b.engine, ENIs: b.enis, Credentials: b.store, Manifest: b.manifest})
	return b
}

// envelope is a message on the wire, in either direction.
type envelope struct {
	Type    string          `json:"type"`
	Message json.RawMessage `json:"message"`
}

// receive handles a frame and returns the answers, sorted.
func (b *bench) receive(t *testing.T, frame []byte) []string {
	t.Helper()
	r, err := decode(frame)
	if err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
	b.dispatch(&b.conn, r)
	for {
		r, ok := b.work.take()
		if !ok {
			return b.answers(t)
		}
		b.handle(t.Context(), r)
	}
}

// answers are the messages on their way out, as JSON, sorted.
func (b *bench) answers(t *testing.T) []string {
	t.Helper()
	list := []string{}
	for {
		var o outgoing
		select {
		case o = <-b.conn.beats:
		case o = <-b.outbox:
		default:
			slices.Sort(list)
			return list
		}
		message, err := json.Marshal(o.message)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, canonical(t, envelope{o.kind, message}))
	}
}

// canonical is the JSON of v with sorted members.
func canonical(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var any any
	if err := json.Unmarshal(text, &any); err != nil {
		t.Fatal(err)
	}
	text, _ = json.Marshal(any)
	return string(text)
}

// expected makes answers comparable to those of receive.
func expected(t *testing.T, list []envelope) []string {
	t.Helper()
	out := []string{}
	for _, e := range list {
		out = append(out, canonical(t, e))
	}
	slices.Sort(out)
	return out
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got)\n%s", what, d)
	}
}

// frame is an envelope around a message given as JSON.
func frame(kind, message string) []byte {
	return []byte(`{"type":"` + kind + `","message":` + message + `}`)
}

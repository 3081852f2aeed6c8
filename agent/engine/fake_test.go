package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// fakeDocker is a container runtime in memory. Calls take (virtual) time, may fail, and may take effect although their
// caller is gone, as with a real daemon.
type fakeDocker struct {
	mu         sync.Mutex
	seed       uint64
	rng        *rand.Rand // for what the schedule does, never for calls
	nth        map[string]int
	containers map[string]*fakeContainer // by id
	watchers   map[chan task.RuntimeEvent]struct{}
	down       bool // every call fails, streams end
	calls      map[string]int
	failRate   float64
	lifetimes  map[string]lifetime // by container name; default: runs until stopped
	leases     map[string]int      // local addresses of tasks, by ARN
	violations []string
	hangs      map[string]hang // by kind: what the next call does
	removed    map[string]bool // by id: taken away behind the agent's back
}

// hang is a call that takes long and then fails, as the time limits of the real client make it. It may take effect all
// the same.
type hang struct {
	wait   time.Duration
	effect bool
}

type lifetime struct {
	runs time.Duration
	code int
}

type fakeContainer struct {
	id, name, arn, cname, cluster string
	status                        task.ContainerStatus
	code                          int
	starts                        int
	createdAt                     time.Time
	startedAt                     time.Time
	finishedAt                    time.Time
	run                           int // guards timers of former runs
	// emerging is set while Docker makes a container whose create call nobody waits for any more: it is in lists and its
	// name is taken, but there is nothing to look at yet.
	emerging  bool
	connected bool
}

func newFakeDocker(seed uint64) *fakeDocker {
	return &fakeDocker{seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), nth: map[string]int{}, containers: map[string]*fakeContainer{}, watchers: map[chan task.RuntimeEvent]struct{}{},
		calls: map[string]int{}, lifetimes: map[string]lifetime{}, hangs: map[string]hang{}, removed: map[string]bool{}, leases: map[string]int{}}
}

//lint:ignore ST1005 Docker's text
var errDown = errors.New("Cannot connect to the Docker daemon at unix:///fake. Is the docker daemon running?")

// fate draws what happens to the nth call of a kind on a container. It depends on nothing but that and the seed, to the
// nanosecond, so that a schedule is the same however goroutines are interleaved.
func (d *fakeDocker) fate(kind, container string) (wait time.Duration, luck float64, orphaned bool) {
	d.calls[kind]++
	d.nth[kind+container]++
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %s %d", d.seed, kind, container, d.nth[kind+container])
	rng := rand.New(rand.NewPCG(d.seed, h.Sum64()))
	return time.Duration(rng.Int64N(int64(20 * time.Millisecond))), rng.Float64(), rng.IntN(2) == 0
}

// call waits as long as the daemon takes, decides whether it fails, and runs effect under the lock. When the caller is
// gone meanwhile the effect may happen all the same.
func (d *fakeDocker) call(ctx context.Context, kind, container, errName string, effect func() error) error {
	d.mu.Lock()
	wait, luck, orphaned := d.fate(kind, container)
	fails := luck < d.failRate && kind != "stop" // the real one tries five times
	hung, hangs := d.hangs[kind]
	if delete(d.hangs, kind); hangs {
		wait, orphaned = hung.wait, hung.effect
	}
	d.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		if orphaned {
			d.mu.Lock()
			defer d.mu.Unlock()
			if !d.down {
				_ = effect()
			}
		}
		return task.NewError(errName, ctx.Err())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.down:
		return task.NewError(errName, errDown)
	case hangs && kind != "stop": // a stop is tried again until it works
		if hung.effect {
			_ = effect()
		}
		return &task.Error{Name: task.ErrDockerTimeout, Message: "Could not transition; timed out after waiting"}
	case fails:
		return task.NewError(errName, errors.New("Error response from daemon: out of luck"))
	}
	if err := effect(); err != nil {
		return task.NewError(errName, err)
	}
	return nil
}

func (d *fakeDocker) ResolveManifest(ctx context.Context, t *task.Task, c *task.Container) (m task.Manifest, err error) {
	d.checkConnected(t, c)
	err = d.call(ctx, "manifest", c.RuntimeName, task.ErrCannotPullImageManifest, func() error { m.Digest = "sha256:1"; return nil })
	return m, err
}

func (d *fakeDocker) Pull(ctx context.Context, _ *task.Task, c *task.Container) (task.PullResult, error) {
	began := time.Now()
	err := d.call(ctx, "pull", c.RuntimeName, task.ErrCannotPullContainer, func() error { return nil })
	return task.PullResult{ImageID: "sha256:2", StartedAt: began, FinishedAt: time.Now()}, err
}

func (d *fakeDocker) Create(ctx context.Context, t *task.Task, c *task.Container) (res task.CreateResult, err error) {
	for emerging := true; emerging; { // the real one waits, too
		emerging = false
		err = d.call(ctx, "create", c.RuntimeName, task.ErrCannotCreateContainer, func() error {
			for _, f := range d.containers {
				if f.name == c.RuntimeName {
					res.RuntimeID, emerging = f.id, f.emerging // adopted
					return nil
				}
			}
			res.RuntimeID = d.createLocked(t, c, ctx.Err() != nil)
			return nil
		})
	}
	return res, err
}

func (d *fakeDocker) createLocked(t *task.Task, c *task.Container, abandoned bool) (id string) {
	id = fmt.Sprintf("id%06d", len(d.containers)+1) + c.RuntimeName
	f := &fakeContainer{id: id, name: c.RuntimeName, arn: t.ARN, cname: c.Name, status: task.ContainerCreated, createdAt: time.Now(), emerging: abandoned}
	d.containers[id] = f
	d.checkTwins(t.ARN, c.Name)
	emerge := func() {
		f.emerging = false
		d.emit(id, task.ActionCreate, nil)
	}
	if !abandoned {
		emerge()
		return id
	}
	wait, _, _ := d.fate("emerge", c.RuntimeName)
	time.AfterFunc(10*wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		emerge()
	})
	return id
}

// checkTwins notes a second container for the same place in a task.
func (d *fakeDocker) checkTwins(arn, name string) {
	twins := 0
	for _, f := range d.containers {
		if f.arn == arn && f.cname == name {
			twins++
		}
	}
	if twins > 1 {
		d.violations = append(d.violations, fmt.Sprintf("%d containers for %s of %s", twins, name, arn))
	}
}

// checkNamespaces notes containers that run while the one that holds their namespaces is stopped, or disconnected.
func (d *fakeDocker) checkNamespaces(stopping *fakeContainer) {
	if stopping.cname != task.NamespacePauseName && stopping.cname != task.NetworkPauseName {
		return
	}
	for _, f := range d.containers {
		if f.arn == stopping.arn && f != stopping && f.status == task.ContainerRunning && f.cname != task.NamespacePauseName && f.cname != task.NetworkPauseName {
			d.violations = append(d.violations, f.name+" ran when its namespaces were taken away")
		}
	}
}

// checkConnected notes work on a container whose task is without the network it needs.
func (d *fakeDocker) checkConnected(t *task.Task, c *task.Container) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.NetworkMode == task.NetworkAWSVPC && !c.Internal() && (t.LocalIPAddress == "" || d.leases[t.ARN] == 0) {
		d.violations = append(d.violations, c.RuntimeName+" was worked on before its network was there")
	}
}

func (d *fakeDocker) Provision(ctx context.Context, t *task.Task, c *task.Container) (got task.Connection, err error) {
	err = d.call(ctx, "provision", c.RuntimeName, task.ErrContainerNetworking, func() error {
		f := d.containers[c.RuntimeID]
		if f == nil || f.status != task.ContainerRunning {
			return errors.New("the namespace is gone")
		}
		f.connected = true
		if d.leases[t.ARN] == 0 {
			d.leases[t.ARN] = len(d.nth) + 2
		}
		got = task.Connection{LocalIPAddress: fmt.Sprintf("169.254.172.%d", d.leases[t.ARN]), Namespace: "/proc/1/ns/net", Interface: task.ENIInterface}
		return nil
	})
	return got, err
}

func (d *fakeDocker) Disconnect(ctx context.Context, _ *task.Task, c *task.Container) error {
	return d.call(ctx, "disconnect", c.RuntimeName, task.ErrContainerNetworking, func() error {
		if f := d.containers[c.RuntimeID]; f != nil {
			d.checkNamespaces(f)
			f.connected = false
		}
		return nil
	})
}

func (d *fakeDocker) ReleaseAddress(ctx context.Context, t *task.Task) error {
	return d.call(ctx, "release", t.ARN, task.ErrContainerNetworking, func() error {
		delete(d.leases, t.ARN)
		return nil
	})
}

func (d *fakeDocker) Start(ctx context.Context, _ *task.Task, c *task.Container) (*task.ContainerState, error) {
	err := d.call(ctx, "start", c.RuntimeName, task.ErrCannotStartContainer, func() error {
		f, has := d.containers[c.RuntimeID]
		if !has || f.emerging {
			return fmt.Errorf("Error response from daemon: %w", task.ErrGone)
		}
		if f.status != task.ContainerRunning {
			d.startLocked(f)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d.Inspect(ctx, c)
}

func (d *fakeDocker) startLocked(f *fakeContainer) {
	f.status, f.startedAt, f.finishedAt = task.ContainerRunning, time.Now(), time.Time{}
	f.starts++
	f.run++
	run := f.run
	d.emit(f.id, task.ActionStart, nil)
	if life, has := d.lifetimes[f.cname]; has {
		time.AfterFunc(life.runs, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if f.run == run && f.status == task.ContainerRunning {
				d.exitLocked(f, life.code)
			}
		})
	}
}

func (d *fakeDocker) exitLocked(f *fakeContainer, code int) {
	f.status, f.code, f.finishedAt = task.ContainerStopped, code, time.Now()
	f.connected = false // the kernel sees to that
	d.emit(f.id, task.ActionDie, &code)
}

func (d *fakeDocker) Stop(ctx context.Context, _ *task.Task, c *task.Container) (*task.ContainerState, error) {
	gone := false
	err := d.call(ctx, "stop", c.RuntimeName, task.ErrCannotStopContainer, func() error {
		f, has := d.containers[c.RuntimeID]
		if !has {
			gone = true
			return nil
		}
		if f.status == task.ContainerRunning {
			d.checkNamespaces(f)
			d.exitLocked(f, 143)
			d.emit(f.id, task.ActionStop, nil)
		}
		return nil
	})
	if gone {
		return nil, task.NewError(task.ErrNoSuchContainer, task.ErrGone)
	}
	if err != nil {
		return nil, err
	}
	return d.Inspect(ctx, c)
}

func (d *fakeDocker) Inspect(ctx context.Context, c *task.Container) (state *task.ContainerState, err error) {
	err = d.call(ctx, "inspect", c.RuntimeName, task.ErrCannotInspectContainer, func() error {
		for _, f := range d.containers {
			if !f.emerging && (f.id == c.RuntimeID || c.RuntimeID == "" && f.name == c.RuntimeName) {
				state = f.state()
				return nil
			}
		}
		return task.ErrGone
	})
	return state, err
}

func (f *fakeContainer) state() *task.ContainerState {
	s := &task.ContainerState{RuntimeID: f.id, Name: f.name, Status: f.status, CreatedAt: f.createdAt, StartedAt: f.startedAt, FinishedAt: f.finishedAt,
		Labels: map[string]string{task.LabelTaskARN: f.arn, task.LabelContainerName: f.cname, task.LabelCluster: f.cluster}}
	if f.status == task.ContainerStopped {
		code := f.code
		s.ExitCode = &code
	}
	return s
}

func (d *fakeDocker) Remove(ctx context.Context, _ *task.Task, c *task.Container) error {
	return d.call(ctx, "remove", c.RuntimeName, task.ErrCannotRemoveContainer, func() error {
		for id, f := range d.containers {
			if f.id != c.RuntimeID && f.name != c.RuntimeName {
				continue
			}
			if f.status == task.ContainerRunning {
				d.violations = append(d.violations, "removed while running: "+f.name)
			}
			delete(d.containers, id)
			d.emitFor(f, task.ActionDestroy, nil)
		}
		return nil
	})
}

func (d *fakeDocker) Ping(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return errDown
	}
	return ctx.Err()
}

func (d *fakeDocker) List(ctx context.Context) (all []task.ContainerState, err error) {
	err = d.call(ctx, "list", "", task.ErrCannotListContainers, func() error {
		for _, f := range d.containers {
			s := f.state()
			s.Partial, s.ExitCode = true, nil
			all = append(all, *s)
		}
		return nil
	})
	return all, err
}

func (d *fakeDocker) Events(ctx context.Context, _ time.Time, listening func(), deliver func(task.RuntimeEvent)) error {
	d.mu.Lock()
	if d.down {
		d.mu.Unlock()
		return errDown
	}
	stream := make(chan task.RuntimeEvent, 1000)
	d.watchers[stream] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.watchers, stream)
		d.mu.Unlock()
	}()
	listening()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ev, open := <-stream:
			if !open {
				return errors.New("unexpected EOF")
			}
			deliver(ev)
		}
	}
}

func (d *fakeDocker) emit(id string, action task.RuntimeAction, code *int) {
	d.emitFor(d.containers[id], action, code)
}

func (d *fakeDocker) emitFor(f *fakeContainer, action task.RuntimeAction, code *int) {
	for w := range d.watchers {
		w <- task.RuntimeEvent{Action: action, RuntimeID: f.id, TaskARN: f.arn, Container: f.cname, ExitCode: code, Time: time.Now()}
	}
}

// setDown takes the daemon away; containers go with it unless they are kept alive. Coming back, streams are new.
func (d *fakeDocker) setDown(down, killContainers bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
	if !down {
		return
	}
	for w := range d.watchers {
		close(w)
		delete(d.watchers, w)
	}
	if killContainers {
		for _, f := range d.containers {
			if f.status == task.ContainerRunning {
				d.exitLocked(f, 137)
			}
		}
	}
}

// kill ends or removes a running container behind the agent's back.
func (d *fakeDocker) kill(remove bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var running []*fakeContainer
	for _, f := range d.containers {
		if f.status == task.ContainerRunning {
			running = append(running, f)
		}
	}
	if len(running) == 0 || d.down {
		return
	}
	slices.SortFunc(running, func(a, b *fakeContainer) int { return a.createdAt.Compare(b.createdAt)*2 + compare(a.name, b.name) })
	f := running[d.rng.IntN(len(running))]
	d.exitLocked(f, 137)
	if remove {
		d.removed[f.id] = true
		delete(d.containers, f.id)
		d.emitFor(f, task.ActionDestroy, nil)
	}
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

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

// commitSoon is the background writer: what is pending gets to disk some milliseconds later.
func (s *fakeStore) commitSoon() {
	if !s.committing {
		s.committing = true
		time.AfterFunc(5*time.Millisecond+time.Nanosecond, func() { _ = s.Sync(context.Background()) })
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

// fakeECS hears the reports and acknowledges them, as agent/report and the service do.
type fakeECS struct {
	mu         sync.Mutex
	engine     *Engine
	tasks      map[string]task.Status
	containers map[string]task.ContainerStatus
	reasons    map[string]string
	exits      map[string]*int
	log        []string
	violations []string
	docker     *fakeDocker
	// dead is set while no agent runs: what a dying one still says is not heard.
	dead bool
}

func newFakeECS(d *fakeDocker) *fakeECS {
	return &fakeECS{tasks: map[string]task.Status{}, containers: map[string]task.ContainerStatus{}, reasons: map[string]string{}, exits: map[string]*int{}, docker: d}
}

func (s *fakeECS) ContainerChanged(t *task.Task, c *task.Container) {
	if c.Known != c.Steady() && c.Known != task.ContainerStopped {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return
	}
	key := t.ARN + "/" + c.Name
	if c.Known < s.containers[key] {
		s.violations = append(s.violations, fmt.Sprintf("container %s went back from %s to %s", key, s.containers[key], c.Known))
	}
	s.log = append(s.log, fmt.Sprintf("%s %s", key, c.Known))
	s.containers[key] = max(s.containers[key], c.Known)
	if c.Known == task.ContainerStopped {
		s.exits[key] = c.ExitCode
		if c.Failure != nil {
			s.reasons[key] = c.Failure.Reason()
		}
	}
	s.acknowledge(t.ARN, task.None, c.Name, c.Known)
}

func (s *fakeECS) TaskChanged(t *task.Task, reason string) {
	if t.Known != task.Running && t.Known != task.Stopped {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return
	}
	if t.Known < s.tasks[t.ARN] {
		s.violations = append(s.violations, fmt.Sprintf("task %s went back from %s to %s", t.ARN, s.tasks[t.ARN], t.Known))
	}
	s.log = append(s.log, fmt.Sprintf("%s %s %s", t.ARN, t.Known, reason))
	s.tasks[t.ARN] = max(s.tasks[t.ARN], t.Known)
	if reason != "" {
		s.reasons[t.ARN] = reason
	}
	s.acknowledge(t.ARN, t.Known, "", 0)
}

func (s *fakeECS) acknowledge(arn string, known task.Status, container string, status task.ContainerStatus) {
	sent := map[string]task.ContainerStatus{}
	if container != "" {
		sent[container] = status
	}
	s.engine.Acknowledge(arn, known, sent)
}

// noResources is for tasks that need nothing but containers.
type noResources struct{}

func (noResources) Plan(*task.Task) ([]task.Resource, error)                 { return nil, nil }
func (noResources) Create(context.Context, *task.Task, *task.Resource) error { return nil }
func (noResources) Release(context.Context, *task.Task)                      {}
func (noResources) Remove(context.Context, *task.Task, *task.Resource) error { return nil }

// rig is an engine on fakes, with a way to crash it.
type rig struct {
	docker *fakeDocker
	store  *fakeStore
	ecs    *fakeECS
	config Config

	engine *Engine
	cancel context.CancelFunc
	done   chan struct{}
	// crashes counts them.
	crashes int
}

func newRig(seed uint64) *rig {
	d := newFakeDocker(seed)
	r := &rig{docker: d, store: newFakeStore(), ecs: newFakeECS(d)}
	r.config = Config{
		Rules:         Rules{CleanupWait: time.Hour},
		Host:          HostResources{CPU: 1 << 20, Memory: 1 << 20},
		Resources:     noResources{},
		ContainerName: func(t *task.Task, c *task.Container) string { return "ecs-" + t.ID() + "-" + c.Name },
	}
	return r
}

// boot starts the engine on what the store holds.
func (r *rig) boot() { r.bootOn(r.docker) }

// bootOn is boot with another runtime in front of the fake daemon.
func (r *rig) bootOn(runtime Runtime) {
	r.config.Credentials = &credentials.Store{}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan struct{})
	e := New(r.config, runtime, r.store, r.ecs)
	r.engine = e
	r.ecs.mu.Lock()
	r.ecs.engine, r.ecs.dead = e, false
	r.ecs.mu.Unlock()
	e.Restore(r.store.load())
	go func() {
		defer close(r.done)
		_ = e.Run(ctx)
	}()
}

// crash ends the engine at once; what was not on disk is lost.
func (r *rig) crash() {
	r.crashes++
	r.ecs.mu.Lock()
	r.ecs.dead = true
	r.ecs.mu.Unlock()
	r.store = r.store.crash() // late saves of the dying engine reach nothing
	r.cancel()
	<-r.done
}

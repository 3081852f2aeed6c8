// Package engine owns the tasks of this container instance: it takes them in, waits for host resources, drives each
// container through its life, stops tasks in order, recovers them after a restart and cleans up behind them.
//
// All rules are in two pure functions. Apply says what a task is after an event; Plan says what may be done now.
// Each task has one owner goroutine that runs them in a loop; steps run beside it and come back as events:
//
//	                 ┌────────── events: ECS, Docker, timers ◄─────────┐
//	                 ▼                                                 │
//	mailbox ──► Apply(task, event) ──► checkpoint, report ──► Plan(task) ──► steps
//
// Readers get immutable snapshots; they never wait for a task, and a task never waits for them.
package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/aws/amazon-ecs-agent/agent/turnstile"
)

// parallelInspects bounds the inspects that run at once over all tasks.
const parallelInspects = 8

// How long a call counts as one of those that may run at once. What takes longer hangs, most likely in Docker's lock of that
// container, and is no reason for other tasks to wait.
const (
	inspectPatience = 2 * time.Second
	startPatience   = 30 * time.Second
)

var errEnding = errors.New("the agent is ending")

// Runtime carries out single steps on real containers. Every call has its own deadline, may be repeated, and fails
// with a *task.Error.
type Runtime interface {
	// ResolveManifest finds the digest of the container's image; empty when it needs or has none.
	ResolveManifest(ctx context.Context, t *task.Task, c *task.Container) (task.Manifest, error)
	// Pull brings the image to the host.
	Pull(ctx context.Context, t *task.Task, c *task.Container) (task.PullResult, error)
	// Create creates the container under its RuntimeName. The id is set whenever one is known, also with an error.
	Create(ctx context.Context, t *task.Task, c *task.Container) (task.CreateResult, error)
	// Start starts the container and looks at it once. An error named CannotInspectContainerError means: started, but
	// the look failed.
	Start(ctx context.Context, t *task.Task, c *task.Container) (*task.ContainerState, error)
	// Provision connects the network that the container holds for its task.
	Provision(ctx context.Context, t *task.Task, c *task.Container) (task.Connection, error)
	// Disconnect undoes what Provision did; ReleaseAddress gives back what it leased, once the task has stopped.
	Disconnect(ctx context.Context, t *task.Task, c *task.Container) error
	ReleaseAddress(ctx context.Context, t *task.Task) error
	// Stop stops the container and looks at it. An error that wraps task.ErrGone: there is no such container.
	Stop(ctx context.Context, t *task.Task, c *task.Container) (*task.ContainerState, error)
	// Inspect looks at the container by id, or by name while there is no id.
	Inspect(ctx context.Context, c *task.Container) (*task.ContainerState, error)
	// Remove removes the container; one that is gone already is a success.
	Remove(ctx context.Context, t *task.Task, c *task.Container) error
	// Ping asks whether the runtime answers at all.
	Ping(ctx context.Context) error
	// List gives the containers that carry the labels of ECS tasks.
	List(ctx context.Context) ([]task.ContainerState, error)
	// Events delivers the runtime's events since the given time, in order, until the stream ends. listening is called
	// once when the stream is open.
	Events(ctx context.Context, since time.Time, listening func(), deliver func(task.RuntimeEvent)) error
}

// Resources creates and removes what tasks need beside containers.
type Resources interface {
	// Plan says which resources a new task needs. It may set names on the task's volumes.
	Plan(t *task.Task) ([]task.Resource, error)
	Create(ctx context.Context, t *task.Task, r *task.Resource) error
	// Release drops what is held for the creation of the task's containers alone: all of them have been created. It may
	// be called again.
	Release(ctx context.Context, t *task.Task)
	// Remove removes what Create made, or began to make; what is not there is a success.
	Remove(ctx context.Context, t *task.Task, r *task.Resource) error
}

// Store is the checkpoint. Saves are queued and never wait for the disk; Sync waits until all of them are durable.
type Store interface {
	SaveTask(t *task.Task)
	SaveContainer(c *task.Container)
	DeleteTask(t *task.Task)
	// Hurry asks for what was saved to be written soon; Sync waits until it is.
	Hurry()
	Sync(ctx context.Context) error
}

// Sink hears of every change, in order per task. It must not block.
type Sink interface {
	ContainerChanged(t *task.Task, c *task.Container)
	TaskChanged(t *task.Task, reason string)
}

// Config of an Engine.
type Config struct {
	Rules Rules
	// CleanupJitter is the upper bound of a random addition to Rules.CleanupWait.
	CleanupJitter time.Duration
	Host          HostResources
	Resources     Resources
	// ContainerName chooses the Docker name of a new container.
	ContainerName func(*task.Task, *task.Container) string
	Credentials   *credentials.Store
	GPU           GPUSupport
	// NetworkPauseImage is the image of containers that hold the network of a task; empty: task.PauseImage.
	NetworkPauseImage string
	// Forgotten is called when nothing is left of a task. Optional.
	Forgotten func(*task.Task)
	// AdoptStraysOf names the cluster whose running containers are taken over although no record of their task is left;
	// empty: none are.
	AdoptStraysOf string
	// MaxStarts bounds the container starts under way at once (ECS_MAX_CONCURRENT_STARTS); 0: no bound. They wait in the
	// order of their arrival.
	MaxStarts int
}

// Engine runs the tasks. Make one with New, give it what a former run left with Restore, then Run it.
type Engine struct {
	config  Config
	runtime Runtime
	store   Store
	sink    Sink

	admission *admission
	inspects  *turnstile.Turnstile
	starts    *turnstile.Turnstile
	ready     chan struct{} // closed when restored tasks were compared with the runtime and run
	surveyed  chan struct{} // closed when all containers were seen once

	mu         sync.RWMutex
	order      []*owner // by acceptance
	byARN      map[string]*owner
	byEndpoint map[string]*owner
	byRuntime  map[string]*owner
	running    context.Context // set by Run; nil before
	owners     sync.WaitGroup
}

// New gives an engine without tasks.
func New(config Config, runtime Runtime, store Store, sink Sink) *Engine {
	return &Engine{
		config: config, runtime: runtime, store: store, sink: sink,
		admission:  newAdmission(config.Host),
		inspects:   turnstile.New(parallelInspects, inspectPatience),
		starts:     turnstile.New(config.MaxStarts, startPatience),
		ready:      make(chan struct{}),
		surveyed:   make(chan struct{}),
		byARN:      map[string]*owner{},
		byEndpoint: map[string]*owner{},
		byRuntime:  map[string]*owner{},
	}
}

// Ready is closed when the tasks of the former run were found again in the runtime; new tasks are taken from then on.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// Surveyed is closed when it is known what runs on this host, also of tasks without a record. Usually that is when Ready is
// closed, and later where Docker is slow to say.
func (e *Engine) Surveyed() <-chan struct{} { return e.surveyed }

// Run owns every goroutine of the engine and ends when ctx does. Containers are left as they are.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	e.running = ctx
	e.mu.Unlock()
	err := e.watch(ctx)
	e.owners.Wait()
	return err
}

// ending reports whether the agent is shutting down: results of calls mean nothing any more.
func (e *Engine) ending() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.running != nil && e.running.Err() != nil
}

// Stop stops a task that ECS has verified should be; false when it is not known.
func (e *Engine) Stop(arn string) bool {
	o, known := e.owner(arn)
	if known {
		o.box.put(DesiredChanged{task.Stopped})
	}
	return known
}

// SetCredentials notes the id of a role's new credentials; false when the task is not known.
func (e *Engine) SetCredentials(arn string, role credentials.RoleType, id string) bool {
	o, known := e.owner(arn)
	if !known {
		return false
	}
	if role == credentials.Execution {
		o.box.put(CredentialsSet{Execution: id})
	} else {
		o.box.put(CredentialsSet{Application: id})
	}
	return true
}

// KeepRestartStats saves what carries a container's statistics over its restarts (RestartAggregationDataForStats). The
// engine does not look into it.
func (e *Engine) KeepRestartStats(arn, containerName string, data []byte) {
	if o, known := e.owner(arn); known {
		o.box.put(RestartStatsSet{Container: containerName, Data: data})
	}
}

// Acknowledge notes what ECS has accepted of a task's states.
func (e *Engine) Acknowledge(arn string, sent task.Status, containers map[string]task.ContainerStatus) {
	if o, known := e.owner(arn); known {
		o.box.put(Acknowledged{Task: sent, Containers: containers})
	}
}

// Conclude takes note of what ECS accepted while the agent was ending, so that the last save has it and the next run does
// not say it again. It is for the time after Run; a task whose owner has not ended yet is left alone.
func (e *Engine) Conclude() {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, o := range e.order {
		select {
		case <-o.over:
			o.conclude()
		default:
		}
	}
}

// adopt gives a task its owner and starts it.
func (e *Engine) adopt(t *task.Task) {
	if o, ctx := e.keep(t); o != nil && ctx != nil {
		e.launch(ctx, o)
	}
}

// keep gives a task its owner, which does not run yet; nil when the task has one. ctx is nil before the engine runs.
func (e *Engine) keep(t *task.Task) (o *owner, ctx context.Context) {
	if e.config.CleanupJitter > 0 {
		t.Engine.CleanupJitter = rand.N(e.config.CleanupJitter)
	}
	t.Engine.ExecutionRole = e.holds(t.ExecutionCredentialsID)
	o = newOwner(e, t)
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.byARN[t.ARN]; known {
		return nil, nil
	}
	e.order = append(e.order, o)
	e.byARN[t.ARN] = o
	e.index(o, t)
	return o, e.running
}

// holds reports whether credentials are held under an id.
func (e *Engine) holds(credentialsID string) bool {
	if credentialsID == "" {
		return false
	}
	held, _ := e.config.Credentials.Get(credentialsID)
	return held != nil
}

// launch starts the owner's goroutine, once.
func (e *Engine) launch(ctx context.Context, o *owner) {
	e.mu.Lock()
	launched := o.launched
	o.launched = true
	e.mu.Unlock()
	if launched {
		return
	}
	if t := o.snap.Load(); waitingForRole(t) {
		logger.Info("Task waits for the credentials of its execution role", logger.F("taskARN", t.ARN), logger.CredentialsID(t.ExecutionCredentialsID))
	}
	e.admit(o)
	e.owners.Add(1)
	go func() {
		defer e.owners.Done()
		o.run(ctx)
	}()
}

// admit asks for the task's share of the host.
func (e *Engine) admit(o *owner) {
	t := o.snap.Load()
	if t.Known.Terminal() || t.Desired.Terminal() || !sharesHost(t) || hadShare(t) {
		o.box.put(Admitted{})
		return
	}
	told := ""
	e.admission.request(t, waiter{
		grant: func() {
			logger.Info("Resources successfully consumed, continue to task creation", logger.F("taskARN", t.ARN))
			o.box.put(Admitted{})
		},
		refuse: func(reason string) {
			logger.Error("Error consuming resources due to invalid task config", logger.F("taskARN", t.ARN), logger.F("reason", reason))
			o.box.put(Ended{reason})
		},
		tell: func(reason string, never bool) {
			if reason == told {
				return
			}
			told = reason
			if never {
				logger.Warn("Task can never fit this container instance; it waits until it is stopped", logger.F("taskARN", t.ARN), logger.F("missing", reason))
			} else {
				logger.Info("Resources not consumed, enough resources not available", logger.F("taskARN", t.ARN), logger.F("missing", reason))
			}
			o.box.put(Queued{reason, never})
		},
	})
}

// sharesHost reports whether what the task takes of the host counts.
func sharesHost(t *task.Task) bool { return !t.Internal && !strings.EqualFold(t.LaunchType, "FARGATE") }

// hadShare reports whether the task had its share of the host already before the agent was restarted. One that has to stop
// keeps it until it has stopped.
func hadShare(t *task.Task) bool {
	return sharesHost(t) && slices.ContainsFunc(t.Containers, func(c *task.Container) bool {
		return c.Known > task.ContainerNone && c.Known < task.ContainerStopped
	})
}

// released gives back what a task that has stopped held.
func (e *Engine) released(t *task.Task) {
	e.admission.release(t.ARN)
	e.config.Credentials.RemoveRole(t.ARN, credentials.Application, t.CredentialsID)
}

// forget drops a task that has been cleaned up.
func (e *Engine) forget(o *owner) {
	t := o.snap.Load()
	e.store.DeleteTask(t)
	e.config.Credentials.RemoveRole(t.ARN, credentials.Execution, t.ExecutionCredentialsID) // its logs are shipped until now
	e.config.Credentials.RemoveRole(t.ARN, credentials.Application, t.CredentialsID)        // it may have stopped under a former agent
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.byARN, t.ARN)
	for _, c := range t.Containers {
		delete(e.byEndpoint, c.EndpointID)
		delete(e.byRuntime, c.RuntimeID)
	}
	e.order = slices.DeleteFunc(e.order, func(other *owner) bool { return other == o })
	logger.Info("Task cleaned up", logger.F("taskARN", t.ARN))
	if e.config.Forgotten != nil {
		e.config.Forgotten(t)
	}
}

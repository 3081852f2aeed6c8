package fault

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const (
	// The bounds of a request with its wait for others in the same namespace, and of what is undone after it failed.
	// Together they are below the server's write timeout of 5 s, so that the container hears of it.
	requestBudget  = 3500 * time.Millisecond
	rollBackBudget = time.Second
	// sweepInterval is how soon a fault ends after its last task.
	sweepInterval = time.Second
)

// What the status of a fault can be.
const (
	running    = "running"
	notRunning = "not-running"
	stopped    = "stopped"
)

// Tasks is what faults need of the engine.
type Tasks interface {
	Tasks() []*task.Task
	// ByEndpoint finds a container by the id in its agent API address.
	ByEndpoint(id string) (*task.Task, *task.Container, bool)
}

// Injector makes faults, ends them, and ends those that outlive their tasks.
type Injector struct {
	tasks     Tasks
	ledger    *ledger
	locks     locks
	run       runner
	hostLinks func() ([]link, error)
	wake      chan struct{} // a fault was made
	// budget bounds a request, undoBudget what is undone after it failed.
	budget, undoBudget time.Duration
}

// NewInjector gives an injector that keeps its list of faults in a directory; none: in memory only.
func NewInjector(tasks Tasks, dir string) *Injector {
	return &Injector{tasks: tasks, ledger: openLedger(dir), run: run, hostLinks: defaultLinks, wake: make(chan struct{}, 1),
		budget: requestBudget, undoBudget: rollBackBudget}
}

// Run ends faults whose tasks have ended, until ctx ends. Without faults it does nothing.
func (i *Injector) Run(ctx context.Context) error {
	i.sweep(ctx) // what was left half made when a former run ended, or whose tasks are gone
	for {
		var tick <-chan time.Time
		if len(i.ledger.all()) > 0 {
			tick = time.After(sweepInterval)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-i.wake:
		case <-tick:
			i.sweep(ctx)
		}
	}
}

// sweep ends the faults that nobody wants any more.
func (i *Injector) sweep(ctx context.Context) {
	for _, r := range i.ledger.all() {
		if i.unwanted(r) {
			i.end(ctx, r.Namespace, r.key())
		}
	}
}

// unwanted reports whether a fault has outlived its tasks, or is not whole.
func (i *Injector) unwanted(r record) bool {
	return r.Partial || !slices.ContainsFunc(i.tasks.Tasks(), func(t *task.Task) bool {
		return slices.Contains(r.Tasks, t.ARN) && !t.Known.Terminal()
	})
}

// end undoes a fault. It stays in the ledger, to be tried again, as long as it can still be seen.
func (i *Injector) end(ctx context.Context, namespace, key string) {
	ctx, cancel := context.WithTimeout(ctx, i.budget)
	defer cancel()
	unlock, err := i.locks.acquire(ctx, namespace, exclusive)
	if err != nil {
		return
	}
	defer unlock()
	r, has := i.ledger.find(key)
	if !has || !i.unwanted(r) {
		return // its start, which was under way, has ended
	}
	if i.reachable(r) {
		t := target{namespace: r.Namespace, devices: r.Devices}
		i.undo(ctx, t, r)
		if still, err := i.seen(ctx, t, r); still || err != nil {
			logger.Warn("Cannot end a network fault yet", logger.F("namespace", r.Namespace), logger.F("tasks", r.Tasks), logger.Err(err))
			return
		}
	}
	logger.Info("Network fault ended", logger.F("namespace", r.Namespace), logger.F("tasks", r.Tasks))
	if err := i.ledger.drop(r.key()); err != nil {
		logger.Error("Cannot note the end of a network fault", logger.Err(err))
	}
}

// reachable reports whether the namespace of a record is what it was. One of a task ends with the task, and its path, which
// names a process, may then lead to the namespace of another.
func (i *Injector) reachable(r record) bool {
	if r.Namespace == hostMode {
		return true
	}
	return slices.ContainsFunc(i.tasks.Tasks(), func(t *task.Task) bool {
		return slices.Contains(r.Tasks, t.ARN) && !t.Known.Terminal() && t.NetworkNamespace == r.Namespace
	})
}

// seen reports whether a fault can be seen in the kernel.
func (i *Injector) seen(ctx context.Context, t target, r record) (bool, error) {
	if r.Blackhole != nil {
		return i.blackholed(ctx, t, *r.Blackhole)
	}
	latency, loss, err := i.impaired(ctx, t)
	return latency || loss, err
}

// undo removes all that may be there of a fault.
func (i *Injector) undo(ctx context.Context, t target, r record) {
	if r.Blackhole == nil {
		for _, device := range r.Devices {
			_, _ = i.run(ctx, t.command([]string{"tc", "-force", "-batch", "-"}), batch(stopImpairment(device)))
		}
		return
	}
	for _, f := range families {
		for _, command := range r.Blackhole.stop(f) {
			_, _ = i.run(ctx, t.command(command), "")
		}
	}
}

// rollBack is undo after a failed start; the request may be over.
func (i *Injector) rollBack(ctx context.Context, t target, r record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), i.undoBudget)
	defer cancel()
	i.undo(ctx, t, r)
	if still, err := i.seen(ctx, t, r); still || err != nil {
		return // the record says that it is partial
	}
	if err := i.ledger.drop(r.key()); err != nil {
		logger.Error("Cannot note the end of a network fault", logger.Err(err))
	}
}

// blackholed runs the check. Only the packet filter's own 1 means no: a namespace that cannot be entered also gives 1.
func (i *Injector) blackholed(ctx context.Context, t target, b blackhole) (bool, error) {
	_, err := i.run(ctx, t.command(b.check()), "")
	var failed *commandError
	if errors.As(err, &failed) && failed.exit == 1 && !strings.HasPrefix(failed.stderr, "nsenter:") {
		return false, nil
	}
	return err == nil, err
}

func (i *Injector) startBlackhole(ctx context.Context, t target, b blackhole) (string, error) {
	unlock, err := i.locks.acquire(ctx, t.namespace, exclusive)
	if err != nil {
		return "", err
	}
	defer unlock()
	r := record{Namespace: t.namespace, Tasks: []string{t.task}, Blackhole: &b}
	there, err := i.blackholed(ctx, t, b)
	if err != nil {
		return "", err
	}
	if there {
		return running, i.ledger.join(r.key(), t.task)
	}
	return i.make(ctx, t, r, func() error {
		for _, f := range families {
			if err := i.all(ctx, t, b.start(f)); err != nil {
				if !f.ipv6 || t.ipv6Only || ctx.Err() != nil {
					return err
				}
				logger.Warn("Cannot make a black hole for IPv6", logger.F("taskARN", t.task), logger.Err(err))
			}
		}
		return nil
	})
}

// make makes a fault that is whole or not there at all.
func (i *Injector) make(ctx context.Context, t target, r record, start func() error) (string, error) {
	if err := i.ledger.begin(r); err != nil {
		return "", err
	}
	defer i.nudge()
	if err := start(); err != nil {
		i.rollBack(ctx, t, r)
		return "", err
	}
	return running, i.ledger.made(r.key())
}

func (i *Injector) nudge() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

func (i *Injector) stopBlackhole(ctx context.Context, t target, b blackhole) (string, error) {
	unlock, err := i.locks.acquire(ctx, t.namespace, exclusive)
	if err != nil {
		return "", err
	}
	defer unlock()
	r := record{Namespace: t.namespace, Blackhole: &b}
	there, err := i.blackholed(ctx, t, b)
	if err != nil {
		return "", err
	}
	if _, partial := i.ledger.find(r.key()); !there && !partial {
		return stopped, nil
	}
	for _, f := range families {
		err := i.each(ctx, t, b.stop(f))
		switch {
		case err == nil, !there: // what was left half made lacks some of it
		case !f.ipv6 || t.ipv6Only || ctx.Err() != nil:
			return "", err
		default:
			logger.Warn("Cannot end a black hole for IPv6", logger.F("taskARN", t.task), logger.Err(err))
		}
	}
	return stopped, i.ledger.drop(r.key())
}

func (i *Injector) statusBlackhole(ctx context.Context, t target, b blackhole) (string, error) {
	unlock, err := i.locks.acquire(ctx, t.namespace, shared)
	if err != nil {
		return "", err
	}
	defer unlock()
	there, err := i.blackholed(ctx, t, b)
	return statusOf(there), err
}

func statusOf(there bool) string {
	if there {
		return running
	}
	return notRunning
}

// all runs commands one after the other, until one fails.
func (i *Injector) all(ctx context.Context, t target, commands [][]string) error {
	for _, command := range commands {
		if _, err := i.run(ctx, t.command(command), ""); err != nil {
			return err
		}
	}
	return nil
}

// each runs all of the commands and gives the first error.
func (i *Injector) each(ctx context.Context, t target, commands [][]string) (first error) {
	for _, command := range commands {
		if _, err := i.run(ctx, t.command(command), ""); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// impaired tells of the faults on any of the target's interfaces.
func (i *Injector) impaired(ctx context.Context, t target) (latency, loss bool, err error) {
	for _, device := range t.devices {
		output, err := i.run(ctx, t.command(checkImpairment(device)), "")
		if err != nil {
			return false, false, err
		}
		late, loses, err := readCheck(output)
		if err != nil {
			return false, false, err
		}
		latency, loss = latency || late, loss || loses
	}
	return latency, loss, nil
}

func (i *Injector) startImpairment(ctx context.Context, t target, im impairment) (string, error) {
	unlock, err := i.locks.acquire(ctx, t.namespace, exclusive)
	if err != nil {
		return "", err
	}
	defer unlock()
	latency, loss, err := i.impaired(ctx, t)
	switch {
	case err != nil:
		return "", err
	case latency:
		return "", &refusal{http.StatusConflict, "There is already one network latency fault running"}
	case loss:
		return "", &refusal{http.StatusConflict, "There is already one network packet loss fault running"}
	}
	r := record{Namespace: t.namespace, Tasks: []string{t.task}, Devices: t.devices}
	return i.make(ctx, t, r, func() error {
		for _, device := range t.devices {
			if _, err := i.run(ctx, t.command([]string{"tc", "-batch", "-"}), batch(im.start(device))); err != nil {
				return err
			}
		}
		return nil
	})
}

// stopImpairment ends the fault of the given kind.
func (i *Injector) stopImpairment(ctx context.Context, t target, wantLoss bool) (string, error) {
	unlock, err := i.locks.acquire(ctx, t.namespace, exclusive)
	if err != nil {
		return "", err
	}
	defer unlock()
	latency, loss, err := i.impaired(ctx, t)
	if err != nil {
		return "", err
	}
	if there := own(latency, loss, wantLoss); !there {
		return stopped, nil
	}
	for _, device := range t.devices {
		if _, err := i.run(ctx, t.command([]string{"tc", "-batch", "-"}), batch(stopImpairment(device))); err != nil {
			return "", err
		}
	}
	return stopped, i.ledger.drop((&record{Namespace: t.namespace}).key())
}

func (i *Injector) statusImpairment(ctx context.Context, t target, wantLoss bool) (string, error) {
	unlock, err := i.locks.acquire(ctx, t.namespace, shared)
	if err != nil {
		return "", err
	}
	defer unlock()
	latency, loss, err := i.impaired(ctx, t)
	return statusOf(own(latency, loss, wantLoss)), err
}

func own(latency, loss, wantLoss bool) bool {
	if wantLoss {
		return loss
	}
	return latency
}

func batch(lines []string) string { return strings.Join(lines, "\n") + "\n" }

package stats

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats/serviceconnect"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// grace is how long after its start a container may lack some samples.
const grace = 30 * time.Second

// Metrics is what there is to report about all tasks. The JSON forms here are those of the telemetry service.
type Metrics struct {
	// Idle is set when nothing is measured.
	Idle  bool
	Tasks []TaskMetrics
}

// TaskMetrics are the metrics of a task.
type TaskMetrics struct {
	ARN      string
	Family   string
	Revision string

	Containers []ContainerMetrics
	Volumes    []VolumeMetrics
	// ServiceConnect is not empty at most every third time.
	ServiceConnect []serviceconnect.Wrapper
}

// ContainerMetrics are the metrics of a container.
type ContainerMetrics struct {
	Name    string       `json:"containerName"`
	CPU     *Set         `json:"cpuStatsSet,omitempty"`    // percent of the host
	Memory  *Set         `json:"memoryStatsSet,omitempty"` // MiB
	Network *NetworkSets `json:"networkStatsSet,omitempty"`
	Storage *StorageSets `json:"storageStatsSet,omitempty"`
	Restart *RestartSet  `json:"restartStatsSet,omitempty"`
}

// VolumeUsage is how full an EBS volume is.
type VolumeUsage struct {
	ID, Name   string
	Used, Size int64 // bytes
}

// VolumeMetrics is the usage of a volume as sets of one sample.
type VolumeMetrics struct {
	ID       string `json:"volumeId"`
	Name     string `json:"volumeName"`
	Utilized Set    `json:"utilized"`
	Size     Set    `json:"size"`
}

// ErrNoMetrics says that something is measured, but there is nothing to report yet.
var ErrNoMetrics = errors.New("stats engine: no task metrics to report")

// Metrics gives what was not given before. With withServiceConnect it asks the Service Connect proxies first, for at most
// a few seconds. It is for one caller at a time.
func (c *Collector) Metrics(ctx context.Context, withServiceConnect bool) (Metrics, error) {
	tasks := c.tasks.Tasks()
	meshed := map[string]bool{}
	for _, t := range tasks {
		if _, ok := meshOf(t); ok && belongs(t) {
			meshed[t.ARN] = true
		}
	}
	c.connect.keep(meshed)
	if withServiceConnect {
		c.connect.ask(ctx, tasks, meshed)
	}

	m := Metrics{Idle: len(meshed) == 0 && !c.measures(tasks)}
	if m.Idle {
		return m, nil
	}
	reports := map[string]*task.Task{}
	var given []mark
	for _, t := range tasks {
		report := TaskMetrics{ARN: t.ARN, Family: t.Family, Revision: t.Revision}
		var marks []mark
		report.Containers, marks = c.containerMetrics(t)
		given = append(given, marks...)
		if withServiceConnect && meshed[t.ARN] {
			report.ServiceConnect = c.connect.take(t.ARN)
		}
		if len(report.Containers) > 0 || withServiceConnect && meshed[t.ARN] {
			m.Tasks = append(m.Tasks, report)
			reports[t.ARN] = t
		}
	}
	if len(m.Tasks) == 0 {
		return m, ErrNoMetrics
	}
	for _, mark := range given {
		mark.send()
	}
	c.volumeMetrics(ctx, m.Tasks, reports)
	return m, nil
}

// measures reports whether any container is measured, or is about to be.
func (c *Collector) measures(tasks []*task.Task) bool {
	return !c.disabled && slices.ContainsFunc(tasks, func(t *task.Task) bool {
		return belongs(t) && slices.ContainsFunc(t.Containers, running)
	})
}

// mark remembers what a queue held when it was read.
type mark struct {
	mu    *sync.Mutex
	queue *queue
	added int
}

// send marks what was read as sent.
func (m mark) send() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue.markSent(m.added)
}

// containerMetrics builds the metrics of a task's containers, and marks for all their queues.
func (c *Collector) containerMetrics(t *task.Task) (metrics []ContainerMetrics, marks []mark) {
	c.mu.RLock()
	g := c.groups[t.ARN]
	var containers []*tracked
	var network *taskNetwork
	if g != nil {
		containers, network = g.containers, g.network
	}
	c.mu.RUnlock()

	awsvpc := t.NetworkMode == "awsvpc"
	if awsvpc && network == nil && len(containers) > 0 {
		logger.Error("Error collecting cloudwatch metrics for task: stats engine: task not found in the network statistics", logger.F("taskARN", t.ARN))
	}
	var shared networkReading
	if network != nil {
		network.mu.Lock()
		shared.sets, shared.err = network.queue.networkSets()
		marks = append(marks, mark{&network.mu, network.queue, network.queue.added})
		network.mu.Unlock()
	}
	for _, x := range containers {
		m, added, ok := x.metrics(shared)
		marks = append(marks, mark{&x.mu, x.queue, added})
		if ok && !(awsvpc && network == nil) {
			metrics = append(metrics, m)
		}
	}
	return metrics, marks
}

type networkReading struct {
	sets *NetworkSets
	err  error
}

// metrics builds the metrics of a container; ok is false when CPU or memory are missing.
func (t *tracked) metrics(shared networkReading) (m ContainerMetrics, added int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, q := t.container, t.queue
	m.Name = c.Name
	started := c.StartedAt
	if started.IsZero() {
		started = t.since
	}
	late := time.Since(started) > grace
	fields := []logger.Field{logger.F("taskARN", t.task.ARN), logger.F("containerName", c.Name)}

	var cpuErr, memoryErr error
	m.CPU, cpuErr = q.cpuSet()
	m.Memory, memoryErr = q.memorySet()
	if err := errors.Join(cpuErr, memoryErr); err != nil {
		if late {
			logger.Error("Error collecting cloudwatch metrics for container", append(fields, logger.Err(err))...)
		}
		return m, q.added, false
	}
	var err error
	if m.Storage, err = q.storageSets(); err != nil && late {
		logger.Warn("Error collecting storage metrics for container", append(fields, logger.Err(err))...)
		m.Storage = nil
	}
	if n, reported := t.network(shared); reported {
		if m.Network = n.sets; n.err != nil && late {
			logger.Warn("Error collecting network metrics for container", append(fields, logger.Err(n.err))...)
			m.Network = nil
		}
	}
	if restartable(c) {
		if m.Restart, err = q.restartSet(); err != nil && late {
			logger.Warn("Error collecting restart metrics for container", append(fields, logger.Err(err))...)
		}
	}
	return m, q.added, true
}

// network chooses the network that counts for a container; reported is false when none does.
func (t *tracked) network(shared networkReading) (n networkReading, reported bool) {
	pause := t.container.Type == task.CNIPause
	switch t.task.NetworkMode {
	case "awsvpc":
		return shared, !pause
	case "", "bridge":
		if pause {
			return n, false // a pause container of Service Connect: the containers in its namespace report the same
		}
		n.sets, n.err = t.queue.networkSets()
		return n, true
	}
	return n, false
}

// volumeMetrics adds the usage of EBS volumes to the tasks, asking for all at once.
func (c *Collector) volumeMetrics(ctx context.Context, tasks []TaskMetrics, snapshots map[string]*task.Task) {
	if c.Volumes == nil {
		return
	}
	var all sync.WaitGroup
	for i := range tasks {
		all.Go(func() {
			for _, u := range c.Volumes.VolumeUsage(ctx, snapshots[tasks[i].ARN]) {
				tasks[i].Volumes = append(tasks[i].Volumes, VolumeMetrics{ID: u.ID, Name: u.Name, Utilized: single(u.Used), Size: single(u.Size)})
			}
		})
	}
	all.Wait()
}

// single is a set of one sample.
func single(bytes int64) Set {
	v := float64(bytes)
	return Set{Min: v, Max: v, Sum: v, SampleCount: 1}
}

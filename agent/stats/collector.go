// Package stats measures containers: it samples every running container of the agent's tasks, keeps the newest samples,
// makes statistics sets of them for CloudWatch, and shows the newest to task metadata.
//
//	kernel (cgroup, proc) ─┐ every second            ┌─► Metrics: sets of what was not sent yet
//	                       ├─► tracked container ────┤
//	Docker's stats API ────┘   queue of samples      └─► ContainerStats: the newest sample as JSON
//
// What runs is taken from the engine's snapshots at each beat, so that no event can be missed or come in the wrong order.
package stats

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats/cgroup"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const (
	// beat is the time between two looks at what runs, and between two samples unless polling.
	beat = time.Second
	// publishInterval is how often metrics are sent; queues hold four times as many samples.
	publishInterval = 20 * time.Second
	// defaultInterval is ECS_POLLING_METRICS_WAIT_DURATION when it is not usable.
	defaultInterval = 10 * time.Second
	queueSize       = 80
)

// Tasks are the tasks of the agent, as immutable snapshots.
type Tasks interface {
	Tasks() []*task.Task
}

// Docker is Docker's statistics API. The objects are JSON, valid only during the call.
type Docker interface {
	StreamStats(ctx context.Context, id string, deliver func(object []byte) error) error
	Stats(ctx context.Context, id string) ([]byte, error)
}

// RestartKeeper keeps the JSON of a container's RestartAggregationDataForStats. It must not block.
type RestartKeeper interface {
	KeepRestartStats(taskARN, containerName string, data []byte)
}

// Volumes measures the EBS volumes of a task; a volume that cannot be measured is logged and left out.
type Volumes interface {
	VolumeUsage(ctx context.Context, t *task.Task) []VolumeUsage
}

// source takes samples of containers and delivers them. It is used by one goroutine.
type source interface {
	// follow begins with a container.
	follow(*tracked)
	// forget ends with it; no sample is delivered any more.
	forget(*tracked)
	// beat is called every second. It returns the containers that this source turned out not to see.
	beat(now time.Time) (unseen []*tracked)
	// close ends with all.
	close()
}

// Collector samples containers. Make one with New and call Run once; the other methods may be called at any time.
type Collector struct {
	// Restarts keeps what carries counters over restarts; nil when nothing does. Set before Run.
	Restarts RestartKeeper
	// Volumes is nil when tasks have no EBS volumes. Set before Run.
	Volumes Volumes

	tasks    Tasks
	docker   Docker
	disabled bool
	// interval between samples: a beat, or longer when polling.
	interval        time.Duration
	polling         bool
	networkInterval time.Duration
	choice          config.StatsSource
	cgroupPath      string
	procs           []string // mount points of proc, the host's first
	platform        platform
	wake            chan struct{}
	connect         meshes

	mu         sync.RWMutex
	containers map[string]*tracked // by Docker id
	groups     map[string]*group   // by task ARN
}

// New gives a collector for the tasks.
func New(cfg *config.Config, tasks Tasks, docker Docker) *Collector {
	_, err := os.Stat(filepath.Join(cfg.CgroupPath, "cgroup.controllers"))
	c := &Collector{
		tasks: tasks, docker: docker, disabled: cfg.DisableMetrics, interval: beat, polling: cfg.PollMetrics,
		networkInterval: cfg.PollingMetricsWaitDuration, choice: cfg.StatsSource, cgroupPath: cfg.CgroupPath,
		procs: []string{"/host/proc", "/proc"}, platform: thisPlatform(err == nil), wake: make(chan struct{}, 1),
		containers: map[string]*tracked{}, groups: map[string]*group{},
	}
	if c.networkInterval <= 0 {
		c.networkInterval = defaultInterval
	}
	if c.polling {
		c.interval = c.networkInterval
	}
	return c
}

// queueLength is how many samples of a container are kept.
func (c *Collector) queueLength() int {
	if !c.polling {
		return queueSize
	}
	return int(publishInterval.Seconds() / c.interval.Seconds() * 4)
}

// Run samples until ctx ends. It returns nil.
func (c *Collector) Run(ctx context.Context) error {
	if c.disabled {
		logger.Info("Metrics are disabled; no container statistics are collected")
		return nil
	}
	sources := c.sources(ctx)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		c.observe(sources)
		now := time.Now()
		sources.beat(now)
		c.sampleNetworks(now)
		select {
		case <-ticker.C:
		case <-c.wake:
		case <-ctx.Done():
			c.end(sources)
			return nil
		}
	}
}

// sources chooses where samples come from.
func (c *Collector) sources(ctx context.Context) *choice {
	if c.choice == config.StatsSourceDocker || runtime.GOOS == "windows" {
		logger.Info("Container statistics come from Docker")
		return &choice{second: newDockerSource(ctx, c)}
	}
	host, err := cgroup.Open(c.cgroupPath, c.procs...)
	switch {
	case err == nil:
		logger.Info("Container statistics come from the kernel", logger.F("cgroup", c.cgroupPath), logger.F("version", host.Version()))
		chosen := &choice{first: newCgroupSource(host, c)}
		if c.choice == config.StatsSourceAuto {
			chosen.second = newDockerSource(ctx, c)
		}
		return chosen
	case c.choice == config.StatsSourceCgroup:
		logger.Error("There will be no container statistics: ECS_STATS_SOURCE is cgroup, but there are no cgroups at ECS_CGROUP_PATH; mount them or unset ECS_STATS_SOURCE",
			logger.F("cgroup", c.cgroupPath), logger.Err(err))
		return &choice{}
	default:
		logger.Info("Container statistics come from Docker, because the host's cgroups are not visible to the agent", logger.F("cgroup", c.cgroupPath), logger.Err(err))
		return &choice{second: newDockerSource(ctx, c)}
	}
}

// choice is one source, or two of which the second takes what the first does not see. Without any there are no samples.
type choice struct {
	first, second source
}

func (s *choice) follow(t *tracked) {
	switch {
	case s.first != nil:
		t.source = s.first
	case s.second != nil:
		t.source = s.second
	default:
		return
	}
	t.source.follow(t)
}

func (s *choice) forget(t *tracked) {
	if t.source != nil {
		t.source.forget(t)
	}
}

func (s *choice) beat(now time.Time) {
	if s.second != nil {
		s.second.beat(now)
	}
	if s.first == nil {
		return
	}
	for _, t := range s.first.beat(now) {
		s.first.forget(t)
		if t.source = s.second; s.second != nil {
			s.second.follow(t)
		}
	}
}

func (s *choice) close() {
	for _, source := range []source{s.first, s.second} {
		if source != nil {
			source.close()
		}
	}
}

// end lets go of everything.
func (c *Collector) end(sources *choice) {
	c.mu.Lock()
	for _, g := range c.groups {
		c.drop(g, sources)
	}
	c.mu.Unlock()
	sources.close()
}

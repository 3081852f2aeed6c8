package stats

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats/cgroup"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/stats/proc"
)

const (
	// patience is how many beats in a row a running container may yield nothing before Docker is asked instead: its
	// process is not known right after the start, and there is none while it is being restarted.
	patience = 5
	// firstPause is the part of the polling interval of which up to all is waited between the first and the second
	// sample: containers do not keep step, and the first metrics have two samples.
	firstPause = 0.8
	// interest is for how long after a request for a container's statistics another one is expected.
	interest = time.Minute
)

// kernelView is what the cgroup source knows about a container.
type kernelView struct {
	container *cgroup.Container // nil when it has to be opened
	pid       int               // of the process it was opened by
	misses    int
	samples   int
	due       time.Time
	spare     *dockerstats.Object
}

// cgroupSource samples containers by the kernel's counters, all in the collector's goroutine.
type cgroupSource struct {
	host      *cgroup.Host
	collector *Collector
	followed  map[*tracked]struct{}
	only      bool // there is no other source: never give up
	// worked is set once a container could be read; blind when one could not be before that.
	worked, blind bool
}

func newCgroupSource(host *cgroup.Host, c *Collector) *cgroupSource {
	return &cgroupSource{host: host, collector: c, followed: map[*tracked]struct{}{}, only: c.choice == config.StatsSourceCgroup}
}

func (s *cgroupSource) follow(t *tracked) {
	t.kernel = kernelView{spare: &dockerstats.Object{}}
	s.followed[t] = struct{}{}
}

func (s *cgroupSource) forget(t *tracked) {
	t.kernel.close()
	delete(s.followed, t)
}

func (s *cgroupSource) close() { s.host.Close() }

func (v *kernelView) close() {
	if v.container != nil {
		v.container.Close()
		v.container = nil
	}
}

func (s *cgroupSource) beat(now time.Time) (unseen []*tracked) {
	refreshed := false
	for t := range s.followed {
		if now.Before(t.kernel.due) {
			continue
		}
		if !refreshed {
			if err := s.host.Refresh(); err != nil {
				logger.Warn("Cannot read the CPU time of the host", logger.Err(err))
			}
			refreshed = true
		}
		if err := s.sample(t, now); err != nil && s.hopeless(t, err) {
			unseen = append(unseen, t)
		}
	}
	return unseen
}

// hopeless reports whether a container that could not be read is to be left to the other source.
func (s *cgroupSource) hopeless(t *tracked, err error) bool {
	t.kernel.misses++
	limit := patience
	if s.blind && !s.worked {
		limit = 1
	}
	if errors.Is(err, cgroup.ErrNotVisible) || errors.Is(err, proc.ErrOther) && !s.worked {
		t.kernel.misses = max(t.kernel.misses, limit)
	}
	if t.kernel.misses < limit {
		return false
	}
	s.blind = true
	if s.only {
		if t.kernel.misses == limit {
			logger.Warn("Cannot read the container's cgroup; it has no statistics (ECS_STATS_SOURCE=auto would ask Docker)", logger.F("runtimeID", t.id), logger.Err(err))
		}
		return false
	}
	logger.Info("Cannot read the container's cgroup; asking Docker for its statistics", logger.F("runtimeID", t.id), logger.Err(err))
	return true
}

var errNoProcess = errors.New("its process is not known yet")

// sample takes a sample of one container.
func (s *cgroupSource) sample(t *tracked, now time.Time) error {
	v := &t.kernel
	tk, c := t.snapshot()
	if v.pid != c.PID {
		v.close()
		v.pid = c.PID
	}
	if v.container == nil {
		if v.pid == 0 {
			return errNoProcess
		}
		opened, err := s.host.Container(t.id, v.pid)
		if err != nil {
			return err
		}
		v.container = opened
	}
	o := v.spare
	if err := v.container.Read(o, hasInterfaces(tk, c), now.UnixNano()-t.asked.Load() < int64(interest)); err != nil {
		v.close()
		return err
	}
	o.ID = t.id
	if o.Name == "" || o.Name[1:] != c.RuntimeName {
		o.Name = "/" + c.RuntimeName
	}
	spare, err := t.add(o, false)
	v.spare = spare
	if err != nil {
		return err
	}
	v.misses, s.worked = 0, true
	v.samples++
	if s.collector.polling {
		v.due = now.Add(s.collector.pause(v.samples))
	}
	return nil
}

// pause is the time to the next sample when polling; taken is how many there were.
func (c *Collector) pause(taken int) time.Duration {
	if taken == 1 {
		return time.Duration(firstPause * rand.Float64() * float64(c.interval))
	}
	return c.interval
}

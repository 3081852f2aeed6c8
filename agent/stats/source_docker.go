package stats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
)

const (
	retryFirst  = time.Second
	retryMax    = 10 * time.Second
	retryJitter = 0.5 // of the wait, added
)

// errEnded says that Docker ended a stream before it brought anything; then it is opened again after a wait.
var errEnded = errors.New("the stream ended without a sample")

// dockerSource samples containers by Docker's statistics API, each in a goroutine of its own.
type dockerSource struct {
	ctx       context.Context // of the collector
	collector *Collector
	running   sync.WaitGroup
	cancel    map[*tracked]context.CancelFunc
}

func newDockerSource(ctx context.Context, c *Collector) *dockerSource {
	return &dockerSource{ctx: ctx, collector: c, cancel: map[*tracked]context.CancelFunc{}}
}

func (s *dockerSource) follow(t *tracked) {
	ctx, cancel := context.WithCancel(s.ctx)
	s.cancel[t] = cancel
	s.running.Go(func() { s.sample(ctx, t) })
}

func (s *dockerSource) forget(t *tracked) {
	s.cancel[t]()
	delete(s.cancel, t)
}

func (s *dockerSource) beat(time.Time) []*tracked { return nil }

func (s *dockerSource) close() {
	for t := range s.cancel {
		s.forget(t)
	}
	s.running.Wait()
}

// sample takes samples of one container until ctx ends.
func (s *dockerSource) sample(ctx context.Context, t *tracked) {
	defer logger.Info("Stopping container stats collection", logger.F("runtimeID", t.id))
	delay := retryFirst
	for {
		samples := 0
		deliver := func(object []byte) error {
			o := &dockerstats.Object{}
			if err := json.Unmarshal(object, o); err != nil {
				return fmt.Errorf("DockerGoClient: Unable to decode stats for container %s: %w", t.id, err)
			}
			_, err := t.add(o, true)
			if err == nil {
				samples++
			}
			return err
		}
		var err error
		if s.collector.polling {
			err = s.poll(ctx, t.id, deliver)
		} else {
			err = s.collector.docker.StreamStats(ctx, t.id, deliver)
		}
		if ctx.Err() != nil {
			return
		}
		if samples > 0 {
			delay = retryFirst
		}
		if err == nil && samples > 0 {
			if !wait(ctx, retryFirst) {
				return
			}
			continue
		}
		if err == nil {
			err = errEnded
		}
		logger.Warn(fmt.Sprintf("Error encountered processing metrics stream from docker, this may affect cloudwatch metric accuracy: %s", err), logger.F("runtimeID", t.id))
		if !wait(ctx, delay+time.Duration(rand.Float64()*retryJitter*float64(delay))) {
			return
		}
		delay = min(2*delay, retryMax)
	}
}

// poll asks for single samples until one fails.
func (s *dockerSource) poll(ctx context.Context, id string, deliver func([]byte) error) error {
	for taken := 1; ; taken++ {
		begun := time.Now()
		object, err := s.collector.docker.Stats(ctx, id)
		if err == nil {
			err = deliver(object)
		}
		if err != nil {
			return err
		}
		if !wait(ctx, s.collector.pause(taken)-time.Since(begun)) {
			return ctx.Err()
		}
	}
}

// wait waits for d and reports whether ctx is still going on.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

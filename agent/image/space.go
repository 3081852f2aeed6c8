package image

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/flight"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Disk tells the size of the file system of Docker's data and how much of it is free, in bytes.
type Disk func() (size, free uint64, err error)

// Tasks is what making room needs of the engine.
type Tasks interface {
	Tasks() []*task.Task
	// CleanUp removes what a stopped task left and returns when it is gone.
	CleanUp(ctx context.Context, arn string) error
}

const (
	// roomLimit bounds one attempt to make room; a pull does not wait longer for it.
	roomLimit = 10 * time.Minute
	// endLimit bounds the wait for one stopped task's containers.
	endLimit = time.Minute
	// fullLogInterval thins out the message that the disk stays too full.
	fullLogInterval = 10 * time.Minute
)

// space keeps room on the disk (ECS_IMAGE_CLEANUP_FREE_SPACE_THRESHOLD).
type space struct {
	cleaner *Cleaner
	want    config.FreeSpace
	disk    Disk
	tasks   Tasks
	calls   flight.Group[struct{}] // many pulls wait for one attempt

	mu     sync.Mutex // one attempt at a time
	warned time.Time
}

// KeepFree makes every cycle, and every pull before it begins, look whether there is less room than wanted; unused images
// and then the containers of stopped tasks go until there is enough. It does nothing when nothing is wanted or the
// configuration forbids to remove images. Call it before Run and before the first pull.
func (c *Cleaner) KeepFree(want config.FreeSpace, disk Disk, tasks Tasks) {
	if want == (config.FreeSpace{}) || c.disabled {
		return
	}
	if _, _, err := disk(); errors.Is(err, errors.ErrUnsupported) {
		logger.Warn("ECS_IMAGE_CLEANUP_FREE_SPACE_THRESHOLD has no effect on this system")
		return
	}
	c.space = &space{cleaner: c, want: want, disk: disk, tasks: tasks}
	c.puller.makeRoom = c.space.ensure
}

// ensure makes room if there is too little. It returns when there is enough, nothing more can go, or ctx ends.
func (s *space) ensure(ctx context.Context) {
	if s.enough() {
		return
	}
	_, _ = s.calls.Do(ctx, "", func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, roomLimit)
		defer cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.make(ctx)
		return struct{}{}, nil
	})
}

// enough is also true when the disk cannot be asked.
func (s *space) enough() bool {
	free, want, err := s.measure()
	if err != nil {
		logger.Error("Cannot tell how much room is left for images", logger.Err(err))
		return true
	}
	return free >= want
}

func (s *space) measure() (free, want uint64, err error) {
	size, free, err := s.disk()
	return free, s.want.Of(size), err
}

func (s *space) make(ctx context.Context) {
	s.cleaner.noteUse()
	tried := map[string]bool{}
	for !s.enough() {
		switch {
		case ctx.Err() != nil:
			return
		case s.removeImage(ctx, tried), s.removeTask(ctx, tried):
		default:
			s.full()
			return
		}
	}
}

// removeImage tries to remove the image that was unused the longest, whatever its age; false when there is none.
func (s *space) removeImage(ctx context.Context, tried map[string]bool) bool {
	record, ok := s.cleaner.next(tried, 0)
	if ok {
		tried[record.Image.ImageID] = true
		s.cleaner.delete(ctx, record)
	}
	return ok
}

// removeTask removes the containers of the task that stopped first. Its images may be unused afterwards.
func (s *space) removeTask(ctx context.Context, tried map[string]bool) bool {
	var first *task.Task
	for _, t := range s.tasks.Tasks() {
		if over(t) && !tried[t.ARN] && (first == nil || t.KnownTime.Before(first.KnownTime)) {
			first = t
		}
	}
	if first == nil {
		return false
	}
	tried[first.ARN] = true
	ctx, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	logger.Info("Removing the containers of a stopped task to make room", logger.F("taskARN", first.ARN))
	if err := s.tasks.CleanUp(ctx, first.ARN); err != nil {
		logger.Warn("The containers of a stopped task are not gone yet", logger.F("taskARN", first.ARN), logger.Err(err))
	}
	return true
}

// over reports whether the task has stopped, ECS knows, and nothing of it is under way.
func over(t *task.Task) bool {
	return t.Known.Terminal() && t.Sent.Terminal() && !slices.ContainsFunc(t.Containers, func(c *task.Container) bool {
		return c.Engine.Step != task.StepNone
	})
}

func (s *space) full() {
	now := time.Now()
	if now.Sub(s.warned) < fullLogInterval {
		return
	}
	s.warned = now
	free, want, _ := s.measure()
	logger.Warn("There is too little room for images and nothing left to remove; enlarge the disk or lower ECS_IMAGE_CLEANUP_FREE_SPACE_THRESHOLD",
		logger.F("freeBytes", free), logger.F("wantedBytes", want))
}

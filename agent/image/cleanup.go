package image

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// agentImage is never removed, like the pause image: neither could be pulled again. Preloaded images of other features are
// added with Exclude.
const agentImage = "amazon/amazon-ecs-agent:latest"

// Host is what the cleanup needs of the Docker engine.
type Host interface {
	ListImages(ctx context.Context) ([]docker.Image, error)
	RemoveImage(ctx context.Context, nameOrID string) error
	ListAll(ctx context.Context) ([]task.ContainerState, error)
	Inspect(ctx context.Context, idOrName string) (*task.ContainerState, error)
	Remove(ctx context.Context, idOrName string) error
}

// InUse tells the images of all containers that the agent knows: ids as far as they are known, and names as the tasks
// spell them. It is asked often and must see a task from the moment it is accepted. See UsedBy.
type InUse func() (ids, names []string)

// UsedBy lists the images of tasks, for InUse.
func UsedBy(tasks []*task.Task) (ids, names []string) {
	for _, t := range tasks {
		for _, c := range t.Containers {
			if c.ImageID != "" {
				ids = append(ids, c.ImageID)
			}
			names = append(names, c.Image)
		}
	}
	return ids, names
}

// Cleaner removes images that no task uses any more and, where the configuration wants it, containers and images that
// were never the agent's.
type Cleaner struct {
	puller *Puller
	host   Host
	inUse  InUse

	disabled                bool   // nothing is ever removed
	off                     string // why images are not removed by age and number; empty: they are
	space                   *space // nil: the disk may fill up
	interval                time.Duration
	minimumAge              time.Duration
	quota                   int // images per cycle
	untracked               bool
	untrackedAge            time.Duration
	untrackedContainers     int // containers per cycle
	untrackedContainersFrom time.Duration

	mu       sync.Mutex
	excluded map[string]bool
}

// NewCleaner gives a Cleaner for the images that p pulled.
func NewCleaner(cfg *config.Config, p *Puller, host Host, inUse InUse) *Cleaner {
	c := &Cleaner{
		puller: p, host: host, inUse: inUse,
		interval: cfg.ImageCleanupInterval, minimumAge: cfg.MinimumImageDeletionAge, quota: cfg.NumImagesToDeletePerCycle,
		untracked: cfg.DeleteNonECSImagesEnabled, untrackedAge: cfg.NonECSMinimumImageDeletionAge,
		untrackedContainers: cfg.NumNonECSContainersToDeletePerCycle, untrackedContainersFrom: cfg.TaskCleanupWaitDuration,
		excluded: map[string]bool{},
	}
	switch {
	case cfg.ImageCleanupDisabled:
		c.disabled = true
		c.off = "Image cleanup is disabled"
	case cfg.ImagePullBehavior == config.ImagePullPreferCached:
		c.off = "Pull behavior is set to always use cache. Disabling cleanup"
	}
	c.Exclude(cfg.ImageCleanupExclusionList...)
	c.Exclude(task.PauseImage, cfg.PauseContainerImageName+":"+cfg.PauseContainerTag, agentImage)
	return c
}

// Exclude keeps images of these names ("name:tag", exactly) from being removed.
func (c *Cleaner) Exclude(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		if !c.excluded[name] {
			c.excluded[name] = true
			logger.Debug("Image excluded from cleanup", logger.F("image", name))
		}
	}
}

func (c *Cleaner) excludes(names []string) bool {
	if c.puller.keeps(names) {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(names, func(name string) bool { return c.excluded[name] })
}

// Run cleans up once per interval, the first time after one interval, until the context ends. It returns at once when
// the configuration leaves nothing to do.
func (c *Cleaner) Run(ctx context.Context) error {
	if c.off != "" {
		logger.Info(c.off)
		if c.space == nil {
			return nil
		}
	}
	tick := time.NewTicker(c.interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.cycle(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *Cleaner) cycle(ctx context.Context) {
	if c.off == "" {
		deleted := c.cleanTracked(ctx)
		if c.untracked && ctx.Err() == nil {
			c.cleanContainers(ctx)
			c.cleanUntracked(ctx, c.quota-deleted)
		}
	}
	if c.space != nil && ctx.Err() == nil {
		c.space.ensure(ctx)
	}
}

// usage is one answer of InUse, for looking up.
type usage struct{ ids, names map[string]bool }

func (c *Cleaner) usage() usage { return usageOf(c.inUse()) }

func usageOf(ids, names []string) usage {
	u := usage{ids: make(map[string]bool, len(ids)), names: make(map[string]bool, len(names))}
	for _, id := range ids {
		u.ids[id] = true
	}
	for _, name := range names {
		u.names[normal(name)] = true
	}
	return u
}

func (u usage) has(id string, names []string) bool {
	return u.ids[id] || slices.ContainsFunc(names, func(name string) bool { return u.names[normal(name)] })
}

// noteUse brings the times of last use up to date.
func (c *Cleaner) noteUse() {
	c.puller.records.inUse(c.usage(), time.Now())
}

// cleanTracked removes the recorded images that were unused the longest, and counts them.
func (c *Cleaner) cleanTracked(ctx context.Context) (deleted int) {
	c.noteUse()
	tried := map[string]bool{}
	for range c.quota {
		record, ok := c.next(tried, c.minimumAge)
		if !ok {
			logger.Debug("End of eligible images for deletion")
			return deleted
		}
		tried[record.Image.ImageID] = true
		if c.delete(ctx, record) {
			deleted++
		}
		if ctx.Err() != nil {
			return deleted
		}
	}
	return deleted
}

// next picks the image that was unused the longest among those recorded more than age ago.
func (c *Cleaner) next(tried map[string]bool, age time.Duration) (Record, bool) {
	used, now := c.usage(), time.Now()
	candidates := slices.DeleteFunc(c.puller.records.all(), func(r Record) bool {
		return tried[r.Image.ImageID] || now.Sub(r.PulledAt) <= age ||
			used.has(r.Image.ImageID, r.Image.Names) || c.excludes(r.Image.Names)
	})
	if len(candidates) == 0 {
		return Record{}, false
	}
	return slices.MinFunc(candidates, func(a, b Record) int {
		return cmp.Or(a.LastUsedAt.Compare(b.LastUsedAt), a.PulledAt.Compare(b.PulledAt), cmp.Compare(a.Image.ImageID, b.Image.ImageID))
	}), true
}

// delete removes all names of an image, and with the last one the image. What a task began to use meanwhile stays.
func (c *Cleaner) delete(ctx context.Context, record Record) bool {
	id, names := record.Image.ImageID, record.Image.Names
	open, ok := c.puller.gate.close(names...)
	if !ok {
		return false
	}
	defer open()
	if c.usage().has(id, names) {
		return false
	}
	defer c.puller.local.forget()
	if len(names) == 0 { // another image has the names now
		return c.remove(ctx, id) && c.puller.records.deleted(id)
	}
	gone := false
	for _, name := range names {
		if c.remove(ctx, name) {
			gone = c.puller.records.deleted(id, name)
		}
	}
	return gone
}

// remove removes an image or a name of one; false when it is still there.
func (c *Cleaner) remove(ctx context.Context, nameOrID string) bool {
	err := c.host.RemoveImage(ctx, nameOrID)
	if err != nil && !docker.IsNotFound(err) && !strings.Contains(strings.ToLower(err.Error()), "no such image") {
		logger.Warn("Cannot remove image", logger.F("image", nameOrID), logger.Err(err))
		return false
	}
	logger.Info("Image removed", logger.F("image", nameOrID))
	return true
}

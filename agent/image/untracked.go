package image

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// cleanContainers removes containers that were never the agent's and ended long ago.
func (c *Cleaner) cleanContainers(ctx context.Context) {
	all, err := c.host.ListAll(ctx)
	if err != nil {
		logger.Error("Cannot list containers for cleanup", logger.Err(err))
		return
	}
	removed := 0
	for _, listed := range all {
		if removed >= c.untrackedContainers || ctx.Err() != nil {
			return
		}
		// The label also covers containers whose creation is under way.
		if listed.Labels[task.LabelTaskARN] != "" || listed.Status == task.ContainerRunning {
			continue
		}
		state, err := c.host.Inspect(ctx, listed.RuntimeID)
		if err != nil {
			logger.Error("Cannot inspect container for cleanup", logger.F("runtimeID", listed.RuntimeID), logger.Err(err))
			continue
		}
		if !c.endedLongAgo(state, time.Now()) {
			continue
		}
		if err := c.host.Remove(ctx, listed.RuntimeID); err != nil {
			logger.Error("Cannot remove container in cleanup", logger.F("runtimeID", listed.RuntimeID), logger.Err(err))
			continue
		}
		logger.Info("Container removed", logger.F("runtimeID", listed.RuntimeID), logger.F("runtimeName", state.Name))
		removed++
	}
}

// endedLongAgo counts from the end, or from the creation of a container that never ran.
func (c *Cleaner) endedLongAgo(s *task.ContainerState, now time.Time) bool {
	since := s.FinishedAt
	if since.IsZero() {
		since = s.CreatedAt
	}
	return s.Status != task.ContainerRunning && !since.IsZero() && now.Sub(since) > c.untrackedContainersFrom
}

// cleanUntracked removes at most quota images (or names of images) that have no record, the smallest first.
func (c *Cleaner) cleanUntracked(ctx context.Context, quota int) {
	if quota <= 0 {
		return
	}
	images, err := c.host.ListImages(ctx)
	if err != nil {
		logger.Error("Cannot list images for cleanup", logger.Err(err))
		return
	}
	slices.SortFunc(images, func(a, b docker.Image) int { return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.ID, b.ID)) })
	for _, image := range images {
		if quota <= 0 || ctx.Err() != nil {
			return
		}
		quota -= c.deleteUntracked(ctx, image)
	}
}

// deleteUntracked gives the number of things removed.
func (c *Cleaner) deleteUntracked(ctx context.Context, image docker.Image) (removed int) {
	// An image whose age is unknown counts as old.
	if c.excludes(image.Tags) || time.Since(image.Created) <= c.untrackedAge {
		return 0
	}
	open, ok := c.puller.gate.close(slices.Concat(image.Tags, image.RepoDigests)...)
	if !ok {
		return 0
	}
	defer open()
	if c.puller.records.has(image.ID) || c.usage().has(image.ID, image.Tags) {
		return 0
	}
	defer c.puller.local.forget()
	targets := image.Tags
	if len(targets) <= 1 {
		targets = []string{image.ID}
	}
	for _, target := range targets {
		if c.remove(ctx, target) {
			removed++
		}
	}
	return removed
}

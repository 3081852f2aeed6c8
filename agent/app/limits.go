package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/resource/cgroup"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// findCgroups finds out how cgroups are made on this host.
func (a *agent) findCgroups(ctx context.Context) *cgroup.Tree {
	tree := &cgroup.Tree{Mount: a.cfg.CgroupPath, Unified: unifiedCgroups(a.cfg.CgroupPath)}
	_, err := os.Stat("/.dockerenv")
	tree.Contained = err == nil
	info, err := a.docker.Info(ctx)
	switch {
	case err != nil:
		tree.Systemd = tree.Unified
		logger.Warn("Cannot ask Docker for its cgroup driver; taking the usual one", logger.F("systemd", tree.Systemd), logger.Err(err))
	default:
		tree.Systemd = info.CgroupDriver == "systemd"
	}
	return tree
}

// unifiedCgroups reports whether the host uses cgroup v2.
func unifiedCgroups(mount string) bool {
	_, err := os.Stat(filepath.Join(mount, "cgroup.controllers"))
	return err == nil
}

// newLimits gives the craft of cgroups.
func (a *agent) newLimits() *cgroup.Craft {
	return &cgroup.Craft{Tree: a.cgroups, Enabled: a.cfg.TaskCPUMemLimit.Enabled, Period: a.cfg.CgroupCPUPeriod, Pids: a.cfg.TaskPidsLimit}
}

// setUpLimits prepares the host for the limits of tasks. Where that cannot be done, there are none, unless the operator
// insists on them.
func (a *agent) setUpLimits(ctx context.Context) error {
	limits := &a.cfg.TaskCPUMemLimit
	if !limits.Enabled {
		return nil
	}
	err := a.cgroups.Setup(ctx, a.cfg.TaskPidsLimit > 0)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	err = fmt.Errorf("unable to setup '/ecs' cgroup: %w", err)
	if limits.Explicit {
		return terminal(err)
	}
	logger.Warn("Disabling TaskCPUMemLimit because agent is " + err.Error())
	limits.Enabled = false
	return nil
}

// leftoverAge is how old the cgroup of an unknown task has to be before it is removed: somebody may be about to use it.
const leftoverAge = time.Hour

// restoreCgroups makes the cgroups of tasks of a former run again that are missing, and removes those that former runs left.
func (a *agent) restoreCgroups(ctx context.Context, tasks []*task.Task) {
	if !a.cfg.TaskCPUMemLimit.Enabled {
		return
	}
	craft := a.newLimits()
	known := map[string]bool{}
	for _, t := range tasks {
		craft.Restore(ctx, t)
		known[t.ID()] = true
	}
	a.cgroups.Sweep(ctx, time.Now().Add(-leftoverAge), func(id string) bool { return known[id] })
}

// anyUnlimited reports whether a task of a former run came as far as its containers without limits of its own.
func anyUnlimited(tasks []*task.Task) bool {
	return slices.ContainsFunc(tasks, func(t *task.Task) bool {
		return !t.LimitsEnabled && slices.ContainsFunc(t.Containers, func(c *task.Container) bool { return c.Known != task.ContainerNone })
	})
}

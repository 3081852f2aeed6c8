package cgroup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Sweep removes the cgroups of tasks that nobody knows any more, as an agent leaves them that lost its state: those made
// before a point in time, whose id keep does not know. The kernel keeps the ones with processes. Slices are left to
// systemd: their end would be the end of what runs in them.
func (t *Tree) Sweep(ctx context.Context, before time.Time, keep func(id string) bool) {
	if t.Systemd {
		return
	}
	hierarchies := []string{""}
	if !t.Unified {
		hierarchies = t.mounted()
	}
	removed := map[string]bool{}
	for _, h := range hierarchies {
		above := filepath.Join(t.Mount, h, parent)
		entries, err := os.ReadDir(above)
		if err != nil {
			continue // no task ever had one here
		}
		for _, e := range entries {
			info, err := e.Info()
			if ctx.Err() != nil {
				return
			}
			if err != nil || !e.IsDir() || keep(e.Name()) || !info.ModTime().Before(before) {
				continue
			}
			switch err := removeBelow(filepath.Join(above, e.Name())); {
			case err == nil:
				removed[e.Name()] = true
			case !errors.Is(err, fs.ErrNotExist):
				logger.Debug("A cgroup of an unknown task stays", logger.F("cgroup", filepath.Join(above, e.Name())), logger.Err(err))
			}
		}
	}
	if len(removed) > 0 {
		logger.Info("Removed cgroups of tasks that are not known any more", logger.F("tasks", len(removed)))
	}
}

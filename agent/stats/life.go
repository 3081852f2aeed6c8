package stats

import (
	"encoding/json"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// life carries the counters of a container with a restart policy over its restarts.
type life struct {
	detected time.Time           // when the last restart was noticed; zero when there was none
	base     *dockerstats.Object // the last sample before it
	total    uint64              // CPU time of the last sample, as it came
	pid      int                 // the process that ran at the last sample; 0 when not known
	former   int                 // the process before the last restart, as long as snapshots may still show it
}

// restartData is RestartAggregationDataForStats of agent.db.
type restartData struct {
	LastRestartDetectedAt     time.Time
	LastStatBeforeLastRestart *dockerstats.Object
}

// restoreLife continues what was saved with the container.
func restoreLife(c *task.Container) life {
	if !restartable(c) || c.RestartStats == nil {
		return life{}
	}
	var saved restartData
	if err := json.Unmarshal(*c.RestartStats, &saved); err != nil {
		logger.Warn("Cannot read the saved statistics of a restarted container; they start over", logger.F("containerName", c.Name), logger.Err(err))
		return life{}
	}
	if saved.LastRestartDetectedAt.IsZero() {
		return life{} // there was none; some agents save an empty object then
	}
	return life{detected: saved.LastRestartDetectedAt, base: saved.LastStatBeforeLastRestart}
}

// ever reports whether the container was restarted.
func (l *life) ever() bool { return !l.detected.IsZero() }

// restarted decides whether a start is a restart that was not noticed before. first is the container's first start.
func restarted(first, detected, start time.Time) bool {
	if detected.IsZero() {
		return start.After(first)
	}
	return start.After(detected)
}

// detect looks whether the container was restarted since newest, the sample before o. It returns what is to be saved then.
//
// The engine tells of its restarts. Starts by others show in another process, or in a counter that went backwards.
func (l *life) detect(o *dockerstats.Object, c *task.Container, newest *dockerstats.Object) (save []byte) {
	start := c.StartedAt
	if c.Restarts != nil && !c.Restarts.Last.IsZero() {
		start = c.Restarts.Last
	}
	total := o.CPU.Usage.Total
	late := o.Read.Before(start) // a sample from before the restart
	again := !late && (restarted(c.StartedAt, l.detected, start) || l.changed(c.PID)) || total < l.total
	if again {
		l.former, l.pid = l.pid, 0
		l.detected = time.Now().UTC()
		if newest != nil {
			l.base = newest.Clone()
		}
		save, _ = json.Marshal(restartData{l.detected, l.base})
	}
	l.total = total
	l.adopt(c.PID)
	return save
}

func (l *life) changed(pid int) bool {
	return pid != 0 && l.pid != 0 && pid != l.pid
}

// adopt notes the process that runs now.
func (l *life) adopt(pid int) {
	if l.pid == 0 && pid != l.former {
		l.pid, l.former = pid, 0
	}
}

// resume makes the counters of o continue.
func (l *life) resume(o *dockerstats.Object, windows bool) {
	if l.base != nil {
		o.Resume(l.base, windows)
	}
}

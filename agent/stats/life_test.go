package stats

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestRestarted(t *testing.T) {
	first := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	m := func(n int) time.Time { return first.Add(time.Duration(n) * time.Minute) }
	for _, c := range []struct {
		detected, start time.Time
		want            bool
	}{
		{time.Time{}, first, false}, {time.Time{}, m(1), true}, {m(1), m(1), false}, {m(1), m(2), true},
	} {
		if restarted(first, c.detected, c.start) != c.want {
			t.Errorf("%+v", c)
		}
	}
}

// restarting gives the task a restart policy.
func restarting(tk *task.Task) *task.Task {
	tk.Containers[0].RestartPolicy = &task.RestartPolicy{Enabled: true}
	tk.Containers[0].Restarts = &task.RestartTracker{}
	return tk
}

// again is the task after the engine restarted its container.
func again(tk *task.Task, pid int) *task.Task {
	next := tk.Clone()
	c := next.Edit(0)
	c.PID = pid
	tracker := *c.Restarts
	tracker.Count++
	tracker.Last = time.Now()
	c.Restarts = &tracker
	return next
}

func TestCountersContinueOverRestarts(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		tk := restarting(oneTask("aaa"))
		w.run("aaa", 1000, usage{cpu: 5 * time.Second, memory: 3, read: 100, rx: 10})
		w.show(tk)
		c := w.begin()
		after(2500 * time.Millisecond)

		w.stop("aaa", 1000)
		after(time.Second)
		tk = again(tk, 2000)
		w.show(tk) // the engine tells before the container has been started
		after(time.Second)
		w.run("aaa", 2000, usage{cpu: 6 * time.Second, memory: 2, read: 50, rx: 5}) // has used more than before already
		after(time.Second)
		o, text, _ := body(t, c, tk, 0)
		if o.CPU.Usage.Total != 11e9 || o.Memory.Usage != 2<<20 || o.Blkio.ServiceBytes[0].Value != 150 || o.Networks.Get("eth0").RxBytes != 15 || o.PreCPU.Usage.Total != 5e9 {
			t.Error(text)
		}
		if len(w.saved) != 1 || !strings.HasPrefix(w.saved[0], tk.ARN+` c0 {"LastRestartDetectedAt":"20`) || !strings.Contains(w.saved[0], `"LastStatBeforeLastRestart":{"read":"`) {
			t.Fatal(w.saved)
		}
		after(3 * time.Second)
		if o, text, _ = body(t, c, tk, 0); o.CPU.Usage.Total != 11e9 || len(w.saved) != 1 {
			t.Error("added twice:", text)
		}
		m, err := c.Metrics(t.Context(), false)
		if err != nil || m.Tasks[0].Containers[0].Restart == nil || m.Tasks[0].Containers[0].Restart.Count != 1 {
			t.Error(m, err)
		}

		// And once more.
		w.stop("aaa", 2000)
		tk = again(tk, 3000)
		w.run("aaa", 3000, usage{cpu: time.Second, memory: 1})
		w.show(tk)
		after(2 * time.Second)
		if o, text, _ = body(t, c, tk, 0); o.CPU.Usage.Total != 12e9 || len(w.saved) != 2 {
			t.Error(text, w.saved)
		}
	})
}

// After a restart of the agent the counters still continue.
func TestSavedCounters(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		tk := restarting(oneTask("aaa"))
		tk.Containers[0].Restarts = &task.RestartTracker{Count: 1, Last: time.Now().Add(-2 * time.Minute)}
		tk.Containers[0].StartedAt = time.Now().Add(-time.Hour)
		saved, _ := json.Marshal(restartData{time.Now().Add(-time.Minute).UTC(), &dockerstats.Object{CPU: dockerstats.CPU{Usage: dockerstats.CPUUsage{Total: 7e9}}}})
		raw := json.RawMessage(saved)
		tk.Containers[0].RestartStats = &raw
		w.run("aaa", 1000, usage{cpu: time.Second})
		w.show(tk)
		c := w.begin()
		after(2 * time.Second)
		if o, text, _ := body(t, c, tk, 0); o.CPU.Usage.Total != 8e9 || len(w.saved) != 0 {
			t.Error(text, w.saved)
		}
	})
	for _, text := range []string{`{}`, `rubbish`, `{"LastRestartDetectedAt":"0001-01-01T00:00:00Z","LastStatBeforeLastRestart":{}}`, `null`} {
		ct := restarting(oneTask("aaa")).Containers[0]
		raw := json.RawMessage(text)
		ct.RestartStats = &raw
		if l := restoreLife(ct); l.ever() || l.base != nil {
			t.Errorf("%s: %+v", text, l)
		}
	}
}

// Somebody restarts the container behind the engine's back: at first only the counter tells.
func TestForeignRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.cfg.StatsSource = config.StatsSourceDocker
		var cpu time.Duration = 5 * time.Second
		w.docker.feed = func(string, int) (string, error) { return object(time.Now(), cpu, 1), nil }
		set := func(d time.Duration) { w.docker.mu.Lock(); cpu = d; w.docker.mu.Unlock() }
		tk := restarting(oneTask("aaa"))
		w.show(tk)
		c := w.begin()
		after(2500 * time.Millisecond)
		set(time.Second)
		after(time.Second)
		if o, text, _ := body(t, c, tk, 0); o.CPU.Usage.Total != 6e9 || len(w.saved) != 1 {
			t.Error(text, w.saved)
		}
		next := tk.Clone()
		next.Edit(0).PID = 2000 // the engine has looked
		w.show(next)
		after(3 * time.Second)
		if o, text, _ := body(t, c, next, 0); o.CPU.Usage.Total != 6e9 || len(w.saved) != 1 {
			t.Error("added twice:", text, len(w.saved))
		}
		last := next.Clone()
		last.Edit(0).PID = 3000 // restarted, and has already used more than before
		w.show(last)
		c.nudge()
		synctest.Wait()
		set(2 * time.Second)
		after(3 * time.Second)
		if o, text, _ := body(t, c, last, 0); o.CPU.Usage.Total != 8e9 || len(w.saved) != 2 {
			t.Error(text, len(w.saved))
		}
	})
}

// Docker gives zeros for a container between its end and its restart.
func TestZeroSamples(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.cfg.StatsSource = config.StatsSourceDocker
		w.docker.feed = func(_ string, call int) (string, error) {
			if call == 3 {
				return `{"read":"0001-01-01T00:00:00Z"}`, nil
			}
			return object(time.Now(), 5*time.Second, 1), nil
		}
		tk := restarting(oneTask("aaa"))
		w.show(tk)
		c := w.begin()
		after(6 * time.Second)
		if o, text, _ := body(t, c, tk, 0); o.CPU.Usage.Total != 5e9 || len(w.saved) != 0 {
			t.Error(text, w.saved)
		}
	})
}

// Without a restart policy counters start over, and a step back gives no rate.
func TestNoRestartPolicy(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		tk := oneTask("aaa")
		w.run("aaa", 1000, usage{cpu: 5 * time.Second, rx: 1000})
		w.show(tk)
		c := w.begin()
		after(1500 * time.Millisecond)
		w.run("aaa", 1000, usage{cpu: time.Second, rx: 1})
		after(time.Second)
		o, text, _ := body(t, c, tk, 0)
		if o.CPU.Usage.Total != 1e9 || strings.Contains(text, "network_rate_stats") {
			t.Error(text)
		}
		m, err := c.Metrics(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Tasks[0].Containers[0]; got.CPU.SampleCount != 1 || got.CPU.Max != 0 || got.Memory.SampleCount != 3 || got.Restart != nil {
			t.Errorf("%+v", got.CPU)
		}
	})
}

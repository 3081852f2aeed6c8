package stats

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
)

func TestRecentSamples(t *testing.T) {
	tk := oneTask("aaa")
	w := newWorld(t)
	w.show(tk)
	c := New(w.cfg, w, nil)
	c.observe(&choice{})
	x := c.find("aaa")
	if got := c.Recent("aaa", 10); len(got) != 0 {
		t.Error("before the first sample:", got)
	}
	start := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	x.queue.add(at(0), point{cpu: 0, memory: 1 << 20, hasNetwork: true})
	x.queue.add(at(1), point{cpu: 5e8, memory: 2<<20 + 1, network: dockerstats.Network{RxBytes: 100, TxBytes: 50}, hasNetwork: true})
	x.queue.add(at(2), point{cpu: 6e8, memory: 3 << 20})
	want := []Sample{
		{At: at(1), CPUPercent: 50, Memory: 2 << 20, RxRate: 100, TxRate: 50},
		{At: at(2), CPUPercent: 10, Memory: 3 << 20},
	}
	if diff := cmp.Diff(want, c.Recent("aaa", 10)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[1:], c.Recent("aaa", 1)); diff != "" {
		t.Error("only the newest:", diff)
	}
	for i := range 2 * queueSize {
		x.queue.add(at(3+i), point{cpu: 6e8})
	}
	if got := c.Recent("aaa", 1000); len(got) != queueSize || !got[queueSize-1].At.Equal(at(2+2*queueSize)) {
		t.Errorf("%d samples, the last at %v", len(got), got[len(got)-1].At)
	}
	if got := c.Recent("bbb", 10); got != nil {
		t.Error("of a container that is not measured:", got)
	}
}

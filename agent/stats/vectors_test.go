package stats

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func platformNamed(name string, cpus int) platform {
	return platform{windows: name == "windows", cgroupV2: name == "v2", cpus: cpus}
}

func TestConversion(t *testing.T) {
	var cases struct {
		Samples []struct {
			Name, Platform string
			CPUs           int
			Object         dockerstats.Object
			Want           struct {
				CPU, Memory, MiB, Read, Write uint64
				Network                       *dockerstats.Network
			}
		}
		Memory []struct {
			Platform    string
			MemoryStats dockerstats.Memory `json:"memory_stats"`
			Want        uint64
		}
		Storage []struct {
			Entries     []dockerstats.BlkioEntry
			Read, Write uint64
		}
		Rejected []struct {
			Name, Platform, Error string
			RestartPolicy         bool
			Object                dockerstats.Object
		}
	}
	goldenfile.Read(t, "testdata/conversion.json", &cases)
	for _, c := range cases.Samples {
		got := platformNamed(c.Platform, c.CPUs).convert(&c.Object)
		want := point{cpu: c.Want.CPU, memory: c.Want.Memory, read: c.Want.Read, write: c.Want.Write, restartCount: -1}
		if c.Want.Network != nil {
			want.network, want.hasNetwork = *c.Want.Network, true
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(point{})); diff != "" {
			t.Errorf("%s:\n%s", c.Name, diff)
		}
		q := newQueue(2)
		q.add(c.Object.Read, got)
		if q.newest().memory != c.Want.MiB {
			t.Errorf("%s: %d MiB", c.Name, q.newest().memory)
		}
	}
	for _, c := range cases.Memory {
		if got := platformNamed(c.Platform, 1).memory(&c.MemoryStats); got != c.Want {
			t.Errorf("%s %+v: %d, want %d", c.Platform, c.MemoryStats, got, c.Want)
		}
	}
	for _, c := range cases.Storage {
		o := dockerstats.Object{Blkio: dockerstats.Blkio{ServiceBytes: c.Entries}}
		if got := platformNamed("v2", 1).convert(&o); got.read != c.Read || got.write != c.Write {
			t.Errorf("%v: %d, %d", c.Entries, got.read, got.write)
		}
	}
	for _, c := range cases.Rejected {
		text := ""
		if err := platformNamed(c.Platform, 2).validate(&c.Object, c.RestartPolicy); err != nil {
			text = err.Error()
		}
		if text != c.Error {
			t.Errorf("%s: %q, want %q", c.Name, text, c.Error)
		}
	}
	if err := platformNamed("v2", 0).validate(&dockerstats.Object{}, false); err == nil || err.Error() != "invalid number of cores returned from runtime.NumCPU, numCores=0" {
		t.Error(err)
	}
	if err := platformNamed("windows", 0).validate(&dockerstats.Object{}, false); err == nil || err.Error() != "invalid container statistics reported, no cpu core usage reported" {
		t.Error(err)
	}
}

// wantSet is min, max, samples, sum.
type wantSet []float64

func (w wantSet) check(t *testing.T, what string, got *Set) {
	t.Helper()
	var want *Set
	if w != nil {
		want = &Set{Min: w[0], Max: w[1], SampleCount: int(w[2]), Sum: w[3]}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-6, 0)); diff != "" {
		t.Errorf("%s:\n%s", what, diff)
	}
}

// wantCounter is min, max, samples, sum, and the overflows of min, max, sum.
type wantCounter []json.Number

func (w wantCounter) check(t *testing.T, what string, got *CounterSet) {
	t.Helper()
	var want *CounterSet
	if w != nil {
		n := make([]int64, 7)
		for i := range n {
			n[i], _ = w[i].Int64()
		}
		want = &CounterSet{Min: n[0], Max: n[1], SampleCount: int(n[2]), Sum: n[3], OverflowMin: n[4], OverflowMax: n[5], OverflowSum: n[6]}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s:\n%s", what, diff)
	}
}

func TestSets(t *testing.T) {
	var cases struct {
		Sets []struct {
			Name             string
			Size, SentBefore int
			Samples          [][]json.Number
			Want             struct {
				CPU, Memory wantSet
				Storage     wantCounter
				Network     *struct {
					Counter, Zero wantCounter
					Rate          wantSet
				}
			}
		}
	}
	goldenfile.Read(t, "testdata/queue.json", &cases)
	for _, c := range cases.Sets {
		t.Run(c.Name, func(t *testing.T) {
			q := newQueue(c.Size)
			for i, row := range c.Samples {
				if i == c.SentBefore {
					q.markSent(q.added)
				}
				n := make([]uint64, len(row))
				for j := range row {
					v, _ := row[j].Int64()
					n[j] = uint64(v)
				}
				p := point{cpu: n[1], memory: n[2], read: n[3], write: n[3], hasNetwork: n[4] == 1, restartCount: -1}
				if p.hasNetwork {
					p.network = dockerstats.Network{RxBytes: n[3], RxPackets: n[3], RxErrors: n[3], TxBytes: n[3], TxPackets: n[3], TxDropped: n[3]}
				}
				q.add(time.Unix(0, int64(n[0])), p)
			}
			if c.SentBefore == len(c.Samples) {
				q.markSent(q.added)
			}
			cpu, err := q.cpuSet()
			c.Want.CPU.check(t, "cpu", cpu)
			if (err == nil) != (c.Want.CPU != nil) {
				t.Error(err)
			}
			memory, _ := q.memorySet()
			c.Want.Memory.check(t, "memory", memory)
			storage, _ := q.storageSets()
			c.Want.Storage.check(t, "read", storage.ReadBytes)
			c.Want.Storage.check(t, "write", storage.WriteBytes)
			if w := c.Want.Network; w != nil {
				n, _ := q.networkSets()
				for _, set := range []*CounterSet{n.RxBytes, n.RxPackets, n.RxErrors, n.TxBytes, n.TxPackets, n.TxDropped} {
					w.Counter.check(t, "counter", set)
				}
				w.Zero.check(t, "rx dropped", n.RxDropped)
				w.Zero.check(t, "tx errors", n.TxErrors)
				w.Rate.check(t, "rx rate", n.RxRate)
				w.Rate.check(t, "tx rate", n.TxRate)
			}
		})
	}
}

func TestRestartCounts(t *testing.T) {
	var cases struct {
		Restarts []struct {
			Name      string
			Size      int
			Ops, Want []any
		}
	}
	goldenfile.Read(t, "testdata/queue.json", &cases)
	for _, c := range cases.Restarts {
		q := newQueue(c.Size)
		var got []any
		for i, op := range c.Ops {
			switch op := op.(type) {
			case nil:
				q.add(time.Unix(int64(i), 0), point{restartCount: -1})
			case float64:
				q.add(time.Unix(int64(i), 0), point{restartCount: int(op)})
			default:
				if op == "publish" {
					q.markSent(q.added)
					continue
				}
				if set, err := q.restartSet(); err != nil {
					got = append(got, "error")
				} else {
					got = append(got, float64(set.Count))
				}
			}
		}
		if diff := cmp.Diff(c.Want, got); diff != "" {
			t.Errorf("%s:\n%s", c.Name, diff)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		high, low       uint64
		value, overflow int64
	}{
		{0, math.MaxInt64 - 1, math.MaxInt64 - 1, 0},
		{0, math.MaxInt64, math.MaxInt64, 0},
		{0, math.MaxInt64 + 1, math.MaxInt64, 1},
		{0, math.MaxUint64, math.MaxInt64, 1}, // 2·(2^63−1) + 1
		{1, 0, math.MaxInt64, 2},              // 2·(2^63−1) + 2
	} {
		if v, o := split(c.high, c.low); v != c.value || o != c.overflow {
			t.Errorf("%d, %d: %d, %d", c.high, c.low, v, o)
		}
	}
}

func TestBodies(t *testing.T) {
	type variant struct {
		DockerStats   dockerstats.Object
		TaskNetworks  dockerstats.Networks
		Rates         struct{ Rx, Tx float64 }
		V2V3Container any
		V4Container   any
	}
	var cases struct{ Bridge, AWSVPC variant }
	goldenfile.Read(t, "testdata/bodies.json", &cases)
	for mode, v := range map[string]variant{"bridge": cases.Bridge, "awsvpc": cases.AWSVPC} {
		tk := &task.Task{ARN: "arn", Family: "f", NetworkMode: mode}
		x := &tracked{task: tk, newest: &v.DockerStats, count: 1, queue: newQueue(2)}
		var network *taskNetwork
		if mode == "awsvpc" {
			network = &taskNetwork{networks: v.TaskNetworks, count: 1, queue: newQueue(2)}
			network.queue.rxRate, network.queue.txRate = v.Rates.Rx, v.Rates.Tx
		}
		check := func(rates bool, want any) {
			t.Helper()
			var got any
			if err := json.Unmarshal(x.body(network, rates), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, rates %t:\n%s", mode, rates, diff)
			}
		}
		check(false, v.V2V3Container)
		if mode == "bridge" {
			check(true, v.V2V3Container) // no rate is known yet
			x.queue.rxRate, x.queue.txRate = v.Rates.Rx, v.Rates.Tx
			x.count++
		}
		check(true, v.V4Container)
		if first, second := x.body(network, true), x.body(network, true); &first[0] != &second[0] {
			t.Error("encoded twice")
		}
	}
}

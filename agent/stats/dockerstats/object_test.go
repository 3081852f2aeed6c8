package dockerstats

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func decode(t *testing.T, text []byte) *Object {
	t.Helper()
	o := &Object{}
	if err := json.Unmarshal(text, o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestResume(t *testing.T) {
	text, err := os.ReadFile("testdata/resume.json")
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Base, Previous, In, Out json.RawMessage }
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	base, got := decode(t, c.Base), decode(t, c.In)
	untouched := base.Clone()
	got.Resume(base, false)
	got.Follow(decode(t, c.Previous))
	if diff := cmp.Diff(decode(t, c.Out), got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(untouched, base); diff != "" {
		t.Errorf("the base was changed:\n%s", diff)
	}
	got.Follow(nil)
	if !got.PreRead.IsZero() || got.PreCPU.Usage.Total != 0 {
		t.Error("the first sample follows something")
	}
}

func TestResumeOnWindows(t *testing.T) {
	o := &Object{
		CPU:      CPU{Usage: CPUUsage{Total: 1, Kernel: 2, User: 3}, Throttling: Throttling{Periods: 1}},
		Memory:   Memory{CommitPeak: 5, FailCnt: 1},
		Storage:  Storage{ReadCount: 1, ReadBytes: 2, WriteCount: 3, WriteBytes: 4},
		Networks: Networks{{"eth0", Network{RxBytes: 1, RxErrors: 2, TxDropped: 3}}},
	}
	o.Resume(&Object{
		CPU:      CPU{Usage: CPUUsage{Total: 10, Kernel: 20, User: 30}, Throttling: Throttling{Periods: 10}},
		Memory:   Memory{CommitPeak: 50, FailCnt: 10},
		Storage:  Storage{ReadCount: 10, ReadBytes: 20, WriteCount: 30, WriteBytes: 40},
		Networks: Networks{{"eth0", Network{RxBytes: 10, RxErrors: 20, TxDropped: 30}}},
	}, true)
	want := &Object{
		CPU:      CPU{Usage: CPUUsage{Total: 11, Kernel: 22, User: 33}, Throttling: Throttling{Periods: 1}},
		Memory:   Memory{CommitPeak: 50, FailCnt: 1},
		Storage:  Storage{ReadCount: 11, ReadBytes: 22, WriteCount: 33, WriteBytes: 44},
		Networks: Networks{{"eth0", Network{RxBytes: 11, RxErrors: 2, TxDropped: 33}}},
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Error(diff)
	}
}

func TestPerCPUTimesOfDifferentLengths(t *testing.T) {
	o := &Object{CPU: CPU{Usage: CPUUsage{PerCPU: []uint64{1}}}}
	o.Resume(&Object{CPU: CPU{Usage: CPUUsage{PerCPU: []uint64{10, 20}}}}, false)
	if diff := cmp.Diff([]uint64{11, 20}, o.CPU.Usage.PerCPU); diff != "" {
		t.Error(diff)
	}
	o = &Object{}
	o.Resume(&Object{}, false)
	if o.CPU.Usage.PerCPU != nil || o.Blkio.ServiceBytes != nil {
		t.Error("empty lists appeared")
	}
}

func TestLists(t *testing.T) {
	o := decode(t, []byte(`{"memory_stats":{"stats":{"z":1,"a":2,"quo\"te<":3}},"networks":{"eth1":{"rx_bytes":1},"eth0":{"tx_bytes":2}}}`))
	if v, ok := o.Memory.Stats.Get("a"); v != 2 || !ok {
		t.Error(v, ok)
	}
	if _, ok := o.Memory.Stats.Get("b"); ok {
		t.Error("found what is not there")
	}
	if o.Networks.Get("eth0") == nil || o.Networks.Get("eth2") != nil {
		t.Error(o.Networks)
	}
	total := o.Networks.Total()
	if total.RxBytes != 1 || total.TxBytes != 2 {
		t.Error(total)
	}
	again, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(o, decode(t, again)); diff != "" {
		t.Error(diff)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	o := &Object{
		CPU: CPU{Usage: CPUUsage{PerCPU: []uint64{1}}}, Memory: Memory{Stats: Values{{"a", 1}}}, Networks: Networks{{"eth0", Network{}}},
		Blkio: Blkio{Sectors: []BlkioEntry{{Value: 1}}},
	}
	c := o.Clone()
	o.CPU.Usage.PerCPU[0], o.Memory.Stats[0].Value, o.Networks[0].RxBytes, o.Blkio.Sectors[0].Value = 2, 2, 2, 2
	if c.CPU.Usage.PerCPU[0] != 1 || c.Memory.Stats[0].Value != 1 || c.Networks[0].RxBytes != 0 || c.Blkio.Sectors[0].Value != 1 {
		t.Error("shared")
	}
}

// What Docker sends is either refused or survives being sent on.
func FuzzObject(f *testing.F) {
	f.Add([]byte(`{"read":"2025-01-02T03:04:12Z","memory_stats":{"stats":{"cache":1}},"networks":{"eth0":{"rx_bytes":1}}}`))
	f.Add([]byte(`{"read":null,"networks":null,"memory_stats":{"stats":null}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var o Object
		if json.Unmarshal(text, &o) != nil {
			return
		}
		o.Resume(o.Clone(), false)
		again, err := json.Marshal(&o)
		if err != nil {
			t.Skip(err) // times beyond year 9999
		}
		var second Object
		if err := json.Unmarshal(again, &second); err != nil {
			t.Error(err)
		}
	})
}

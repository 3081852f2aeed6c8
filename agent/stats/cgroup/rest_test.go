package cgroup

import (
	"path/filepath"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
)

// sampler reads a container as the collector does: samples are filled in turn.
func sampler(t *testing.T, h *Host) func(fresh bool) *dockerstats.Object {
	t.Helper()
	c, err := h.Container(id, 4711)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	spare := []*dockerstats.Object{{}, {}}
	return func(fresh bool) *dockerstats.Object {
		t.Helper()
		spare[0], spare[1] = spare[1], spare[0]
		if err := c.Read(spare[0], false, fresh); err != nil {
			t.Fatal(err)
		}
		return spare[0]
	}
}

func cached(o *dockerstats.Object, name string) uint64 {
	v, _ := o.Memory.Stats.Get(name)
	return v
}

// What cannot have changed is not read: of a container that has used no CPU time the other CPU counters and block I/O, and
// the memory statistics if it uses as much memory as before.
func TestContainersAtRestCostLittle(t *testing.T) {
	dir := "docker/" + id
	h := host(t, procTree(v1Cgroups), v1Tree(dir))
	read := sampler(t, h)
	write := func(file, text string) {
		t.Helper()
		tree{"cgroup/" + filepath.Dir(file) + "/" + dir + "/" + filepath.Base(file): text}.write(t, filepath.Dir(h.root))
	}
	read(false)
	write("cpu,cpuacct/cpu.stat", "nr_periods 11\nnr_throttled 4\nthrottled_time 77\n")
	read(false) // the last period may end after the last use
	write("cpu,cpuacct/cpu.stat", "nr_periods 99\nnr_throttled 4\nthrottled_time 77\n")
	write("blkio/blkio.throttle.io_service_bytes", "253:0 Read 4096\n253:0 Write 9000\nTotal 13096\n")
	write("blkio/blkio.throttle.io_serviced", "253:0 Read 1\n253:0 Write 9\nTotal 10\n")
	write("memory/memory.stat", "cache 1\nrss 2\n")
	for range 2 {
		o := read(false)
		if o.CPU.Throttling.Periods != 11 || o.CPU.Usage.Total != 27457649 || o.CPU.Usage.User != 20e6 || len(o.CPU.Usage.PerCPU) != 2 {
			t.Errorf("CPU: %+v", o.CPU)
		}
		if o.Blkio.ServiceBytes[1].Value != 8192 || o.Blkio.Serviced[1].Value != 2 || o.Blkio.Queued == nil {
			t.Errorf("block I/O: %+v", o.Blkio)
		}
		if o.Memory.Usage != 7159808 || cached(o, "cache") != 5648384 {
			t.Errorf("memory: %+v", o.Memory)
		}
	}
	if o := read(true); o.Blkio.ServiceBytes[1].Value != 9000 || o.Blkio.Serviced[1].Value != 9 || cached(o, "cache") != 1 {
		t.Errorf("when somebody looks: %+v %+v", o.Blkio, o.Memory)
	}
	write("memory/memory.usage_in_bytes", "7000000\n")
	write("memory/memory.stat", "cache 3\nrss 2\n")
	if o := read(false); o.Memory.Usage != 7000000 || cached(o, "cache") != 3 {
		t.Errorf("memory was taken away: %+v", o.Memory)
	}

	write("cpu,cpuacct/cpuacct.usage", "30000000\n")
	write("cpu,cpuacct/cpuacct.usage_percpu", "12000000 18000000 \n")
	write("blkio/blkio.throttle.io_service_bytes", "253:0 Read 4096\n253:0 Write 9001\nTotal 13097\n")
	write("blkio/blkio.throttle.io_serviced", "253:0 Read 1\n253:0 Write 12\nTotal 13\n")
	write("memory/memory.stat", "cache 4\nrss 2\n")
	o := read(false)
	if o.CPU.Throttling.Periods != 99 || o.CPU.Usage.Total != 30000000 || o.CPU.Usage.PerCPU[1] != 18000000 || cached(o, "cache") != 4 {
		t.Errorf("at work again: %+v %+v", o.CPU, o.Memory)
	}
	if o.Blkio.ServiceBytes[1].Value != 9001 || o.Blkio.Serviced[1].Value != 12 {
		t.Errorf("at work again: %+v", o.Blkio)
	}
}

// In version 2 all CPU counters are in one file, and block I/O may come from the kernel's own writing; memory is the same.
func TestContainersAtRestUnderVersion2(t *testing.T) {
	dir := "cgroup/docker/" + id + "/"
	h := host(t, procTree("0::/docker/"+id+"\n"), v2Tree("docker/"+id))
	read := sampler(t, h)
	for range 3 {
		read(false)
	}
	tree{dir + "memory.stat": "file 7\n", dir + "io.stat": "8:0 rbytes=1 wbytes=5\n"}.write(t, filepath.Dir(h.root))
	if o := read(false); cached(o, "file") != 425984 || o.Blkio.ServiceBytes[1].Value != 5 {
		t.Errorf("at rest: %+v %+v", o.Memory, o.Blkio)
	}
	if o := read(true); cached(o, "file") != 7 {
		t.Errorf("when somebody looks: %+v", o.Memory)
	}
	tree{dir + "memory.stat": "file 8\n", dir + "cpu.stat": "usage_usec 360969\n"}.write(t, filepath.Dir(h.root))
	if o := read(false); cached(o, "file") != 8 || o.CPU.Usage.Total != 360969000 {
		t.Errorf("at work again: %+v", o.Memory)
	}
}

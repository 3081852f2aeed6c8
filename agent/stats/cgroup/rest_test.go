package cgroup

import (
	"path/filepath"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
)

// What cannot have changed is not read: of a container that has used no CPU time the other CPU counters, of one that has
// moved no bytes the operations.
func TestContainersAtRestCostLittle(t *testing.T) {
	dir := "docker/" + id
	h := host(t, procTree(v1Cgroups), v1Tree(dir))
	c, err := h.Container(id, 4711)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	spare := []*dockerstats.Object{{}, {}} // as the collector does, samples are filled in turn
	reads := 0
	read := func(fresh bool) *dockerstats.Object {
		t.Helper()
		o := spare[reads%2]
		reads++
		if err := c.Read(o, false, fresh); err != nil {
			t.Fatal(err)
		}
		return o
	}
	write := func(file, text string) {
		t.Helper()
		tree{"cgroup/" + filepath.Dir(file) + "/" + dir + "/" + filepath.Base(file): text}.write(t, filepath.Dir(h.root))
	}
	read(false)
	write("cpu,cpuacct/cpu.stat", "nr_periods 11\nnr_throttled 4\nthrottled_time 77\n")
	for range 2 { // the last period may end after the last use
		read(false)
	}
	write("cpu,cpuacct/cpu.stat", "nr_periods 99\nnr_throttled 4\nthrottled_time 77\n")
	write("blkio/blkio.throttle.io_serviced", "253:0 Read 1\n253:0 Write 9\nTotal 10\n")
	for range 2 {
		if o := read(false); o.CPU.Throttling.Periods != 11 || o.CPU.Usage.Total != 27457649 || o.CPU.Usage.User != 20e6 || len(o.CPU.Usage.PerCPU) != 2 || o.Blkio.Serviced[1].Value != 2 {
			t.Errorf("at rest: %+v %+v", o.CPU, o.Blkio)
		}
	}
	if o := read(true); o.Blkio.Serviced[1].Value != 9 {
		t.Errorf("when somebody looks: %+v", o.Blkio)
	}

	write("cpu,cpuacct/cpuacct.usage", "30000000\n")
	write("cpu,cpuacct/cpuacct.usage_percpu", "12000000 18000000 \n")
	write("blkio/blkio.throttle.io_service_bytes", "253:0 Read 4096\n253:0 Write 9000\nTotal 13096\n")
	write("blkio/blkio.throttle.io_serviced", "253:0 Read 1\n253:0 Write 12\nTotal 13\n")
	if o := read(false); o.CPU.Throttling.Periods != 99 || o.CPU.Usage.Total != 30000000 || o.CPU.Usage.PerCPU[1] != 18000000 || o.Blkio.ServiceBytes[1].Value != 9000 || o.Blkio.Serviced[1].Value != 12 {
		t.Errorf("at work again: %+v %+v", o.CPU, o.Blkio)
	}
}

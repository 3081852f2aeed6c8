package cgroup

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/stats/proc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What is read is what Docker says, version by version.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		name    string
		version int
		host    *Host
	}{
		{"v1", 1, host(t, procTree(v1Cgroups), v1Tree("docker/"+id))},
		{"v2", 2, host(t, procTree("0::/system.slice/docker-"+id+".scope\n"), v2Tree("system.slice/docker-"+id+".scope"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.host.Version() != c.version {
				t.Fatal(c.host.Version())
			}
			if err := c.host.Refresh(); err != nil {
				t.Fatal(err)
			}
			container, err := c.host.Container(id, 4711)
			if err != nil {
				t.Fatal(err)
			}
			defer container.Close()
			var o dockerstats.Object
			before := time.Now()
			for range 2 { // the second time into the lists of the first
				if err := container.Read(&o, true, true); err != nil {
					t.Fatal(err)
				}
			}
			if o.Read.Before(before) || time.Since(o.Read) > time.Minute || o.Read.Location() != time.UTC {
				t.Error(o.Read)
			}
			o.Read = time.Date(2025, 1, 2, 3, 4, 5, 6, time.UTC)
			compare(t, "testdata/"+c.name+".json", &o)
			if err := container.Read(&o, false, true); err != nil || len(o.Networks) != 0 {
				t.Error(o.Networks, err)
			}
		})
	}
}

func compare(t *testing.T, golden string, o *dockerstats.Object) {
	t.Helper()
	got, err := json.MarshalIndent(o, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	goldenfile.Check(t, golden, got)
}

// Counters of the CFQ scheduler count if there are any.
func TestSchedulerCounters(t *testing.T) {
	dir := "docker/" + id
	cfq := tree{}
	for _, name := range []string{"io_service_bytes", "io_serviced", "io_queued", "io_service_time", "io_wait_time", "io_merged", "time", "sectors"} {
		cfq["cgroup/blkio/"+dir+"/blkio."+name+"_recursive"] = "Total 0\n"
	}
	h := host(t, procTree(v1Cgroups), v1Tree(dir), cfq)
	c, err := h.Container(id, 4711)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var o dockerstats.Object
	if err := c.Read(&o, false, true); err != nil {
		t.Fatal(err)
	}
	if len(o.Blkio.ServiceBytes) != 6 || o.Blkio.ServiceBytes[1].Value != 8192 || len(o.Blkio.Serviced) != 2 {
		t.Error("throttle counters:", o.Blkio)
	}
	tree{
		"cgroup/blkio/" + dir + "/blkio.io_service_bytes_recursive": "8:0 Read 5\nTotal 5\n",
		"cgroup/blkio/" + dir + "/blkio.sectors_recursive":          "8:0 77\n",
	}.write(t, filepath.Dir(h.root))
	if err := c.Read(&o, false, true); err != nil {
		t.Fatal(err)
	}
	want := dockerstats.Blkio{ServiceBytes: []dockerstats.BlkioEntry{{Major: 8, Op: "Read", Value: 5}}, Sectors: []dockerstats.BlkioEntry{{Major: 8, Value: 77}}}
	want.ShowAll()
	if diff := cmp.Diff(want, o.Blkio); diff != "" {
		t.Error(diff)
	}
}

// Only CPU and memory are needed.
func TestMissingControllers(t *testing.T) {
	small := v2Tree("docker/" + id)
	for _, name := range []string{"io.stat", "pids.current", "pids.max", "memory.events", "memory.max"} {
		delete(small, "cgroup/docker/"+id+"/"+name)
	}
	h := host(t, procTree("0::/docker/"+id+"\n"), small)
	c, err := h.Container(id, 4711)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var o dockerstats.Object
	if err := c.Read(&o, false, true); err != nil || o.CPU.Usage.Total == 0 || o.Memory.Usage == 0 || o.Memory.Limit != 0 {
		t.Error(o, err)
	}

	v1 := v1Tree("docker/" + id)
	for path := range v1 {
		if filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(path)))) == "blkio" || filepath.Base(path) == "pids.max" || filepath.Base(path) == "pids.current" {
			delete(v1, path)
		}
	}
	h = host(t, procTree(v1Cgroups), v1)
	c2, err := h.Container(id, 4711)
	if err != nil {
		t.Fatal(err)
	}
	defer c2.Close()
	o = dockerstats.Object{}
	if err := c2.Read(&o, false, true); err != nil || o.Memory.Usage == 0 || o.Blkio.Serviced == nil {
		t.Error(o, err)
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		text string
		want uint64
	}{{"max\n", 16384000 << 10}, {"9223372036854771712\n", 16384000 << 10}, {"1048576\n", 1 << 20}} {
		h := host(t, procTree("0::/docker/"+id+"\n"), v2Tree("docker/"+id), tree{"cgroup/docker/" + id + "/memory.max": c.text, "cgroup/docker/" + id + "/pids.max": "max\n"})
		container, err := h.Container(id, 4711)
		if err != nil {
			t.Fatal(err)
		}
		var o dockerstats.Object
		if err := container.Read(&o, false, true); err != nil || o.Memory.Limit != c.want {
			t.Errorf("%q: %d, %v", c.text, o.Memory.Limit, err)
		}
		if o.Pids.Limit != 1<<64-1 {
			t.Error(o.Pids)
		}
		container.Close()
	}
}

// The cgroup is found wherever Docker put it and however much of the tree the agent's own cgroup namespace hides.
func TestLocate(t *testing.T) {
	scope := "docker-" + id + ".scope"
	for name, c := range map[string]struct{ where, dir string }{
		"below docker":                               {"/docker/" + id, "docker/" + id},
		"below the task's cgroup":                    {"/ecs/0f9de17a/" + id, "ecs/0f9de17a/" + id},
		"systemd":                                    {"/system.slice/" + scope, "system.slice/" + scope},
		"systemd, the task's slice":                  {"/ecstasks.slice/ecstasks-0f9.slice/" + scope, "ecstasks.slice/ecstasks-0f9.slice/" + scope},
		"a neighbour of the agent":                   {"/../" + id, "docker/" + id},
		"a neighbour of the agent, systemd":          {"/../" + scope, "system.slice/" + scope},
		"in another branch than the agent":           {"/../../ecs/0f9/" + id, "ecs/0f9/" + id},
		"in another branch than the agent, systemd":  {"/../../ecstasks.slice/ecstasks-0f9.slice/" + scope, "ecstasks.slice/ecstasks-0f9.slice/" + scope},
		"under a path that is not the tree's at all": {"/elsewhere/" + id, "docker/" + id},
	} {
		t.Run(name, func(t *testing.T) {
			h := host(t, procTree("0::"+c.where+"\n"), v2Tree(c.dir))
			container, err := h.Container(id, 4711)
			if err != nil {
				t.Fatal(err)
			}
			defer container.Close()
			if err := container.Read(&dockerstats.Object{}, true, true); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNotVisible(t *testing.T) {
	h := host(t, procTree("0::/elsewhere/"+id+"\n"), v2Tree("other"))
	if _, err := h.Container(id, 4711); !errors.Is(err, ErrNotVisible) {
		t.Error("outside the tree:", err)
	}
	h = host(t, procTree("0::/docker/"+id[1:]+"\n"), v2Tree("docker/"+id))
	if _, err := h.Container(id, 4711); !errors.Is(err, proc.ErrOther) {
		t.Error("another process:", err)
	}
	if _, err := h.Container(id, 4712); err == nil || errors.Is(err, ErrNotVisible) || errors.Is(err, proc.ErrOther) {
		t.Error("no process:", err)
	}
	// In version 1 the memory of a container is needed, and its CPU time.
	lame := v1Tree("docker/" + id)
	for path := range lame {
		if strings.HasPrefix(path, "cgroup/memory/") {
			delete(lame, path)
		}
	}
	h = host(t, procTree(v1Cgroups), lame, tree{"cgroup/memory/": ""})
	if _, err := h.Container(id, 4711); !errors.Is(err, ErrNotVisible) {
		t.Error("no memory:", err)
	}
}

// Hosts may have directories of the controllers' names that are no mounts, beside those that are.
func TestLeftoversBesideTheMounts(t *testing.T) {
	alone := tree{} // cpu and cpuacct each for itself
	for path, text := range v1Tree("docker/" + id) {
		controller := "cpuacct"
		if strings.HasSuffix(path, "/cpu.stat") {
			controller = "cpu"
		}
		alone[strings.Replace(path, "/cpu,cpuacct/", "/"+controller+"/", 1)] = text
	}
	for name, trees := range map[string][]tree{
		"of both together": {alone, {"cgroup/cpu,cpuacct/": ""}},
		"of each alone":    {v1Tree("docker/" + id), {"cgroup/cpu/": "", "cgroup/cpuacct/": ""}},
	} {
		h := host(t, append(trees, procTree(v1Cgroups))...)
		c, err := h.Container(id, 4711)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var o dockerstats.Object
		if err := c.Read(&o, false, true); err != nil || o.CPU.Usage.Total != 27457649 || o.CPU.Throttling.Periods != 10 {
			t.Errorf("%s: %+v, %v", name, o.CPU, err)
		}
		c.Close()
	}
}

func TestNoTree(t *testing.T) {
	root := t.TempDir()
	procTree("").write(t, root)
	if _, err := Open(filepath.Join(root, "cgroup"), filepath.Join(root, "proc")); err == nil {
		t.Error("opened a tree that is not there")
	}
	tree{"cgroup/pids/": ""}.write(t, root)
	if _, err := Open(filepath.Join(root, "cgroup"), filepath.Join(root, "proc")); err == nil {
		t.Error("opened a tree without CPU and memory")
	}
	tree{"cgroup/cgroup.controllers": "cpu\n"}.write(t, root)
	if _, err := Open(filepath.Join(root, "cgroup"), filepath.Join(root, "noproc")); err == nil {
		t.Error("opened without processes")
	}
}

// A container whose cgroup went away gives errors, and can be opened anew when it is back.
func TestRestart(t *testing.T) {
	dir := "docker/" + id
	h := host(t, procTree("0::/"+dir+"\n"), v2Tree(dir))
	c, err := h.Container(id, 4711)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(h.root, dir)); err != nil {
		t.Fatal(err)
	}
	if err := c.Read(&dockerstats.Object{}, false, true); err == nil {
		t.Error("read what is not there")
	}
	c.Close()
	v2Tree(dir).write(t, filepath.Dir(h.root))
	c, err = h.Container(id, 4711)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Read(&dockerstats.Object{}, false, true); err != nil {
		t.Error(err)
	}
}

// Details nobody looks at are not read every time.
func TestDetails(t *testing.T) {
	dir := "docker/" + id
	h := host(t, procTree("0::/"+dir+"\n"), v2Tree(dir))
	c, err := h.Container(id, 4711)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	read := func(fresh bool) uint64 {
		t.Helper()
		var o dockerstats.Object
		if err := c.Read(&o, false, fresh); err != nil {
			t.Fatal(err)
		}
		return o.Pids.Current
	}
	first := read(false)
	tree{"cgroup/" + dir + "/pids.current": "99\n"}.write(t, filepath.Dir(h.root))
	stale := 0
	for read(false) == first {
		if stale++; stale > 100 {
			t.Fatal("never read again")
		}
	}
	if first != 3 || stale != detailsAge-1 {
		t.Error(first, stale)
	}
	tree{"cgroup/" + dir + "/pids.current": "5\n"}.write(t, filepath.Dir(h.root))
	if n := read(true); n != 5 {
		t.Error(n)
	}
}

func TestSteadyReadsMakeNoGarbage(t *testing.T) {
	for name, h := range map[string]*Host{
		"v1": host(t, procTree(v1Cgroups), v1Tree("docker/"+id)),
		"v2": host(t, procTree("0::/docker/"+id+"\n"), v2Tree("docker/"+id)),
	} {
		c, err := h.Container(id, 4711)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var o dockerstats.Object
		if n := testing.AllocsPerRun(50, func() {
			if h.Refresh() != nil || c.Read(&o, true, true) != nil {
				t.Error("read failed")
			}
		}); n > 1 {
			t.Errorf("%s: %v allocations per sample", name, n)
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte("cache 5648384\nrss 1003520\n"))
	f.Add([]byte("253:0 Read 4096\n253:0 77\nTotal 12288\n"))
	f.Add([]byte("259:0 rbytes=638976 wbytes=4096 rios=17\n8:0 \n"))
	f.Add([]byte(v1Cgroups))
	f.Add([]byte("max\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		values, _ := memoryV2.parse(text, nil)
		if len(values) != len(memoryV2.names) {
			t.Error(values)
		}
		numbers(text, nil)
		for _, e := range blkioEntries(text, nil) {
			if len(e.Op) > len(text) {
				t.Error(e)
			}
		}
		if n := len(ioStat(text, nil)); n%2 != 0 {
			t.Error(n)
		}
		var cpu dockerstats.CPU
		cpuStat(text, &cpu)
		number(text)
		for _, where := range parseMembership(text) {
			for _, place := range candidates(where, id) {
				if !filepath.IsLocal(place) {
					t.Errorf("%q leads out of the tree", place)
				}
			}
		}
	})
}

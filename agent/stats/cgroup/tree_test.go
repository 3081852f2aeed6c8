package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const id = "1d7dff4cd910939d4911f540dc79987ffa9924fef0042a7bb901f96f1e77fda4"

// tree is a set of files with their contents, by path; a path that ends with a slash is an empty directory.
type tree map[string]string

func (tr tree) write(t testing.TB, root string) {
	t.Helper()
	for path, content := range tr {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "/") {
			if err := os.MkdirAll(full, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// under puts all files into a directory.
func (tr tree) under(dir string) tree {
	moved := tree{}
	for path, content := range tr {
		moved[dir+"/"+path] = content
	}
	return moved
}

func merged(trees ...tree) tree {
	all := tree{}
	for _, tr := range trees {
		for path, content := range tr {
			all[path] = content
		}
	}
	return all
}

// procTree is a proc file system with the process 4711.
func procTree(cgroups string) tree {
	return tree{
		"proc/stat":        "cpu  100 20 300 4000 50 6 7 800 0 0\ncpu0 50 10 150 2000 25 3 4 400 0 0\ncpu1 50 10 150 2000 25 3 3 400 0 0\nintr 1 2 3\n",
		"proc/meminfo":     "MemTotal:       16384000 kB\nMemFree:         1 kB\n",
		"proc/4711/cgroup": cgroups,
		"proc/4711/net/dev": `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:      99      99    0    0    0     0          0         0       99      99    0    0    0     0       0          0
  eth0: 564655295  384960    1    2    0     0          0         0  3043269   54355    3    4    0     0       0          0
 tunl0:       7       7    0    0    0     0          0         0        7       7    0    0    0     0       0          0
`,
	}
}

// v1Tree are the controllers of cgroup v1 with one container below dir; cpu and cpuacct are mounted together.
func v1Tree(dir string) tree {
	return tree{
		"cgroup/cpu,cpuacct/" + dir + "/cpuacct.usage":             "27457649\n",
		"cgroup/cpu,cpuacct/" + dir + "/cpuacct.usage_percpu":      "10878187 16579462 \n",
		"cgroup/cpu,cpuacct/" + dir + "/cpuacct.stat":              "user 2\nsystem 1\n",
		"cgroup/cpu,cpuacct/" + dir + "/cpu.stat":                  "nr_periods 10\nnr_throttled 4\nthrottled_time 77\nwait_sum 5\n",
		"cgroup/memory/" + dir + "/memory.usage_in_bytes":          "7159808\n",
		"cgroup/memory/" + dir + "/memory.max_usage_in_bytes":      "7610368\n",
		"cgroup/memory/" + dir + "/memory.failcnt":                 "3\n",
		"cgroup/memory/" + dir + "/memory.limit_in_bytes":          "67108864\n",
		"cgroup/memory/" + dir + "/memory.stat":                    "cache 5648384\nrss 1003520\nshmem 1\nmapped_file 4763648\npgfault 1394\ninactive_file 5648384\nhierarchical_memory_limit 67108864\ntotal_cache 5648384\ntotal_rss 1003520\n",
		"cgroup/blkio/" + dir + "/blkio.throttle.io_service_bytes": "253:0 Read 4096\n253:0 Write 8192\n253:0 Sync 8192\n253:0 Async 4096\n253:0 Discard 0\n253:0 Total 12288\nTotal 12288\n",
		"cgroup/blkio/" + dir + "/blkio.throttle.io_serviced":      "253:0 Read 1\n253:0 Write 2\nTotal 3\n",
		"cgroup/pids/" + dir + "/pids.current":                     "7\n",
		"cgroup/pids/" + dir + "/pids.max":                         "max\n",
	}
}

// v2Tree is the unified hierarchy with one container in dir.
func v2Tree(dir string) tree {
	return merged(tree{"cgroup/cgroup.controllers": "cpuset cpu io memory pids\n"}, tree{
		"cpu.stat":       "usage_usec 360968\nuser_usec 280000\nsystem_usec 80000\ncore_sched.force_idle_usec 0\nnr_periods 10\nnr_throttled 4\nthrottled_usec 77\nnr_bursts 0\nburst_usec 0\n",
		"memory.current": "1806336\n",
		"memory.max":     "134217728\n",
		"memory.events":  "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\n",
		"memory.stat":    "anon 737280\nfile 425984\nkernel 1000\nslab_reclaimable 5\ninactive_anon 737280\ninactive_file 425984\npgfault 1600\npgmajfault 2\nworkingset_refault_anon 9\n",
		"io.stat":        "259:0 rbytes=638976 wbytes=4096 rios=17 wios=1 dbytes=0 dios=0\n8:0 \n253:1 rios=1 wbytes=3 rbytes=2\n",
		"pids.current":   "3\n",
		"pids.max":       "4624\n",
	}.under("cgroup/"+dir))
}

const v1Cgroups = "9:name=systemd:/docker/" + id + "\n8:pids:/docker/" + id + "\n7:blkio:/docker/" + id + "\n4:memory:/docker/" + id + "\n2:cpu,cpuacct:/docker/" + id + "\n0::/docker/" + id + "\n"

// host opens a tree.
func host(t testing.TB, trees ...tree) *Host {
	t.Helper()
	root := t.TempDir()
	merged(trees...).write(t, root)
	h, err := Open(filepath.Join(root, "cgroup"), filepath.Join(root, "hostproc"), filepath.Join(root, "proc"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

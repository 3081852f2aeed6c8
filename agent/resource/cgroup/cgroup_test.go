package cgroup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

const (
	arn  = "arn:aws:ecs:us-west-2:123456789012:task/demo/0f1e2d3c4b5a"
	root = "/ecs/0f1e2d3c4b5a"
)

// limitCase is a task and what its cgroup is to be.
type limitCase struct {
	name       string
	cpu        float64
	memory     int64
	containers []*task.Container
	period     time.Duration
	pids       int
	saved      string            // resourceSpec in agent.db
	v1, v2     map[string]string // files, below the task's cgroup
	slice      string            // properties of the slice that depend on the limits
}

var limitCases = []limitCase{
	{
		name: "CPU and memory of the task", cpu: 0.5, memory: 512,
		containers: []*task.Container{{Memory: 256}, {CPU: 512, Memory: 512}},
		saved:      `{"cpu":{"quota":50000,"period":100000},"memory":{"limit":536870912}}`,
		v1:         map[string]string{"cpu/cpu.cfs_period_us": "100000", "cpu/cpu.cfs_quota_us": "50000", "memory/memory.limit_in_bytes": "536870912", "memory/memory.use_hierarchy": "1"},
		v2:         map[string]string{"cpu.max": "50000 100000", "memory.max": "536870912"},
		slice:      "MemoryMax=536870912 CPUQuotaPerSecUSec=500000",
	},
	{
		name: "systemd gets whole percents, rounded up", cpu: 0.125, containers: []*task.Container{{}},
		saved: `{"cpu":{"quota":12500,"period":100000}}`,
		v1:    map[string]string{"cpu/cpu.cfs_period_us": "100000", "cpu/cpu.cfs_quota_us": "12500", "memory/memory.use_hierarchy": "1"},
		v2:    map[string]string{"cpu.max": "12500 100000"},
		slice: "CPUQuotaPerSecUSec=130000",
	},
	{
		name: "parts of a microsecond are dropped", cpu: 0.333333, containers: []*task.Container{{}},
		saved: `{"cpu":{"quota":33333,"period":100000}}`,
		v1:    map[string]string{"cpu/cpu.cfs_period_us": "100000", "cpu/cpu.cfs_quota_us": "33333", "memory/memory.use_hierarchy": "1"},
		v2:    map[string]string{"cpu.max": "33333 100000"},
		slice: "CPUQuotaPerSecUSec=340000",
	},
	{
		name: "without a CPU limit the shares of the containers count, two at least each", containers: []*task.Container{{Memory: 100}, {CPU: 1}, {CPU: 10}, {CPU: 700, Type: task.NamespacePause}},
		saved: `{"cpu":{"shares":14}}`,
		v1:    map[string]string{"cpu/cpu.shares": "14", "memory/memory.use_hierarchy": "1"},
		v2:    map[string]string{"cpu.weight": "1"},
		slice: "CPUWeight=1",
	},
	{
		name: "no more shares than the kernel takes", containers: []*task.Container{{CPU: 262144}, {CPU: 10}},
		saved: `{"cpu":{"shares":262144}}`,
		v1:    map[string]string{"cpu/cpu.shares": "262144", "memory/memory.use_hierarchy": "1"},
		v2:    map[string]string{"cpu.weight": "10000"},
		slice: "CPUWeight=10000",
	},
	{
		name: "memory and processes", memory: 1024, pids: 1000, containers: []*task.Container{{CPU: 256, Memory: 1024}},
		saved: `{"cpu":{"shares":256},"memory":{"limit":1073741824},"pids":{"limit":1000}}`,
		v1:    map[string]string{"cpu/cpu.shares": "256", "memory/memory.limit_in_bytes": "1073741824", "pids/pids.max": "1000", "memory/memory.use_hierarchy": "1"},
		v2:    map[string]string{"cpu.weight": "10", "memory.max": "1073741824", "pids.max": "1000"},
		slice: "MemoryMax=1073741824 CPUWeight=10 TasksAccounting=true TasksMax=1000",
	},
	{
		name: "a shorter period", cpu: 2, memory: 2048, period: 10 * time.Millisecond, containers: []*task.Container{{}},
		saved: `{"cpu":{"quota":20000,"period":10000},"memory":{"limit":2147483648}}`,
		v1:    map[string]string{"cpu/cpu.cfs_period_us": "10000", "cpu/cpu.cfs_quota_us": "20000", "memory/memory.limit_in_bytes": "2147483648", "memory/memory.use_hierarchy": "1"},
		v2:    map[string]string{"cpu.max": "20000 10000", "memory.max": "2147483648"},
		slice: "MemoryMax=2147483648 CPUQuotaPerSecUSec=2000000",
	},
}

// plan gives the craft, the task and its resource for a case.
func (c *limitCase) plan(t *testing.T, tree *Tree) (*Craft, *task.Task, *task.Resource) {
	t.Helper()
	if c.period == 0 {
		c.period = 100 * time.Millisecond
	}
	k := &Craft{Tree: tree, Enabled: true, Period: c.period, Pids: c.pids}
	owner := &task.Task{ARN: arn, CPU: c.cpu, Memory: c.memory, Containers: c.containers}
	resources, err := k.Plan(owner)
	if err != nil || len(resources) != 1 || !owner.LimitsEnabled {
		t.Fatalf("%v, %v, limits %t", resources, err, owner.LimitsEnabled)
	}
	return k, owner, &resources[0]
}

func TestLimits(t *testing.T) {
	for _, c := range limitCases {
		t.Run(c.name, func(t *testing.T) {
			_, _, r := c.plan(t, &Tree{Mount: "/sys/fs/cgroup"})
			if r.Kind != "cgroup" || r.Name != "cgroup" {
				t.Errorf("resource %s %s", r.Kind, r.Name)
			}
			want := `{"cgroupRoot":"` + root + `","cgroupMountPath":"/sys/fs/cgroup","resourceSpec":` + c.saved + `}`
			if diff := cmp.Diff(parse(t, want), parse(t, string(r.Spec))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func parse(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTasksThatCannotHaveACgroup(t *testing.T) {
	for _, c := range []struct {
		name string
		task task.Task
		want string
	}{
		{"a container larger than its task", task.Task{ARN: arn, CPU: 1, Memory: 256, Containers: []*task.Container{{Memory: 100}, {Memory: 300}}},
			"cgroup resource: unable to build resource spec for task: task memory spec builder: container memory limit(300) greater than task memory limit(256)"},
		{"an ARN without an id", task.Task{ARN: "arn:aws:ecs:us-west-2:1:task"},
			"cgroup resource: unable to determine cgroup root for task: task arn format invalid: arn:aws:ecs:us-west-2:1:task"},
	} {
		k := &Craft{Tree: &Tree{}, Enabled: true, Period: 100 * time.Millisecond}
		if _, err := k.Plan(&c.task); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNoCgroupWhileLimitsAreOff(t *testing.T) {
	owner := &task.Task{ARN: arn, CPU: 1, Memory: 256}
	resources, err := (&Craft{Tree: &Tree{}}).Plan(owner)
	if len(resources) != 0 || err != nil || owner.LimitsEnabled {
		t.Errorf("%v, %v, limits %t", resources, err, owner.LimitsEnabled)
	}
}

func TestWeightIsAlwaysInTheKernelsRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Uint64Range(0, maxShares).Draw(t, "a"), rapid.Uint64Range(0, maxShares).Draw(t, "b")
		low, high := (&CPU{Shares: min(a, b)}).weight(), (&CPU{Shares: max(a, b)}).weight()
		if low < 1 || high > 10000 || low > high {
			t.Fatalf("%d → %d, %d → %d", min(a, b), low, max(a, b), high)
		}
	})
}

// files makes empty files, as the kernel does in a new cgroup.
func files(t *testing.T, dir string, names ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// values are the files below dir that are not empty; of those in a directory called like a cgroup, without that part.
func values(t *testing.T, dir, cgroup string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if name, inside := strings.CutPrefix(strings.Replace(path, cgroup, "", 1), dir+"/"); inside && strings.Contains(path, cgroup) && len(text) > 0 {
			found[name] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestV1FilesOfATask(t *testing.T) {
	for _, c := range limitCases {
		t.Run(c.name, func(t *testing.T) {
			mount := t.TempDir()
			for _, h := range []string{"cpu", "memory", "pids", "systemd"} {
				files(t, filepath.Join(mount, h), "cgroup.procs")
				files(t, filepath.Join(mount, h, "ecs"), "cgroup.procs")
				files(t, filepath.Join(mount, h, root), "cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "memory.limit_in_bytes", "memory.use_hierarchy", "pids.max")
			}
			tree := &Tree{Mount: mount}
			if err := tree.Setup(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			k, owner, r := c.plan(t, tree)
			for range 2 { // a second time changes nothing
				if err := k.Create(t.Context(), owner, r); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.v1, values(t, mount, root)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestV1CpusetsAreThoseOfTheCgroupAbove(t *testing.T) {
	mount := t.TempDir()
	top := filepath.Join(mount, "cpuset")
	files(t, top, "cgroup.procs")
	files(t, filepath.Join(top, "ecs"), "cpuset.cpus", "cpuset.mems")
	files(t, filepath.Join(top, root), "cpuset.cpus", "cpuset.mems")
	for file, value := range map[string]string{"cpuset.cpus": "0-3\n", "cpuset.mems": "0\n", "ecs/cpuset.cpus": "1"} {
		if err := os.WriteFile(filepath.Join(top, file), []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := inheritCPUSet(top, root); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"cpuset.cpus": "1", "cpuset.mems": "0"}
	if diff := cmp.Diff(want, values(t, top, root)); diff != "" {
		t.Error(diff)
	}
}

func TestV2FilesOfATask(t *testing.T) {
	for _, c := range limitCases {
		t.Run(c.name, func(t *testing.T) {
			mount := t.TempDir()
			unified(t, mount, root)
			tree := &Tree{Mount: mount, Unified: true}
			k, owner, r := c.plan(t, tree)
			if err := k.Create(t.Context(), owner, r); err != nil {
				t.Fatal(err)
			}
			got := values(t, mount, root)
			delete(got, controllersFile) // the kernel's
			if diff := cmp.Diff(c.v2, got); diff != "" {
				t.Error(diff)
			}
			for _, dir := range []string{mount, filepath.Join(mount, "ecs")} {
				text, err := os.ReadFile(filepath.Join(dir, subtreeFile))
				if err != nil || !strings.HasPrefix(string(text), "+cpu +memory") {
					t.Errorf("controllers below %s: %q, %v", dir, text, err)
				}
			}
		})
	}
}

// unified makes what the kernel makes on the way to a cgroup.
func unified(t *testing.T, mount, cgroup string) {
	t.Helper()
	dir := mount
	for name := range strings.SplitSeq(cgroup, "/") {
		dir = filepath.Join(dir, name)
		files(t, dir, "cgroup.procs", subtreeFile, "cpu.max", "cpu.weight", "memory.max", "pids.max")
		if err := os.WriteFile(filepath.Join(dir, controllersFile), []byte("cpuset cpu io memory pids\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTreesThatCannotBeUsed(t *testing.T) {
	for _, c := range []struct {
		name    string
		tree    func(mount string) *Tree
		explain string
	}{
		{"nothing mounted", func(mount string) *Tree { return &Tree{Mount: mount} }, `the cgroup hierarchy "cpu" is not at `},
		{"no memory hierarchy", func(mount string) *Tree {
			files(t, filepath.Join(mount, "cpu"), "cgroup.procs")
			return &Tree{Mount: mount}
		}, `the cgroup hierarchy "memory" is not at `},
		{"no processes hierarchy", func(mount string) *Tree {
			files(t, filepath.Join(mount, "cpu"), "cgroup.procs")
			files(t, filepath.Join(mount, "memory"), "cgroup.procs")
			return &Tree{Mount: mount}
		}, `the cgroup hierarchy "pids" is not at `},
		{"not a cgroup file system", func(mount string) *Tree {
			for _, h := range []string{"cpu", "memory", "pids"} {
				files(t, filepath.Join(mount, h), "cgroup.procs")
			}
			return &Tree{Mount: mount}
		}, "cgroup.procs: no such file or directory"},
		{"v2 without controllers", func(mount string) *Tree {
			files(t, mount, controllersFile, subtreeFile)
			return &Tree{Mount: mount, Unified: true}
		}, `the controller "cpu" is not in `},
		{"v2, read-only", func(mount string) *Tree {
			unified(t, mount, "/ecs")
			if err := os.Remove(filepath.Join(mount, subtreeFile)); err != nil {
				t.Fatal(err)
			}
			return &Tree{Mount: mount, Unified: true}
		}, "enable the controllers cpu, memory, pids: "},
		{"a part of v1", func(mount string) *Tree {
			files(t, filepath.Join(mount, "memory"), "cgroup.procs")
			return &Tree{Mount: mount, Contained: true}
		}, "shows the agent's own cgroup, not the host's"},
		{"a part of v2", func(mount string) *Tree {
			files(t, mount, "cgroup.type")
			return &Tree{Mount: mount, Contained: true, Unified: true}
		}, "shows the agent's own cgroup, not the host's"},
		{"no systemd", func(mount string) *Tree {
			return &Tree{Mount: mount, Systemd: true, Bus: "unix:path=" + mount + "/bus"}
		}, "connect to systemd at unix:path="},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.tree(t.TempDir()).Setup(t.Context(), true); err == nil || !strings.Contains(err.Error(), c.explain) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestWhatFailsHasOneReason(t *testing.T) {
	k := &Craft{Tree: &Tree{Mount: t.TempDir()}}
	for _, text := range []string{`{"cgroupRoot":"/ecs/x","resourceSpec":{}}`, `{"cgroupRoot":"../x"}`, `[]`} {
		err := k.Create(t.Context(), &task.Task{ARN: arn}, &task.Resource{Spec: json.RawMessage(text)})
		if !errors.Is(err, errCannotMake) || err.Error() != "CgroupError: Agent could not create task's platform resources" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestRemoveTakesWhatContainersLeftAlong(t *testing.T) {
	mount := t.TempDir()
	for _, h := range []string{"cpu", "memory"} {
		files(t, filepath.Join(mount, h), "cgroup.procs")
		for _, dir := range []string{root + "/c1/nested", root + "/c2", "/ecs/other"} {
			files(t, filepath.Join(mount, h, dir))
		}
	}
	k := &Craft{Tree: &Tree{Mount: mount}}
	r := &task.Resource{Spec: json.RawMessage(`{"cgroupRoot":"` + root + `"}`)}
	for range 2 { // the second time it is gone
		if err := k.Remove(t.Context(), nil, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range []string{"cpu", "memory"} {
		left, err := os.ReadDir(filepath.Join(mount, h, "ecs"))
		if err != nil || len(left) != 1 || left[0].Name() != "other" {
			t.Errorf("%s: %v, %v", h, left, err)
		}
	}
}

func TestOnlyCgroupsOfTasksAreTouched(t *testing.T) {
	for name, fine := range map[string]bool{
		"/ecs/a": true, "/ecs/cluster/a": true, "ecstasks-a.slice": true, "ecstasks-a-b.slice": true,
		"": false, "/": false, "/ecs": false, "/ecs/": false, "/ecs/.": false, "/ecs/..": false, "/ecs/../docker": false, "/ecs/a/../../docker": false,
		"/docker/a": false, "ecs/a": false, "system.slice": false, "ecstasks-../a.slice": false, "/ecs/a.slice": false,
	} {
		if err := checkRoot(name); (err == nil) != fine {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestSweepTakesOldCgroupsOfUnknownTasks(t *testing.T) {
	for _, c := range []struct {
		name string
		tree *Tree
		want string
	}{
		{"v1", &Tree{}, "memory/ecs: [known new]"},
		{"v2", &Tree{Unified: true}, "ecs: [known new]"},
		{"of systemd", &Tree{Systemd: true}, "memory/ecs: [known new old]"},
	} {
		mount := t.TempDir()
		c.tree.Mount = mount
		below := "memory/ecs"
		if c.tree.Unified {
			below = "ecs"
		}
		files(t, filepath.Join(mount, "memory"), "cgroup.procs")
		now := time.Now()
		for name, age := range map[string]time.Duration{"known": time.Hour, "new": 0, "old/container": time.Hour} {
			dir := filepath.Join(mount, below, name)
			files(t, dir)
			if err := os.Chtimes(filepath.Join(mount, below, strings.Split(name, "/")[0]), now, now.Add(-age)); err != nil {
				t.Fatal(err)
			}
		}
		c.tree.Sweep(t.Context(), now.Add(-time.Minute), func(id string) bool { return id == "known" })
		left, err := os.ReadDir(filepath.Join(mount, below))
		var names []string
		for _, e := range left {
			names = append(names, e.Name())
		}
		if got := fmt.Sprintf("%s: %v", below, names); got != c.want || err != nil {
			t.Errorf("%s: left %s, %v", c.name, got, err)
		}
	}
}

func TestTheCgroupOfATaskIsThereAgainAfterARestartOfTheHost(t *testing.T) {
	mount := t.TempDir()
	k := &Craft{Tree: &Tree{Mount: mount, Unified: true}}
	spec := json.RawMessage(`{"cgroupRoot":"` + root + `","resourceSpec":{"memory":{"limit":4096}}}`)
	of := func(known task.Status, r task.ResourceStatus) *task.Task {
		return &task.Task{ARN: arn, Known: known, Resources: task.Resources{{Kind: task.ResourceCgroup, Name: task.ResourceCgroup, Known: r, Spec: spec}}}
	}
	for _, c := range []struct {
		name string
		task *task.Task
		made bool
	}{
		{"it had one", of(task.Running, task.ResourceCreated), true},
		{"it has ended", of(task.Stopped, task.ResourceCreated), false},
		{"its turn is still to come", of(task.None, task.ResourceNone), false},
		{"it has none", &task.Task{ARN: arn, Known: task.Running}, false},
	} {
		if err := os.RemoveAll(filepath.Join(mount, "ecs")); err != nil {
			t.Fatal(err)
		}
		unified(t, mount, "")
		k.Restore(t.Context(), c.task)
		if k.Tree.has(root) != c.made {
			t.Errorf("%s: made %t", c.name, !c.made)
		}
	}

	unified(t, mount, root) // there, with a limit that somebody set by hand
	if err := os.WriteFile(filepath.Join(mount, root, "memory.max"), []byte("8192"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.Restore(t.Context(), of(task.Running, task.ResourceCreated))
	if text, err := os.ReadFile(filepath.Join(mount, root, "memory.max")); string(text) != "8192" {
		t.Errorf("memory.max is %s, %v", text, err)
	}
}

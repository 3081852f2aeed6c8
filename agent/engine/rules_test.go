package engine

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// readCases loads a list of cases from testdata.
func readCases[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func oneContainer(c task.Container) *task.Task {
	c.Name = "c"
	if c.Image == "" {
		c.Image = "busybox"
	}
	return &task.Task{ARN: "arn:aws:ecs:us-west-2:123456789012:task/default/t1", Containers: []*task.Container{&c}, Engine: task.Progress{Admitted: true}}
}

// stepTo is the step that leads to a status.
var stepTo = map[task.ContainerStatus]task.Step{
	task.ContainerManifestPulled:       task.StepResolveManifest,
	task.ContainerPulled:               task.StepPull,
	task.ContainerCreated:              task.StepCreate,
	task.ContainerRunning:              task.StepStart,
	task.ContainerResourcesProvisioned: task.StepProvision,
	task.ContainerStopped:              task.StepStop,
}

func TestNextStateOfAContainer(t *testing.T) {
	type row struct {
		Steady, Known, Desired, InFlight, Next task.ContainerStatus
		CallDocker                             bool
	}
	for _, r := range readCases[row](t, "next_state.json") {
		tk := oneContainer(task.Container{Known: r.Known, Desired: r.Desired, SteadyStatus: &r.Steady,
			Engine: task.ContainerProgress{Step: stepTo[r.InFlight]}})
		tk.Desired = task.None
		out := Apply(tk, Tick{}, noon, Rules{}).Task
		steps, _ := Plan(out, noon, Rules{})
		got := task.ContainerNone
		if out.Containers[0].Known != r.Known {
			got = out.Containers[0].Known
		} else if len(steps) == 1 {
			for status, step := range stepTo {
				if steps[0].Step == step {
					got = status
				}
			}
		}
		if got != r.Next || (len(steps) == 1) != r.CallDocker {
			t.Errorf("known %s desired %s in flight %s (steady %s): next %s with %d calls, want %s (call %v)",
				r.Known, r.Desired, r.InFlight, r.Steady, got, len(steps), r.Next, r.CallDocker)
		}
	}
}

func TestDependsOn(t *testing.T) {
	type row struct {
		Condition  task.Condition
		Target     struct{ Known, Desired task.ContainerStatus }
		Dependency struct {
			Known, Desired, Steady, InFlight task.ContainerStatus
			ExitCode                         *int
			Health                           string
			HealthCheckType                  string
			StartTimeout                     uint
			StartedSecondsAgo                *int
		}
		PullUpfront           bool
		Result, ErrorContains string
	}
	health := map[string]task.HealthStatus{"HEALTHY": task.HealthHealthy, "UNHEALTHY": task.HealthUnhealthy}
	for _, r := range readCases[row](t, "depends_on.json") {
		d := r.Dependency
		dep := &task.Container{Name: "dep", Image: "busybox", Known: d.Known, Desired: d.Desired, SteadyStatus: &d.Steady, ExitCode: d.ExitCode,
			HealthCheckType: d.HealthCheckType, StartTimeout: d.StartTimeout, Health: task.Health{Status: health[d.Health]},
			Engine: task.ContainerProgress{Step: stepTo[d.InFlight]}}
		if d.StartedSecondsAgo != nil {
			dep.StartedAt = noon.Add(-time.Duration(*d.StartedSecondsAgo) * time.Second)
		}
		target := &task.Container{Name: "c", Image: "busybox", Known: r.Target.Known, Desired: r.Target.Desired,
			DependsOn: []task.Dependency{{Container: "dep", Condition: r.Condition}}}
		tk := &task.Task{Containers: []*task.Container{target, dep}}
		never, wait := neverStarts(tk, target, noon), ready(tk, target, noon, Rules{PullUpfront: r.PullUpfront})
		got := "ok"
		switch {
		case target.Desired == task.ContainerStopped: // has to stop: waits for nothing
		case never != nil:
			got = "terminal"
			if !strings.Contains(never.Error(), r.ErrorContains) {
				t.Errorf("%+v: error %q lacks %q", r, never, r.ErrorContains)
			}
		case wait != nil:
			got = "blocked"
			if !errors.Is(wait, errBlocked) {
				t.Errorf("%+v: %v is not a wait", r, wait)
			}
		}
		if got != r.Result {
			t.Errorf("%s on %s->%s (exit %v health %s/%q timeout %d): target %s->%s is %s, want %s",
				r.Condition, d.Known, d.Desired, d.ExitCode, d.Health, d.HealthCheckType, d.StartTimeout, r.Target.Known, r.Target.Desired, got, r.Result)
		}
	}
}

func TestUnknownDependencyCanNeverBeMet(t *testing.T) {
	c := &task.Container{Name: "c", Image: "i", Desired: task.ContainerRunning, DependsOn: []task.Dependency{{Container: "nobody", Condition: task.ConditionStart}}}
	err := neverStarts(&task.Task{Containers: []*task.Container{c}}, c, noon)
	if err == nil || err.Error() != "container ordering dependency [<nil>] for target [c(i) (NONE->RUNNING)] does not exist." {
		t.Errorf("got %v", err)
	}
}

func TestRestartPolicy(t *testing.T) {
	type row struct {
		Policy                                     task.RestartPolicy
		ExitCode                                   *int
		SecondsSinceStart, SecondsSinceLastRestart int
		Desired                                    task.ContainerStatus
		Restart                                    bool
		Reason                                     string
	}
	for _, r := range readCases[row](t, "restart_policy.json") {
		c := &task.Container{RestartPolicy: &r.Policy, ExitCode: r.ExitCode, Desired: r.Desired,
			StartedAt: noon.Add(-time.Duration(r.SecondsSinceStart) * time.Second)}
		if r.SecondsSinceLastRestart > 0 {
			c.Restarts = &task.RestartTracker{Last: noon.Add(-time.Duration(r.SecondsSinceLastRestart) * time.Second)}
		}
		if restart, reason := mayRestart(c, noon); restart != r.Restart || reason != r.Reason {
			t.Errorf("%+v: got %v %q", r, restart, reason)
		}
	}
}

func TestWhatStatisticsNeedAfterARestartIsSavedWithTheContainer(t *testing.T) {
	tk := oneContainer(task.Container{Known: task.ContainerRunning, Desired: task.ContainerRunning})
	out := Apply(tk, RestartStatsSet{Container: "c", Data: []byte(`{"LastRestartDetectedAt":"2026-01-02T12:00:00Z"}`)}, noon, Rules{})
	saved := out.Task.Containers[0].RestartStats
	if saved == nil || string(*saved) != `{"LastRestartDetectedAt":"2026-01-02T12:00:00Z"}` || !out.SaveContainers[0] || tk.Containers[0].RestartStats != nil {
		t.Errorf("%v %v", saved, out.SaveContainers)
	}
	if out := Apply(tk, RestartStatsSet{Container: "other", Data: []byte(`{}`)}, noon, Rules{}); out.Task.Containers[0].RestartStats != nil {
		t.Error("kept for another container")
	}
}

func TestFileSystemsWaitForTheNetworkOfTheTask(t *testing.T) {
	fileSystem := task.Resource{Kind: task.ResourceDockerVolume, Name: "files", Desired: task.ResourceCreated, Spec: []byte(`{"volumeType":"efs"}`)}
	plain := task.Resource{Kind: task.ResourceDockerVolume, Name: "plain", Desired: task.ResourceCreated, Spec: []byte(`{}`)}
	for _, c := range []struct {
		mode  string
		pause task.ContainerStatus
		want  []string
	}{
		{"awsvpc", task.ContainerRunning, []string{"plain"}},
		{"awsvpc", task.ContainerResourcesProvisioned, []string{"files", "plain"}},
		{"bridge", task.ContainerNone, []string{"files", "plain"}},
	} {
		tsk := &task.Task{NetworkMode: c.mode, Desired: task.Running, Resources: task.Resources{fileSystem, plain}, Engine: task.Progress{Admitted: true},
			Containers: []*task.Container{{Name: "pause", Type: task.CNIPause, Known: c.pause, Desired: c.pause}}}
		steps, _ := Plan(tsk, time.Now(), Rules{})
		var got []string
		for _, s := range steps {
			if s.Kind == CreateResource {
				got = append(got, s.Resource.Name)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s, pause container %s: %v, want %v", c.mode, c.pause, got, c.want)
		}
	}
}

func TestTaskStatusOfAContainer(t *testing.T) {
	type row struct {
		Steady, Container task.ContainerStatus
		Task              task.Status
	}
	for _, r := range readCases[row](t, "container_to_task.json") {
		c := &task.Container{Known: r.Container, SteadyStatus: &r.Steady}
		if got := c.TaskStatus(); got != r.Task {
			t.Errorf("%s (steady %s) stands for %s, want %s", r.Container, r.Steady, got, r.Task)
		}
	}
}

func TestDerivedTaskStatus(t *testing.T) {
	type row struct {
		Name       string
		TaskKnown  task.Status
		Containers []struct {
			Known, Steady task.ContainerStatus
			Essential     bool
		}
		NewTaskKnown, NewTaskDesired *task.Status
	}
	for _, r := range readCases[row](t, "task_status.json") {
		tk := &task.Task{Known: r.TaskKnown, Desired: task.Running}
		for _, c := range r.Containers {
			tk.Containers = append(tk.Containers, &task.Container{Known: c.Known, SteadyStatus: &c.Steady, Essential: c.Essential})
		}
		w := newWork(tk, noon, Rules{})
		w.derive()
		want := r.TaskKnown
		if r.NewTaskKnown != nil {
			want = *r.NewTaskKnown
		}
		if w.t.Known != want {
			t.Errorf("%s: known %s, want %s", r.Name, w.t.Known, want)
		}
		if r.NewTaskDesired != nil && w.t.Desired != *r.NewTaskDesired {
			t.Errorf("%s: desired %s, want %s", r.Name, w.t.Desired, *r.NewTaskDesired)
		}
	}
}

func TestDemandOnTheHost(t *testing.T) {
	type row struct {
		Name string
		Task struct {
			Cpu         float64
			Memory      int64
			NetworkMode string
			Containers  []struct {
				Cpu, Memory  uint
				GPUIDs       []string
				PortMappings []task.PortMapping
				HostConfig   json.RawMessage
			}
		}
		Resources struct {
			CPU    int64    `json:"CPU"`
			Memory int64    `json:"MEMORY"`
			TCP    []string `json:"PORTS_TCP"`
			UDP    []string `json:"PORTS_UDP"`
			GPU    []string `json:"GPU"`
		}
	}
	for _, r := range readCases[row](t, "demand.json") {
		tk := &task.Task{CPU: r.Task.Cpu, Memory: r.Task.Memory, NetworkMode: r.Task.NetworkMode}
		for _, c := range r.Task.Containers {
			host := string(c.HostConfig)
			tk.Containers = append(tk.Containers, &task.Container{CPU: c.Cpu, Memory: c.Memory, GPUIDs: c.GPUIDs, Ports: c.PortMappings,
				DockerConfig: task.DockerConfig{HostConfig: &host}})
		}
		got := demandOf(tk)
		if got.cpu != r.Resources.CPU || got.memory != r.Resources.Memory || len(got.tcp) != len(r.Resources.TCP) || len(got.udp) != len(r.Resources.UDP) || len(got.gpus) != len(r.Resources.GPU) {
			t.Errorf("%s: got %+v, want %+v", r.Name, got, r.Resources)
		}
	}
}

// TestAStopAsksDockerAboutAStartOfAKilledAgent: the call may still be under way when the next agent lists the container as
// created.
func TestAStopAsksDockerAboutAStartOfAKilledAgent(t *testing.T) {
	for name, id := range map[string]string{"recorded": "docker-web", "created but never recorded": ""} {
		t.Run(name, func(t *testing.T) {
			c := &task.Container{Name: "web", Essential: true, RuntimeID: id, RuntimeName: "ecs-web", Known: task.ContainerPulled, Desired: task.ContainerRunning}
			tk := &task.Task{ARN: testARN, Desired: task.Running, Known: task.ManifestPulled, Containers: []*task.Container{c}}
			tk.Engine.Admitted = true
			listed := &task.ContainerState{RuntimeID: "docker-web", Name: "ecs-web", Status: task.ContainerCreated}
			tk = Apply(tk, Listed{Containers: map[string]*task.ContainerState{"web": listed}, Restored: true}, noon, Rules{}).Task
			tk = Apply(tk, DesiredChanged{task.Stopped}, noon, Rules{}).Task
			steps, _ := Plan(tk, noon, Rules{})
			if tk.Known.Terminal() || !slices.Contains(steps, Step{Kind: RunContainer, Container: "web", Step: task.StepStop}) {
				t.Fatalf("task is %s, steps %+v, want a stop of the container", tk.Known, steps)
			}
			code := 137
			ended := &task.ContainerState{RuntimeID: "docker-web", Status: task.ContainerStopped, ExitCode: &code}
			tk = Apply(tk, StepDone{Container: "web", Step: task.StepStop, State: ended}, noon, Rules{}).Task
			if got := tk.Containers[0]; tk.Known != task.Stopped || got.ExitCode == nil || *got.ExitCode != code {
				t.Errorf("task is %s, container %+v", tk.Known, got)
			}
		})
	}
}

// TestWhatIsNotThereIsNotWaitedFor: only records of other agents can ask for it.
func TestWhatIsNotThereIsNotWaitedFor(t *testing.T) {
	for name, c := range map[string]task.Container{
		"a container":            {Transitions: task.TransitionSet{}.RequireContainer(task.ContainerPulled, task.ContainerRequirement{Container: "gone", Status: task.ContainerRunning})},
		"a resource":             {Transitions: task.TransitionSet{}.Require(task.ContainerPulled, task.ResourceRequirement{Name: "gone", Status: int(task.ResourceCreated)})},
		"a legacy dependency":    {RunDependencies: []string{"gone"}},
		"nothing":                {},
		"health, which may come": {DependsOn: []task.Dependency{{Container: "db", Condition: task.ConditionHealthy}}},
	} {
		c.Known, c.Desired, c.Essential = task.ContainerManifestPulled, task.ContainerRunning, true
		tk := oneContainer(c)
		tk.Desired, tk.Known = task.Running, task.ManifestPulled
		if len(c.DependsOn) > 0 {
			tk.Containers = append(tk.Containers, &task.Container{Name: "db", RuntimeID: "db", Known: task.ContainerRunning, Desired: task.ContainerRunning, HealthCheckType: "docker"})
		}
		tk = Apply(tk, Tick{}, noon, Rules{}).Task
		ends := name != "nothing" && len(c.DependsOn) == 0
		if ends != (tk.Known == task.Stopped) || ends && tk.TerminalReason != reasonBadState {
			t.Errorf("%s: %s, %q", name, tk.Known, tk.TerminalReason)
		}
	}
}

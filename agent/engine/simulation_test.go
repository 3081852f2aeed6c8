package engine

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

var (
	simulationSeed = flag.Uint64("seed", 0, "run one simulated schedule only")
	simulationRuns = flag.Int("schedules", defaultSchedules, "how many schedules TestSimulation runs")
)

// TestSimulation runs tasks under random schedules and faults, in virtual time, and checks what must always hold:
// no container twice, none forgotten, statuses only forward, nothing left running behind a STOPPED.
// A failing seed is printed; `go test -run TestSimulation -seed=N` plays it again.
func TestSimulation(t *testing.T) {
	if *simulationSeed != 0 {
		simulate(t, *simulationSeed)
		return
	}
	for seed := uint64(1); seed <= uint64(*simulationRuns) && !t.Failed(); seed++ {
		simulate(t, seed)
	}
}

func simulate(t *testing.T, seed uint64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 2))
		r := newRig(seed)
		r.boot()
		<-r.engine.Ready()
		arns := playRandomly(t, r, rng)
		r.settleDown(arns)
		for _, violation := range r.check(arns) {
			t.Errorf("seed %d: %s", seed, violation)
		}
		if t.Failed() {
			for _, line := range r.ecs.log {
				t.Log(line)
			}
		}
		r.cancel()
		<-r.done
	})
}

// playRandomly takes tasks in and lets things happen to them.
func playRandomly(t *testing.T, r *rig, rng *rand.Rand) []string {
	var arns []string
	for n := 5 + rng.IntN(25); n > 0; n-- {
		switch rng.IntN(12) {
		case 0, 1, 2:
			tk := randomTask(rng, r.docker, len(arns)+1)
			if err := r.engine.Accept(context.Background(), tk); err != nil {
				t.Fatal(err)
			}
			arns = append(arns, tk.ARN)
			if rng.IntN(4) == 0 { // a duplicate payload
				_ = r.engine.Accept(context.Background(), tk)
			}
		case 3, 4:
			if len(arns) > 0 {
				r.engine.Stop(arns[rng.IntN(len(arns))])
			}
		case 5:
			r.docker.kill(rng.IntN(2) == 0)
		case 6, 7:
			r.crash()
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
			r.boot()
			<-r.engine.Ready()
		case 8:
			r.docker.setDown(true, rng.IntN(2) == 0)
			time.Sleep(time.Duration(rng.IntN(10000)) * time.Millisecond)
			r.docker.setDown(false, false)
		case 9:
			r.docker.mu.Lock()
			r.docker.failRate = rng.Float64() * 0.3
			r.docker.mu.Unlock()
		default:
			time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
		}
		time.Sleep(time.Duration(rng.IntN(40)) * time.Millisecond)
	}
	return arns
}

// randomTask has one to four containers that may depend on earlier ones.
func randomTask(rng *rand.Rand, d *fakeDocker, n int) *task.Task {
	t := &task.Task{ARN: fmt.Sprintf("arn:aws:ecs:us-west-2:123456789012:task/default/task%d", n), Family: "f", Revision: "1", Desired: task.Running}
	if rng.IntN(4) == 0 {
		t.PIDMode = "task"
	}
	conditions := []task.Condition{task.ConditionStart, task.ConditionComplete, task.ConditionSuccess}
	for i := range 1 + rng.IntN(4) {
		c := &task.Container{Name: fmt.Sprintf("c%d-%d", n, i), Image: "busybox", Essential: i == 0 || rng.IntN(2) == 0, CPU: 1, Memory: 1}
		if rng.IntN(2) == 0 {
			d.mu.Lock()
			d.lifetimes[c.Name] = lifetime{time.Duration(rng.IntN(2000)) * time.Millisecond, rng.IntN(2)}
			d.mu.Unlock()
		}
		if i > 0 && rng.IntN(2) == 0 {
			c.DependsOn = append(c.DependsOn, task.Dependency{Container: t.Containers[rng.IntN(i)].Name, Condition: conditions[rng.IntN(len(conditions))]})
		}
		if rng.IntN(4) == 0 {
			c.RestartPolicy = &task.RestartPolicy{Enabled: true, AttemptPeriod: 1}
		}
		t.Containers = append(t.Containers, c)
	}
	return t
}

// settleDown ends all faults and stops everything.
func (r *rig) settleDown(arns []string) {
	r.docker.mu.Lock()
	r.docker.failRate = 0
	r.docker.mu.Unlock()
	for _, arn := range arns {
		r.engine.Stop(arn)
	}
	time.Sleep(time.Minute)
}

// check gives what went wrong.
func (r *rig) check(arns []string) []string {
	r.docker.mu.Lock()
	defer r.docker.mu.Unlock()
	r.ecs.mu.Lock()
	defer r.ecs.mu.Unlock()
	bad := append(append([]string(nil), r.docker.violations...), r.ecs.violations...)
	for _, arn := range arns {
		if r.ecs.tasks[arn] != task.Stopped {
			bad = append(bad, fmt.Sprintf("task %s was not reported STOPPED but %s", arn, r.ecs.tasks[arn]))
		}
	}
	for _, f := range r.docker.containers {
		if f.status == task.ContainerRunning {
			bad = append(bad, "still running: "+f.name)
		}
		tk, known := r.engine.Task(f.arn)
		if !known {
			bad = append(bad, "container of a forgotten task: "+f.name)
			continue
		}
		c, _ := tk.Container(f.cname)
		restarts := 0
		if c.Restarts != nil {
			restarts = c.Restarts.Count + r.crashes // the last count before each crash may be lost
		}
		if f.starts > 1+restarts {
			bad = append(bad, fmt.Sprintf("%s started %d times, with %d restarts", f.name, f.starts, restarts))
		}
		key := f.arn + "/" + f.cname
		if f.starts > 0 && r.ecs.containers[key] != task.ContainerStopped {
			bad = append(bad, "ran, but was not reported STOPPED: "+f.name)
		}
	}
	return bad
}

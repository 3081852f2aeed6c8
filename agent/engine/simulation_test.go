package engine

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
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
// A failing seed is printed with the smallest schedule that still fails; `go test -run TestSimulation -seed=N` plays it
// again.
func TestSimulation(t *testing.T) {
	first, last := uint64(1), uint64(*simulationRuns)
	if *simulationSeed != 0 {
		first, last = *simulationSeed, *simulationSeed
	}
	for seed := first; seed <= last; seed++ {
		s := randomSchedule(seed)
		if bad, _ := simulate(t, seed, s); len(bad) == 0 {
			continue
		}
		s = minimise(s, func(s schedule) bool {
			bad, _ := simulate(t, seed, s)
			return len(bad) > 0
		})
		bad, log := simulate(t, seed, s)
		for _, violation := range bad {
			t.Errorf("seed %d: %s", seed, violation)
		}
		t.Logf("the smallest schedule that fails:\n%s", s)
		for _, line := range log {
			t.Log(line)
		}
		t.Fatalf("to play it again: go test -run TestSimulation ./agent/engine -seed=%d", seed)
	}
}

// simulate plays a schedule and gives what went wrong and what ECS heard.
func simulate(t *testing.T, seed uint64, s schedule) (violations, log []string) {
	t.Helper()
	sound := false
	defer func() {
		if !sound {
			fmt.Fprintf(os.Stderr, "the simulation did not get to its end: seed %d\n%s", seed, s)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(seed)
		log = append(log, r.vary(seed))
		r.boot()
		<-r.engine.Ready()
		arns, err := r.play(s)
		r.heal()
		violations = r.stuck()
		r.settleDown(arns)
		violations = append(violations, r.check(arns)...)
		if err != nil {
			violations = append(violations, err.Error())
		}
		log = append(log, r.ecs.log...)
		r.cancel()
		<-r.done
	})
	sound = true
	return violations, log
}

// vary gives the agent other settings with each seed, and says which.
func (r *rig) vary(seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 3))
	r.config.MaxStarts = rng.IntN(3)
	r.config.Rules.PullUpfront, r.config.Rules.PullMustSucceed = rng.IntN(3) == 0, rng.IntN(3) == 0
	if rng.IntN(3) == 0 {
		r.config.Rules.CleanupWait = time.Second
	}
	return fmt.Sprintf("%d starts at once, %+v", r.config.MaxStarts, r.config.Rules)
}

// play lets things happen and gives the ARNs of the tasks.
func (r *rig) play(s schedule) (arns []string, err error) {
	var tasks []*task.Task
	for _, o := range s {
		switch {
		case o.kind == opAccept:
			tk := o.task.make(r.docker, len(tasks)+1)
			if err := r.engine.Accept(context.Background(), tk); err != nil {
				return arns, err
			}
			tasks, arns = append(tasks, tk), append(arns, tk.ARN)
		case o.kind == opAcceptAgain && len(tasks) > 0:
			if _, known := r.engine.Task(arns[o.n%len(tasks)]); !known {
				break // cleaned up: ECS knows that it is over
			}
			if err := r.engine.Accept(context.Background(), tasks[o.n%len(tasks)]); err != nil {
				return arns, err
			}
		case o.kind == opStop && len(tasks) > 0:
			r.engine.Stop(arns[o.n%len(arns)])
		case o.kind == opKill:
			r.docker.kill(o.hard)
		case o.kind == opCrash:
			r.crash()
			if o.hard {
				r.docker.setDown(true, false)
			}
			time.Sleep(o.wait)
			if o.call != "" {
				r.onDocker(func(d *fakeDocker) { d.hangs[o.call] = hang{wait: 20 * time.Second} })
			}
			r.boot()
			if o.hard {
				time.Sleep(100 * time.Millisecond)
				r.docker.setDown(false, false)
			}
			<-r.engine.Ready()
		case o.kind == opDockerAway:
			r.docker.setDown(true, o.hard)
			time.Sleep(o.wait)
			r.docker.setDown(false, false)
		case o.kind == opFail:
			r.docker.mu.Lock()
			r.docker.failRate = o.rate
			r.docker.mu.Unlock()
		case o.kind == opHang:
			r.docker.mu.Lock()
			r.docker.hangs[o.call] = hang{o.wait, o.hard}
			r.docker.mu.Unlock()
		}
		time.Sleep(o.pause)
	}
	return arns, nil
}

// heal ends all faults and gives the agent the time to notice what it may have missed.
func (r *rig) heal() {
	r.onDocker(func(d *fakeDocker) {
		d.failRate = 0
		clear(d.hangs)
	})
	time.Sleep(listEvery + time.Minute)
}

// stuck gives what should have got somewhere by now, and what is not as the agent thinks.
func (r *rig) stuck() (bad []string) {
	r.docker.mu.Lock()
	defer r.docker.mu.Unlock()
	for _, t := range r.engine.Tasks() {
		if t.Known.Terminal() || !t.Engine.Admitted {
			continue
		}
		for _, c := range t.Containers {
			if c.RestartPolicy != nil {
				continue // just being restarted, maybe
			}
			if c.Engine.Step != task.StepNone {
				bad = append(bad, fmt.Sprintf("%s: %s goes on for ever", c.RuntimeName, c.Engine.Step))
			}
			if c.Known < c.Desired && !waitsForOther(t, c) {
				bad = append(bad, fmt.Sprintf("%s stays %s, wanted %s", c.RuntimeName, c.Known, c.Desired))
			}
			f := r.docker.containers[c.RuntimeID]
			running := f != nil && f.status == task.ContainerRunning
			if thought := c.Known == task.ContainerRunning || c.Known == task.ContainerResourcesProvisioned; thought != running {
				bad = append(bad, fmt.Sprintf("%s is %s, but runs: %t", c.RuntimeName, c.Known, running))
			}
			if running && c.Health.Status != f.health {
				bad = append(bad, fmt.Sprintf("%s is %s, not %s", c.RuntimeName, f.health, c.Health.Status))
			}
		}
	}
	return bad
}

// settleDown stops everything.
func (r *rig) settleDown(arns []string) {
	for _, arn := range arns {
		r.engine.Stop(arn)
	}
	time.Sleep(2 * time.Minute)
}

// vanished gives the containers that were given up as removed although nobody removed them.
func (r *rig) vanished() map[string][]string {
	found := map[string][]string{}
	for _, t := range r.engine.Tasks() {
		for _, c := range t.Containers {
			if c.Failure != nil && c.Failure.Name == task.ErrContainerVanished && !r.docker.removed[c.RuntimeID] {
				found[t.ARN] = append(found[t.ARN], c.Name)
			}
		}
	}
	return found
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
	if use := r.engine.Host(); use.CPUUsed != 0 || use.MemoryUsedMiB != 0 || use.Waiting != 0 {
		bad = append(bad, fmt.Sprintf("tasks that stopped still have or want their share of the host: %+v", use))
	}
	for arn, containers := range r.vanished() {
		bad = append(bad, fmt.Sprintf("task %s lost containers that are still there: %v", arn, containers))
	}
	for arn, address := range r.docker.leases {
		bad = append(bad, fmt.Sprintf("task %s still has its local address 169.254.172.%d", arn, address))
	}
	for _, f := range r.docker.containers {
		if f.status == task.ContainerRunning {
			bad = append(bad, "still running: "+f.name)
		}
		if f.connected {
			bad = append(bad, "still connected: "+f.name)
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

// TestMinimise shrinks random schedules under a rule that is known: a crash at some time after the acceptance of a task
// with a container that depends on another.
func TestMinimise(t *testing.T) {
	fails := func(s schedule) bool {
		accepted := false
		for _, o := range s {
			if o.kind == opAccept {
				for _, c := range o.task.containers {
					accepted = accepted || c.after >= 0
				}
			}
			if o.kind == opCrash && accepted {
				return true
			}
		}
		return false
	}
	const want = `  0  accept pid="" c0{essential=true restart=false} c1{essential=E restart=false after=c0:C}; then 0s
  1  crash, agent away for 0s; then 0s
`
	shrunk := 0
	for seed := uint64(1); shrunk < 20; seed++ {
		s := randomSchedule(seed)
		if !fails(s) {
			continue
		}
		shrunk++
		small := minimise(s, fails)
		last := small[0].task.containers[len(small[0].task.containers)-1]
		last.essential, last.condition = false, "C"
		got := small.String()
		if len(small) != 2 || small[0].kind != opAccept || last.after < 0 || small[1].String() != "crash, agent away for 0s; then 0s" {
			t.Errorf("seed %d shrinks to\n%s, want something like\n%s", seed, got, want)
		}
	}
}

package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// schedule is what happens in one simulation, made of nothing but its seed.
type schedule []op

// op is one thing that happens, and the pause after it.
type op struct {
	kind  opKind
	n     int           // which task, of those there are
	task  *simTask      // of opAccept
	rate  float64       // of opFail
	call  string        // of opHang
	wait  time.Duration // how long the agent or Docker is away, or a call hangs
	hard  bool          // containers end or go with it
	pause time.Duration
}

type opKind int

const (
	opAccept opKind = iota
	opAcceptAgain
	opStop
	opKill
	opCrash
	opDockerAway
	opFail
	opHang
	opWait
)

func (o op) String() string {
	what := ""
	switch o.kind {
	case opAccept:
		what = "accept " + o.task.String()
	case opAcceptAgain:
		what = fmt.Sprintf("accept task %d again", o.n)
	case opStop:
		what = fmt.Sprintf("stop task %d", o.n)
	case opKill:
		what = fmt.Sprintf("kill a container, remove it: %t", o.hard)
	case opCrash:
		what = fmt.Sprintf("crash, agent away for %s", o.wait)
		if o.hard {
			what += ", Docker away until it has started"
		}
		if o.call != "" {
			what += ", and the first list hangs"
		}
	case opDockerAway:
		what = fmt.Sprintf("Docker away for %s, containers end: %t", o.wait, o.hard)
	case opFail:
		what = fmt.Sprintf("%.0f %% of calls fail", 100*o.rate)
	case opHang:
		what = fmt.Sprintf("the next %s hangs for %s, takes effect: %t", o.call, o.wait, o.hard)
	case opWait:
		what = "nothing"
	}
	return fmt.Sprintf("%s; then %s", what, o.pause)
}

func (s schedule) String() string {
	var b strings.Builder
	for i, o := range s {
		fmt.Fprintf(&b, "%3d  %s\n", i, o)
	}
	return b.String()
}

// simTask is a task of a schedule.
type simTask struct {
	pid        string
	awsvpc     bool
	port       uint16 // of the host, for the first container; 0: none
	containers []simContainer
}

type simContainer struct {
	essential bool
	life      *lifetime // nil: runs until it is stopped
	restart   bool
	after     int // index of the container it depends on; -1: none
	condition task.Condition
}

func (s *simTask) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pid=%q awsvpc=%t", s.pid, s.awsvpc)
	if s.port != 0 {
		fmt.Fprintf(&b, " port=%d", s.port)
	}
	for i, c := range s.containers {
		fmt.Fprintf(&b, " c%d{essential=%t restart=%t", i, c.essential, c.restart)
		if c.life != nil {
			fmt.Fprintf(&b, " lives=%s code=%d", c.life.runs, c.life.code)
		}
		if c.after >= 0 {
			fmt.Fprintf(&b, " after=c%d:%s", c.after, c.condition)
		}
		b.WriteString("}")
	}
	return b.String()
}

// make gives the task as ECS sends it, and tells the runtime how long its containers live.
func (s *simTask) make(d *fakeDocker, n int) *task.Task {
	t := &task.Task{ARN: fmt.Sprintf("arn:aws:ecs:us-west-2:123456789012:task/default/task%d", n), Family: "f", Revision: "1", Desired: task.Running, PIDMode: s.pid}
	if s.awsvpc {
		t.NetworkMode, t.ENIs = task.NetworkAWSVPC, task.ENIs{{MAC: fmt.Sprintf("02:00:00:00:00:%02x", n)}}
	}
	name := func(i int) string { return fmt.Sprintf("c%d-%d", n, i) }
	for i, c := range s.containers {
		tc := &task.Container{Name: name(i), Image: "busybox", Essential: c.essential, CPU: 1, Memory: 1}
		if i == 0 && s.port != 0 {
			tc.Ports = []task.PortMapping{{ContainerPort: 80, HostPort: s.port}}
		}
		if c.life != nil {
			d.mu.Lock()
			d.lifetimes[tc.Name] = *c.life
			d.mu.Unlock()
		}
		tc.HealthCheckType = "docker"
		if c.after >= 0 {
			tc.DependsOn = []task.Dependency{{Container: name(c.after), Condition: c.condition}}
		}
		if c.restart {
			tc.RestartPolicy = &task.RestartPolicy{Enabled: true, AttemptPeriod: 1}
		}
		t.Containers = append(t.Containers, tc)
	}
	return t
}

func milliseconds(rng *rand.Rand, limit int) time.Duration {
	return time.Duration(rng.IntN(limit)) * time.Millisecond
}

// randomSchedule draws 5 to 30 operations.
func randomSchedule(seed uint64) schedule {
	rng := rand.New(rand.NewPCG(seed, 2))
	calls := []string{"manifest", "pull", "create", "start", "stop", "inspect", "list", "provision", "disconnect", "release"}
	var s schedule
	for n := 5 + rng.IntN(25); n > 0; n-- {
		o := op{kind: opWait, n: rng.IntN(1 << 16), pause: milliseconds(rng, 40)}
		switch rng.IntN(14) {
		case 0, 1, 2:
			o.kind, o.task = opAccept, randomTask(rng)
		case 3, 4:
			o.kind = opStop
		case 5:
			o.kind, o.hard = opKill, rng.IntN(2) == 0
		case 6, 7:
			o.kind, o.wait, o.hard = opCrash, milliseconds(rng, 3000), rng.IntN(4) == 0
			if rng.IntN(6) == 0 {
				o.call = "list"
			}
		case 8:
			o.kind, o.wait, o.hard = opDockerAway, milliseconds(rng, 10000), rng.IntN(2) == 0
		case 9:
			o.kind, o.rate = opFail, rng.Float64()*0.3
		case 10:
			o.kind = opAcceptAgain // a duplicate payload, maybe one that is long out of date
		case 11:
			o.kind, o.call, o.wait, o.hard = opHang, calls[rng.IntN(len(calls))], milliseconds(rng, 30000), rng.IntN(2) == 0
		default:
			o.pause += milliseconds(rng, 200)
		}
		s = append(s, o)
	}
	return s
}

// randomTask has one to four containers that may depend on earlier ones.
func randomTask(rng *rand.Rand) *simTask {
	t := &simTask{}
	if rng.IntN(4) == 0 {
		t.pid = "task"
	}
	t.awsvpc = rng.IntN(3) == 0
	if !t.awsvpc && rng.IntN(2) == 0 {
		t.port = uint16(8000 + rng.IntN(2)) // few, so that tasks wait for each other
	}
	conditions := []task.Condition{task.ConditionStart, task.ConditionComplete, task.ConditionSuccess, task.ConditionHealthy}
	for i := range 1 + rng.IntN(4) {
		c := simContainer{essential: i == 0 || rng.IntN(2) == 0, restart: rng.IntN(4) == 0, after: -1}
		if rng.IntN(2) == 0 {
			c.life = &lifetime{milliseconds(rng, 2000), rng.IntN(2)}
		}
		if i > 0 && rng.IntN(2) == 0 {
			c.after, c.condition = rng.IntN(i), conditions[rng.IntN(len(conditions))]
		}
		t.containers = append(t.containers, c)
	}
	return t
}

// minimise gives a schedule that fails as s does and of which nothing can be taken away: whoever looks for the cause
// reads a few lines.
func minimise(s schedule, fails func(schedule) bool) schedule {
	for {
		smaller, found := firstFailing(s, fails)
		if !found {
			return s
		}
		s = smaller
	}
}

func firstFailing(s schedule, fails func(schedule) bool) (schedule, bool) {
	for size := len(s) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(s); at += size {
			if c := slices.Delete(slices.Clone(s), at, at+size); fails(c) {
				return c, true
			}
		}
	}
	for i, o := range s {
		for _, simpler := range o.simpler() {
			c := slices.Clone(s)
			c[i] = simpler
			if fails(c) {
				return c, true
			}
		}
	}
	return nil, false
}

// simpler gives operations with a little less in them.
func (o op) simpler() []op {
	var all []op
	add := func(change func(*op)) {
		c := o
		change(&c)
		all = append(all, c)
	}
	if o.wait > 0 {
		add(func(c *op) { c.wait = 0 })
	}
	if o.pause > 0 {
		add(func(c *op) { c.pause = 0 })
	}
	if o.hard {
		add(func(c *op) { c.hard = false })
	}
	if o.kind == opCrash && o.call != "" {
		add(func(c *op) { c.call = "" })
	}
	if o.task != nil {
		for _, t := range o.task.simpler() {
			add(func(c *op) { c.task = t })
		}
	}
	return all
}

func (s *simTask) simpler() []*simTask {
	var all []*simTask
	add := func(change func(*simTask)) {
		c := &simTask{s.pid, s.awsvpc, s.port, slices.Clone(s.containers)}
		change(c)
		all = append(all, c)
	}
	if len(s.containers) > 1 { // nobody depends on the last one
		add(func(t *simTask) { t.containers = t.containers[:len(t.containers)-1] })
	}
	if s.pid != "" {
		add(func(t *simTask) { t.pid = "" })
	}
	if s.awsvpc {
		add(func(t *simTask) { t.awsvpc = false })
	}
	if s.port != 0 {
		add(func(t *simTask) { t.port = 0 })
	}
	for i, c := range s.containers {
		if c.after >= 0 {
			add(func(t *simTask) { t.containers[i].after = -1 })
		}
		if c.restart {
			add(func(t *simTask) { t.containers[i].restart = false })
		}
		if c.life != nil {
			add(func(t *simTask) { t.containers[i].life = nil })
		}
	}
	return all
}

package schedule

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func service(change ...func(*state.Service)) *state.Service {
	s := &state.Service{Service: ecs.Service{ServiceName: "web", SchedulingStrategy: ecs.Replica,
		Deployments: []ecs.Deployment{{ID: "new", Status: "PRIMARY"}, {ID: "old", Status: "ACTIVE"}}}}
	for _, c := range change {
		c(s)
	}
	return s
}

func percent(least, most int) func(*state.Service) {
	return func(s *state.Service) {
		s.DeploymentConfiguration = &ecs.DeploymentConfiguration{MinimumHealthyPercent: &least, MaximumPercent: &most}
	}
}

// tasks reads "new:RUNNING new:PENDING old:RUNNING new:leaving new:unhealthy new:protected".
func tasks(words ...string) (out []*state.Task) {
	for i, w := range words {
		t := &state.Task{ID: fmt.Sprintf("%s#%d", w, i), Task: ecs.Task{LastStatus: ecs.Running, DesiredStatus: ecs.Running, CreatedAt: ecs.At(now.Add(time.Duration(i-100) * time.Minute))}}
		t.DeploymentID = w[:3]
		switch w[4:] {
		case "PENDING":
			t.LastStatus = ecs.Pending
		case "stopping":
			t.DesiredStatus = ecs.Stopped
		case "leaving":
			t.InstanceID = "leaving"
		case "unhealthy":
			t.HealthStatus = "UNHEALTHY"
		case "protected":
			t.ProtectedUntil = ecs.At(now.Add(time.Hour))
		}
		out = append(out, t)
	}
	return out
}

func leaving(t *state.Task) bool { return t.InstanceID == "leaving" }

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name    string
		service *state.Service
		have    []*state.Task
		wanted  int
		start   int
		stop    []string
	}{
		{"nothing yet", service(), nil, 3, 3, nil},
		{"all there", service(), tasks("new:RUNNING", "new:PENDING"), 2, 0, nil},
		{"a stopping task does not count", service(), tasks("new:RUNNING", "new:stopping"), 2, 1, nil},
		{"scale in stops the newest", service(), tasks("new:RUNNING", "new:RUNNING", "new:RUNNING"), 2, 0, []string{"new:RUNNING#2"}},
		{"scale in stops pending tasks first", service(), tasks("new:PENDING", "new:RUNNING"), 1, 0, []string{"new:PENDING#0"}},
		{"scale in spares protected tasks", service(), tasks("new:RUNNING", "new:protected"), 1, 0, []string{"new:RUNNING#0"}},
		{"deployment starts beside the old tasks", service(), tasks("old:RUNNING", "old:RUNNING"), 2, 2, nil},
		{"deployment waits for the new ones to run", service(), tasks("old:RUNNING", "old:RUNNING", "new:PENDING", "new:PENDING"), 2, 0, nil},
		{"deployment stops as many old ones as may go", service(), tasks("old:RUNNING", "old:RUNNING", "new:RUNNING", "new:PENDING"), 2, 0, []string{"old:RUNNING#0"}},
		{"deployment ends", service(), tasks("old:RUNNING", "new:RUNNING", "new:RUNNING"), 2, 0, []string{"old:RUNNING#0"}},
		{"deployment without room stops first", service(percent(0, 100)), tasks("old:RUNNING", "old:RUNNING"), 2, 0, []string{"old:RUNNING#0", "old:RUNNING#1"}},
		{"deployment at half strength", service(percent(50, 100)), tasks("old:RUNNING", "old:RUNNING"), 2, 0, []string{"old:RUNNING#0"}},
		{"draining instance: replacement first", service(), tasks("new:leaving"), 1, 1, nil},
		{"draining instance: then it goes", service(), tasks("new:leaving", "new:RUNNING"), 1, 0, []string{"new:leaving#0"}},
		{"draining instance: pending task goes at once", service(), tasks("old:PENDING"), 1, 1, []string{"old:PENDING#0"}},
		{"unhealthy task is replaced", service(), tasks("new:unhealthy", "new:RUNNING"), 2, 1, []string{"new:unhealthy#0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := plan(c.service, c.have, c.wanted, leaving, now)
			var stop []string
			for _, s := range a.stop {
				stop = append(stop, s.ID)
			}
			if a.start != c.start || fmt.Sprint(stop) != fmt.Sprint(c.stop) {
				t.Errorf("start %d, stop %v; want %d, %v", a.start, stop, c.start, c.stop)
			}
		})
	}
}

func TestPauseAfterFailures(t *testing.T) {
	failed := func(n int, ago time.Duration) (out []*state.Task) {
		for i := range n {
			out = append(out, &state.Task{DeploymentID: "new", Task: ecs.Task{LastStatus: ecs.Stopped, DesiredStatus: ecs.Stopped, StopCode: ecs.TaskFailedToStart,
				CreatedAt: ecs.At(now.Add(-ago - time.Duration(n-i)*time.Second)), StoppedAt: ecs.At(now.Add(-ago))}})
		}
		return out
	}
	for _, c := range []struct {
		name  string
		have  []*state.Task
		start int
	}{
		{"first failure: again at once", failed(1, 0), 1},
		{"second failure: a second's pause", failed(2, 500*time.Millisecond), 0},
		{"second failure: pause over", failed(2, 1500*time.Millisecond), 1},
		{"many failures: a minute's pause", failed(20, 59*time.Second), 0},
		{"many failures: pause over", failed(20, 61*time.Second), 1},
		{"a task that ran well ends the row", append(failed(20, 0), &state.Task{DeploymentID: "new", Task: ecs.Task{LastStatus: ecs.Stopped, DesiredStatus: ecs.Stopped,
			StopCode: ecs.EssentialContainerExited, CreatedAt: ecs.At(now), StartedAt: ecs.At(now), StoppedAt: ecs.At(now.Add(time.Minute))}}), 1},
	} {
		if a := plan(service(), c.have, 1, leaving, now); a.start != c.start {
			t.Errorf("%s: start %d, want %d", c.name, a.start, c.start)
		}
	}
}

// Whatever the tasks are, a step neither starts over the maximum nor stops running tasks below the minimum.
func TestPlanStaysWithinBounds(t *testing.T) {
	words := []string{"new:RUNNING", "new:PENDING", "old:RUNNING", "old:PENDING", "new:leaving", "new:unhealthy", "new:protected", "new:stopping"}
	rapid.Check(t, func(t *rapid.T) {
		s := service(percent(rapid.IntRange(0, 100).Draw(t, "least"), rapid.IntRange(100, 200).Draw(t, "most")))
		have := tasks(rapid.SliceOfN(rapid.SampledFrom(words), 0, 12).Draw(t, "tasks")...)
		wanted := rapid.IntRange(0, 6).Draw(t, "wanted")
		a := plan(s, have, wanted, leaving, now)
		least, most := bounds(s, wanted)
		live, running, stopRunning := 0, 0, 0
		for _, x := range have {
			if x.DesiredStatus == ecs.Running {
				live++
				if x.LastStatus == ecs.Running && x.HealthStatus == "" {
					running++
				}
			}
		}
		seen := map[*state.Task]bool{}
		for _, x := range a.stop {
			if seen[x] || x.DesiredStatus != ecs.Running || x.Protected(now) {
				t.Fatalf("%s must not be stopped (again)", x.ID)
			}
			seen[x] = true
			if x.LastStatus == ecs.Running && x.HealthStatus == "" {
				stopRunning++
			}
		}
		if a.start < 0 || a.start > 0 && live+a.start > max(most, live) {
			t.Fatalf("start %d with %d live, at most %d", a.start, live, most)
		}
		if stopRunning > 0 && running-stopRunning < least {
			t.Fatalf("%d running, stops %d, at least %d must run", running, stopRunning, least)
		}
	})
}

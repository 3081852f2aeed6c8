package schedule

import (
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// A task that ended sooner than quickEnd after its start counts as a failed launch.
const quickEnd = 10 * time.Second

// maxPause is the longest the scheduler waits between launches of a service whose tasks keep failing.
const maxPause = time.Minute

// actions is what a service needs now.
type actions struct {
	start  int
	stop   []*state.Task
	failed int // failed launches of the primary deployment in a row
	paused bool
}

// plan decides what to start and stop so that the service has wanted tasks of its primary deployment on instances
// that are not draining, within the bounds of the deployment configuration. It is pure.
func plan(s *state.Service, tasks []*state.Task, wanted int, leaving func(*state.Task) bool, now time.Time) actions {
	var live, current, old []*state.Task
	running := 0
	for _, t := range tasks {
		if !t.Live() || t.DesiredStatus != ecs.Running {
			continue
		}
		live = append(live, t)
		healthy := t.HealthStatus != "UNHEALTHY"
		if t.LastStatus == ecs.Running && healthy {
			running++
		}
		if t.DeploymentID == primary(s).ID && healthy && !leaving(t) {
			current = append(current, t)
		} else {
			old = append(old, t)
		}
	}
	least, most := bounds(s, wanted)

	var a actions
	a.failed = failures(s, tasks)
	if rounds := a.failed / max(wanted, 1); rounds > 0 {
		a.paused = now.Before(lastEnd(tasks).Add(pause(rounds)))
	}
	if !a.paused {
		a.start = max(0, min(wanted-len(current), most-len(live)))
	}

	// Newest first: a scale-in keeps the tasks that have served longest.
	slices.SortFunc(current, func(x, y *state.Task) int { return y.CreatedAt.Compare(x.CreatedAt.Time) })
	for _, t := range pendingFirst(current) {
		if len(current)-len(a.stop) <= wanted {
			break
		}
		if !t.Protected(now) {
			a.stop = append(a.stop, t)
			if t.LastStatus == ecs.Running {
				running--
			}
		}
	}
	for _, t := range old {
		up := t.LastStatus == ecs.Running && t.HealthStatus != "UNHEALTHY"
		if t.Protected(now) || up && running <= least {
			continue
		}
		a.stop = append(a.stop, t)
		if up {
			running--
		}
	}
	return a
}

func pendingFirst(tasks []*state.Task) []*state.Task {
	out := slices.Clone(tasks)
	slices.SortStableFunc(out, func(x, y *state.Task) int { return ecs.Rank(x.LastStatus) - ecs.Rank(y.LastStatus) })
	return out
}

// bounds returns the least number of tasks that must run and the most that may exist during a deployment.
func bounds(s *state.Service, wanted int) (least, most int) {
	low, high := 100, 200
	if s.SchedulingStrategy == ecs.Daemon {
		low, high = 0, 100
	}
	if c := s.DeploymentConfiguration; c != nil {
		if c.MinimumHealthyPercent != nil {
			low = *c.MinimumHealthyPercent
		}
		if c.MaximumPercent != nil {
			high = *c.MaximumPercent
		}
	}
	return (wanted*low + 99) / 100, wanted * high / 100
}

// failures counts the newest tasks of the primary deployment, in a row, that did not come up.
func failures(s *state.Service, tasks []*state.Task) int {
	var mine []*state.Task
	for _, t := range tasks {
		if t.DeploymentID == primary(s).ID {
			mine = append(mine, t)
		}
	}
	slices.SortFunc(mine, func(x, y *state.Task) int { return y.CreatedAt.Compare(x.CreatedAt.Time) })
	n := 0
	for _, t := range mine {
		switch {
		case failedLaunch(t):
			n++
		case t.Live() && t.LastStatus == ecs.Pending, t.StopCode == ecs.ServiceSchedulerInitiated:
			// not decided yet, or ended by the scheduler itself
		default:
			return n
		}
	}
	return n
}

func failedLaunch(t *state.Task) bool {
	if t.Live() || t.StopCode != ecs.TaskFailedToStart && t.StopCode != ecs.EssentialContainerExited {
		return false
	}
	return t.StartedAt.IsZero() || t.StoppedAt.Sub(t.StartedAt.Time) < quickEnd
}

func lastEnd(tasks []*state.Task) time.Time {
	var end time.Time
	for _, t := range tasks {
		if failedLaunch(t) && t.StoppedAt.After(end) {
			end = t.StoppedAt.Time
		}
	}
	return end
}

// pause is the wait after the given number of failed rounds: none after the first, then 1 s, 2 s, 4 s … maxPause.
func pause(rounds int) time.Duration {
	if rounds < 2 {
		return 0
	}
	return min(maxPause, time.Second<<min(rounds-2, 10))
}

func primary(s *state.Service) *ecs.Deployment {
	for i := range s.Deployments {
		if s.Deployments[i].Status == "PRIMARY" {
			return &s.Deployments[i]
		}
	}
	return &ecs.Deployment{}
}

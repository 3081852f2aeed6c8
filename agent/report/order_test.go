package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// ledger is ECS with random answers. It keeps what it accepted and what was wrong about it.
type ledger struct {
	answers []answer

	mu         sync.Mutex
	n          int
	status     map[string]string            // task → last accepted status
	containers map[string]map[string]string // task → container → last accepted status
	busy       map[string]bool
	inFlight   int
	wrong      []string
}

type answer struct {
	err  error
	took time.Duration
}

var rank = map[string]int{"NONE": 0, "MANIFEST_PULLED": 0, "CREATED": 0, "PENDING": 0, "RUNNING": 1, "STOPPED": 2}

func (l *ledger) SubmitTaskStateChange(ctx context.Context, change ecsapi.TaskStateChange) error {
	l.mu.Lock()
	a := answer{}
	if l.n < len(l.answers) {
		a = l.answers[l.n]
	}
	l.n++
	if l.busy[change.TaskARN] {
		l.wrong = append(l.wrong, change.TaskARN+": two submissions at once")
	}
	if l.inFlight++; l.inFlight > maxInFlight {
		l.wrong = append(l.wrong, "too many submissions at once")
	}
	l.busy[change.TaskARN] = true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.busy[change.TaskARN] = false
		l.inFlight--
	}()
	if a.took > 0 {
		time.Sleep(a.took)
	}
	if a.err != nil {
		return a.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if rank[change.Status] < rank[l.status[change.TaskARN]] {
		l.wrong = append(l.wrong, fmt.Sprintf("%s: %s after %s", change.TaskARN, change.Status, l.status[change.TaskARN]))
	}
	l.status[change.TaskARN] = change.Status
	seen := l.containers[change.TaskARN]
	if seen == nil {
		seen = map[string]string{}
		l.containers[change.TaskARN] = seen
	}
	for _, c := range change.Containers {
		if rank[c.Status] < rank[seen[c.Name]] {
			l.wrong = append(l.wrong, fmt.Sprintf("%s/%s: %s after %s", change.TaskARN, c.Name, c.Status, seen[c.Name]))
		}
		seen[c.Name] = c.Status
	}
	return nil
}

// move is one thing that happens to a task.
type move struct {
	task, container int
	after           time.Duration
}

// TestOrderUnderRandomFailures plays random lives of tasks against an ECS that fails at random, and checks that nothing
// goes backwards, every STOPPED arrives with every container, and nothing is left over.
func TestOrderUnderRandomFailures(t *testing.T) {
	failures := []error{nil, nil, errors.New("connection reset"), apiError("ThrottlingException"), apiError("ServerException"),
		apiError("ClientException"), apiError("AccessDeniedException"), context.DeadlineExceeded}
	rapid.Check(t, func(rt *rapid.T) {
		tasks := rapid.IntRange(1, 14).Draw(rt, "tasks")
		containers := rapid.IntRange(1, 3).Draw(rt, "containers")
		restarted := rapid.Bool().Draw(rt, "announce again")
		moves := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) move {
			return move{
				task: rapid.IntRange(0, tasks-1).Draw(rt, "task"), container: rapid.IntRange(0, containers-1).Draw(rt, "container"),
				after: time.Duration(rapid.IntRange(0, 40_000).Draw(rt, "ms")) * time.Millisecond,
			}
		}), 0, 40).Draw(rt, "moves")
		answers := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) answer {
			return answer{rapid.SampledFrom(failures).Draw(rt, "err"), time.Duration(rapid.IntRange(0, 3000).Draw(rt, "took")) * time.Millisecond}
		}), 0, 60).Draw(rt, "answers")

		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			wrong = play(t, tasks, containers, moves, answers, restarted)
		})
		if len(wrong) > 0 {
			rt.Fatal(strings.Join(wrong, "\n"))
		}
	})
}

func play(t *testing.T, tasks, containers int, moves []move, answers []answer, again bool) []string {
	l := &ledger{answers: answers, status: map[string]string{}, containers: map[string]map[string]string{}, busy: map[string]bool{}}
	r := New(l)
	h := newHost(r)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx, "cluster", h) }()

	arn := func(i int) string { return fmt.Sprint("task", i) }
	name := func(i int) string { return fmt.Sprint("c", i) }
	for i := range tasks {
		h.add(arn(i))
		for j := range containers {
			h.change(arn(i), func(t *task.Task) {
				t.Containers = append(t.Containers, &task.Container{Name: name(j), TaskARN: arn(i), Image: "a", ImageDigest: digest})
			})
		}
	}
	step := func(i, j int, to task.ContainerStatus) {
		h.container(arn(i), name(j), to)
		now, _ := h.Task(arn(i))
		known := task.Stopped
		for _, c := range now.Containers {
			known = min(known, c.TaskStatus())
		}
		if known > now.Known {
			h.task(arn(i), known, "")
		}
		if again {
			now, _ = h.Task(arn(i))
			for _, c := range now.Containers {
				r.ContainerChanged(now, c)
			}
			r.TaskChanged(now, "")
		}
	}
	for _, m := range moves {
		time.Sleep(m.after)
		now, _ := h.Task(arn(m.task))
		next := now.Containers[m.container].Known + 1
		if next == task.ContainerResourcesProvisioned {
			next = task.ContainerStopped
		}
		if next <= task.ContainerStopped {
			step(m.task, m.container, next)
		}
	}
	for i := range tasks {
		for j := range containers {
			if now, _ := h.Task(arn(i)); now.Containers[j].Known != task.ContainerStopped {
				step(i, j, task.ContainerStopped)
			}
		}
	}
	time.Sleep(3 * time.Hour)
	synctest.Wait()
	cancel()
	<-done

	wrong := l.wrong
	for i := range tasks {
		if l.status[arn(i)] != "STOPPED" {
			wrong = append(wrong, fmt.Sprintf("%s ended as %q", arn(i), l.status[arn(i)]))
		}
		now, _ := h.Task(arn(i))
		if now.Sent != task.Stopped {
			wrong = append(wrong, fmt.Sprintf("%s: sent %s", arn(i), now.Sent))
		}
		for _, c := range now.Containers {
			if l.containers[arn(i)][c.Name] != "STOPPED" || c.Sent != task.ContainerStopped {
				wrong = append(wrong, fmt.Sprintf("%s/%s ended as %q, sent %s", arn(i), c.Name, l.containers[arn(i)][c.Name], c.Sent))
			}
		}
	}
	if len(r.lines) != 0 {
		wrong = append(wrong, fmt.Sprintf("%d lines left", len(r.lines)))
	}
	return wrong
}

package introspection

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// busy is a host with 200 running tasks and 1000 that have ended and are not cleaned up yet.
func busy() *listed {
	l := &listed{}
	for i := range 1200 {
		t := web()
		t.ARN = fmt.Sprintf("arn:aws:ecs:us-west-2:111122223333:task/default/%032x", i)
		if i >= 200 {
			t.Known, t.Desired = task.Stopped, task.Stopped
		}
		l.tasks = append(l.tasks, t)
	}
	return l
}

// change replaces the snapshot of a task.
func (l *listed) change(i int) {
	t := *l.tasks[i]
	t.Revision += "1"
	l.tasks[i] = &t
}

// TestTheAnswerAboutAllTasksFollowsEach compares the kept answer with a new one after every kind of change.
func TestTheAnswerAboutAllTasksFollowsEach(t *testing.T) {
	l := busy()
	l.tasks = l.tasks[:5]
	kept := Handler(Agent{}, l)
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"first", func() {}},
		{"one changes", func() { l.change(2) }},
		{"the first and the last change", func() { l.change(0); l.change(4) }},
		{"one goes", func() { l.tasks = slices.Delete(slices.Clone(l.tasks), 1, 2) }},
		{"one comes", func() { l.tasks = append(l.tasks, curl()) }},
		{"an internal one comes first", func() { l.tasks = append([]*task.Task{{ARN: "daemon", Internal: true}}, l.tasks...) }},
		{"they change places", func() { slices.Reverse(l.tasks) }},
		{"all go", func() { l.tasks = nil }},
		{"some come back", func() { l.tasks = busy().tasks[:2] }},
	} {
		step.do()
		want := get(Handler(Agent{}, l), "/v1/tasks").Body.String()
		for range 2 {
			got := get(kept, "/v1/tasks")
			if diff := cmp.Diff(want, got.Body.String()); diff != "" || got.Code != 200 || !json.Valid(got.Body.Bytes()) {
				t.Errorf("%s: %d\n%s", step.name, got.Code, diff)
			}
		}
	}
}

// TestOneChangedTaskIsEncodedAlone counts what an answer allocates: encoding a task is many allocations.
func TestOneChangedTaskIsEncodedAlone(t *testing.T) {
	l := busy()
	c := &cache{tasks: l}
	c.all()
	one := testing.AllocsPerRun(50, func() {
		l.change(7)
		c.all()
	})
	none := testing.AllocsPerRun(50, func() { c.all() })
	if one > 200 || none > 2 {
		t.Errorf("%.0f allocations after a change of one task of %d, %.0f after none", one, len(l.tasks), none)
	}
}

// BenchmarkManyTasks is /v1/tasks of a host with 1200 tasks of which one has changed since the last request.
func BenchmarkManyTasks(b *testing.B) {
	l := busy()
	h := Handler(Agent{}, l)
	r := httptest.NewRequest(http.MethodGet, "/v1/tasks", nil)
	for name, change := range map[string]func(i int){"changed": func(i int) { l.change(i % len(l.tasks)) }, "same": func(int) {}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				change(i)
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				if rec.Code != 200 {
					b.Fatal(rec.Code)
				}
			}
		})
	}
}

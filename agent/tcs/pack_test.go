package tcs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// plain is a layout without commas and brackets, so that sizes just add up.
func plain(limit, empty int) layout { return layout{limit: limit, tasks: metricsTasks, empty: empty} }

// show writes requests as "t0:body,w0 t1:body | t1:w1".
func show(requests [][]chunk) string {
	var lines []string
	for _, r := range requests {
		var parts []string
		for _, c := range r {
			var has []string
			if c.body {
				has = append(has, "body")
			}
			for w := c.from; w < c.to; w++ {
				has = append(has, fmt.Sprint("w", w))
			}
			parts = append(parts, fmt.Sprintf("t%d:%s", c.task, strings.Join(has, ",")))
		}
		lines = append(lines, strings.Join(parts, " "))
	}
	return strings.Join(lines, " | ")
}

func TestPack(t *testing.T) {
	small := taskSize{head: 25, body: 225}
	meshed := taskSize{head: 25, body: 225, wrappers: []int{430, 430}}
	for name, c := range map[string]struct {
		tasks []taskSize
		limit int
		want  string
	}{
		"nothing":                               {nil, 1000, ""},
		"all fit":                               {[]taskSize{small, small, small}, 900, "t0:body t1:body t2:body"},
		"the third does not fit":                {[]taskSize{small, small, small}, 899, "t0:body t1:body | t2:body"},
		"one alone is too big":                  {[]taskSize{{head: 1, body: 5000}, small}, 1000, "t0:body | t1:body"},
		"one alone is too big, after another":   {[]taskSize{small, {head: 1, body: 5000}}, 1000, "t0:body | t1:body"},
		"a wrapper does not fit":                {[]taskSize{meshed}, 1000, "t0:body,w0 | t0:w1"},
		"wrappers of several tasks":             {[]taskSize{meshed, meshed, meshed}, 1024, "t0:body,w0 | t0:w1 t1:body | t1:w0 | t1:w1 t2:body | t2:w0 | t2:w1"},
		"a wrapper alone is too big":            {[]taskSize{{head: 1, wrappers: []int{10, 5000, 10}}}, 1000, "t0:body,w0 | t0:w1 | t0:w2"},
		"nothing but a wrapper that is too big": {[]taskSize{{head: 1, wrappers: []int{5000}}, small}, 1000, "t0:body,w0 | t1:body"},
	} {
		if diff := cmp.Diff(c.want, show(pack(c.tasks, plain(c.limit, 150)))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	var twenty []taskSize
	for range 20 {
		twenty = append(twenty, meshed)
	}
	if n := len(pack(twenty, plain(1024, 150))); n != 40 {
		t.Errorf("twenty tasks with two wrappers each make %d requests, want 40", n)
	}
}

// Whatever the sizes: every part goes out once and in order, no request is empty or over the limits unless a single part
// alone is.
func TestPackProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(0, 400)
		tasks := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) taskSize {
			return taskSize{head: rapid.IntRange(1, 30).Draw(t, "head"), body: size.Draw(t, "body"), wrappers: rapid.SliceOfN(size, 0, 6).Draw(t, "wrappers")}
		}), 0, 40).Draw(t, "tasks")
		l := jsonLayout(150)
		l.limit = rapid.IntRange(300, 1500).Draw(t, "limit")

		at, wrapper := -1, 0 // where we are
		for n, request := range pack(tasks, l) {
			if len(request) == 0 || len(request) > l.tasks {
				t.Fatalf("request %d has %d tasks", n, len(request))
			}
			used, parts := l.empty+l.taskList, 0
			for i, c := range request {
				if c.body {
					if at >= 0 && wrapper != len(tasks[at].wrappers) {
						t.Fatalf("task %d lacks wrappers", at)
					}
					at, wrapper = at+1, 0
				}
				if c.task != at || c.from != wrapper || c.to < c.from || !c.body && c.to == c.from {
					t.Fatalf("request %d: %+v after task %d, wrapper %d", n, c, at, wrapper)
				}
				if i > 0 {
					used += l.taskComma
				}
				used += tasks[at].head
				if c.body {
					used += tasks[at].body
					parts++
				}
				for w := c.from; w < c.to; w++ {
					if w == c.from {
						used += l.wrapperList
					} else {
						used += l.wrapperComma
					}
					used += tasks[at].wrappers[w]
					parts++
				}
				wrapper = c.to
			}
			if used-l.lastIsShorter > l.limit && parts > 1 && !(parts == 2 && request[0].body && tasks[request[0].task].body == 0) {
				t.Fatalf("request %d has %d bytes of %d in %d parts", n, used, l.limit, parts)
			}
		}
		if at != len(tasks)-1 || at >= 0 && wrapper != len(tasks[at].wrappers) {
			t.Fatalf("ended at task %d of %d", at, len(tasks))
		}
	})
}

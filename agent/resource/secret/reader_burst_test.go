package secret

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// arrival is a task that comes for its parameters at some time.
type arrival struct {
	after time.Duration
	names []string
}

func drawArrivals(t *rapid.T, within time.Duration, fewest int) (list []arrival, distinct int) {
	pool := rapid.IntRange(1, 400).Draw(t, "names in the account")
	seen := map[string]bool{}
	for i := range rapid.IntRange(1, 50).Draw(t, "tasks") {
		a := arrival{after: time.Duration(rapid.Int64Range(0, int64(within)).Draw(t, "comes after"))}
		n := rapid.IntRange(1, min(25, pool)).Draw(t, "names")
		if i == 0 && fewest > 0 {
			a.after, n = 0, fewest
		}
		first := rapid.IntRange(0, max(pool, n)-1).Draw(t, "first name")
		for j := range n {
			a.names = append(a.names, fmt.Sprintf("/p/%d", (first+j)%max(pool, n)))
		}
		for _, name := range a.names {
			seen[name] = true
		}
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b arrival) int { return cmp.Compare(a.after, b.after) })
	return list, len(seen)
}

// Tasks that were accepted together make as few calls as their names allow, whenever each of them comes.
func TestTasksAcceptedTogetherFillTheirCalls(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list, distinct := drawArrivals(rt, expectFor-time.Millisecond, 0)
		takes := time.Duration(rapid.Int64Range(0, int64(joinFor)-1).Draw(rt, "a call takes"))
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, &parameterStore{takes: takes})
			var tasks []*task.Task
			for _, a := range list {
				tasks = append(tasks, f.add("role", a.names...))
			}
			f.arrive(list, func(i int) *task.Task { return tasks[i] })
			f.wantAtMost((distinct + awsapi.MaxParameters - 1) / awsapi.MaxParameters)
		})
	})
}

// Tasks that nobody knew of before make as few calls as their names allow if all come soon after the first one, which has
// no names left over.
func TestTasksThatComeAfterAnotherFillTheirCalls(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		takes := time.Duration(rapid.Int64Range(1, int64(joinFor)-1).Draw(rt, "a call takes"))
		list, distinct := drawArrivals(rt, gatherMost-1, awsapi.MaxParameters*rapid.IntRange(1, 3).Draw(rt, "calls of the first"))
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, &parameterStore{takes: takes})
			f.arrive(list, func(i int) *task.Task { return f.add("role", list[i].names...) })
			f.wantAtMost((distinct + awsapi.MaxParameters - 1) / awsapi.MaxParameters)
		})
	})
}

// arrive lets tasks come, and waits until nothing is held for them any more.
func (f *fleet) arrive(list []arrival, of func(i int) *task.Task) {
	f.t.Helper()
	var all sync.WaitGroup
	begin := time.Now()
	for i, a := range list {
		time.Sleep(time.Until(begin.Add(a.after)))
		tk := of(i)
		all.Go(func() {
			if err := f.create(f.t.Context(), tk); err != nil {
				f.t.Errorf("task %d: %v", i, err)
			}
			for j, name := range a.names {
				if value, err := f.craft.vault.Secret(tk, tk.Containers[0].Secrets[j]); err != nil || !strings.HasPrefix(value, name+" at ") {
					f.t.Errorf("task %d: %s: %q, %v", i, name, value, err)
				}
			}
		})
		synctest.Wait()
	}
	all.Wait()
	time.Sleep(joinFor)
	synctest.Wait()
	if n := len(f.craft.parameters.pools); n > 0 {
		f.t.Errorf("%d pools left", n)
	}
}

func (f *fleet) wantAtMost(most int) {
	f.t.Helper()
	if n := len(f.store.calls); n > most {
		f.t.Errorf("%d calls, want %d at most: %q", n, most, f.store.calls)
	}
}

// A task alone waits no longer for the names that do not fill a call than it takes to see that it is alone.
func TestATaskAloneHardlyWaits(t *testing.T) {
	for _, names := range []int{1, 9, 10, 15, 20, 25} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, &parameterStore{takes: 50 * time.Millisecond})
			begin := time.Now()
			f.wantAll([]error{f.create(t.Context(), f.add("role", named(0, names)...))})
			if extra := time.Since(begin) - f.store.takes; extra > gatherFor {
				t.Errorf("%d names took %v longer than a call", names, extra)
			}
			time.Sleep(joinFor)
		})
	}
}

// A task that was accepted long before it comes gets a value from after its acceptance; one that is accepted later gets a
// newer one.
func TestValuesAreNotOlderThanTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, &parameterStore{})
		value := func(tk *task.Task) string {
			f.wantAll([]error{f.create(t.Context(), tk)})
			v, _ := f.craft.vault.Secret(tk, tk.Containers[0].Secrets[0])
			return v
		}
		first, second := f.add("role", "/a"), f.add("role", "/a")
		a := value(first)
		time.Sleep(3 * joinFor)
		third := f.add("role", "/a")
		if c := value(third); c == a {
			t.Errorf("%q is older than the task", c)
		}
		value(second)
		f.wantCalls(2)

		// Whoever takes too long reads anew.
		late, other := f.add("role", "/late"), f.add("role", "/other")
		o := value(other)
		time.Sleep(expectFor)
		if l := value(late); strings.HasSuffix(l, strings.TrimPrefix(o, "/other")) {
			t.Errorf("%q was held for too long", l)
		}
		time.Sleep(joinFor)
		synctest.Wait()
		if len(f.craft.parameters.pools) > 0 {
			t.Error("values are held")
		}
	})
}

// Somebody who changes a parameter when a task has its value, and starts another one, finds the new value there. A task that
// was on its way already may have the value of the others.
func TestATaskReceivedAfterAReadReadsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, &parameterStore{})
		value := func(tk *task.Task) string {
			f.wantAll([]error{f.create(t.Context(), tk)})
			v, _ := f.craft.vault.Secret(tk, tk.Containers[0].Secrets[0])
			return v
		}
		begin := time.Now()
		first := value(f.add("role", "/p"))
		time.Sleep(shareFor)
		if v := value(f.addReceived(begin, "role", "/p")); v != first {
			t.Errorf("%q and %q for tasks that came together", first, v)
		}
		if v := value(f.add("role", "/p")); v == first {
			t.Error("an old value")
		}
		time.Sleep(joinFor)
	})
}

// What one task may not read fails one call of others at most, not each of them until that task comes.
func TestADeniedNameIsTakenAlongOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, &parameterStore{fail: denying("/bad")})
		bad := f.add("role", "/bad")
		for i := range 3 {
			f.wantAll([]error{f.create(t.Context(), f.add("role", fmt.Sprintf("/%d", i)))})
		}
		f.wantCalls(4)
		if f.create(t.Context(), bad) == nil {
			t.Error("no error")
		}
		time.Sleep(joinFor)
	})
}

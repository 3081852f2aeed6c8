package eni

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/netdev"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	arn     = "arn:aws:ecs:us-west-2:123456789012:attachment/"
	taskARN = "arn:aws:ecs:us-west-2:123456789012:task/test-cluster/t1"
	mac     = "02:22:33:44:55:66"
	primary = "02:00:00:00:00:01"
)

// world is a host, its disk and ECS around a tracker, in virtual time.
type world struct {
	mu     sync.Mutex
	links  []netdev.Link
	saved  map[string]task.Attachment
	sent   []string // submissions that ECS accepted
	tries  int
	looks  int
	refuse error
	news   func()
	*Tracker
}

func newWorld(saved ...task.Attachment) *world {
	w := &world{saved: map[string]task.Attachment{}}
	for _, a := range saved {
		w.saved[a.ID()] = a
	}
	w.Tracker = New(w, w)
	w.Restore(saved, time.Now())
	return w
}

// run runs the tracker until the test ends.
func (w *world) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, "test-cluster", Host{PrimaryMAC: primary, Links: w.Links, Watch: func(ctx context.Context, news func()) error {
			w.mu.Lock()
			w.news = news
			w.mu.Unlock()
			<-ctx.Done()
			return nil
		}})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	synctest.Wait()
}

func (w *world) SaveAttachment(a task.Attachment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.saved[a.ID()] = a
}

func (w *world) DeleteAttachment(a task.Attachment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.saved, a.ID())
}

func (w *world) Sync(context.Context) error { return nil }

// kept gives the records on disk once everybody waits for time to pass.
func (w *world) kept() map[string]task.Attachment {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.saved)
}

func (w *world) Links() ([]netdev.Link, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	return slices.Clone(w.links), nil
}

func (w *world) SubmitTaskAttachment(_ context.Context, cluster, task, attachment string) error {
	return w.submitted(fmt.Sprintf("%s %s %s", cluster, task, attachment))
}

func (w *world) SubmitAttachment(_ context.Context, cluster, attachment string) error {
	return w.submitted(fmt.Sprintf("%s %s", cluster, attachment))
}

func (w *world) submitted(what string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries++
	if w.refuse == nil {
		w.sent = append(w.sent, what)
	}
	return w.refuse
}

// plug makes an interface appear, without anybody being told.
func (w *world) plug(name, kind, mac string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.links = append(w.links, netdev.Link{Name: name, Kind: kind, MAC: mac})
}

func (w *world) refuseWith(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = err
}

func (w *world) accepted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

func (w *world) tried() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tries
}

func (w *world) looked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.looks
}

// wait lets time pass until something is sent, and says how much.
func (w *world) wait(t *testing.T, limit time.Duration) time.Duration {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < limit; time.Sleep(10 * time.Millisecond) {
		if len(w.accepted()) > 0 {
			return time.Since(begun)
		}
	}
	return limit
}

func forTask(id string, wait time.Duration) task.Attachment {
	return task.Attachment{ARN: arn + id, TaskARN: taskARN, Type: task.AttachmentTaskENI, MAC: mac, ExpiresAt: time.Now().Add(wait)}
}

func TestInterfaceIsReported(t *testing.T) {
	const taskReport = "test-cluster " + taskARN + " " + arn + "a1"
	for _, c := range []struct {
		name   string
		play   func(w *world, a task.Attachment)
		within time.Duration
		want   []string
	}{
		{"when it was there before the message", func(w *world, a task.Attachment) {
			w.plug("eth1", "", mac)
			w.news()
			time.Sleep(time.Minute)
			w.Accept(context.Background(), a)
		}, 10 * time.Millisecond, []string{taskReport}},
		{"when the kernel tells that it appeared", func(w *world, a task.Attachment) {
			w.Accept(context.Background(), a)
			time.Sleep(5 * time.Minute)
			w.plug("eth1", "", mac)
			w.news()
		}, 10 * time.Millisecond, []string{taskReport}},
		{"when nobody tells that it appeared", func(w *world, a task.Attachment) {
			w.Accept(context.Background(), a)
			time.Sleep(5 * time.Minute)
			w.plug("eth1", "", mac)
		}, looking.Longest, []string{taskReport}},
		{"when its address comes late", func(w *world, a task.Attachment) {
			w.Accept(context.Background(), a)
			time.Sleep(5 * time.Minute)
			w.plug("eth1", "", "")
			w.news()
			time.Sleep(300 * time.Millisecond)
			w.plug("eth1", "", mac)
		}, 300 * time.Millisecond, []string{taskReport}},
		{"in whatever case its address is written", func(w *world, a task.Attachment) {
			a.MAC = "02:22:33:44:55:AB"
			w.plug("eth1", "", "02:22:33:44:55:ab")
			w.Accept(context.Background(), a)
		}, 10 * time.Millisecond, []string{taskReport}},
		{"when it is the instance's", func(w *world, a task.Attachment) {
			a.Type, a.TaskARN = task.AttachmentInstanceENI, ""
			w.plug("eth1", "", mac)
			w.Accept(context.Background(), a)
		}, 10 * time.Millisecond, []string{"test-cluster " + arn + "a1"}},
		{"when it is software, on hosts outside EC2", func(w *world, a task.Attachment) {
			w.plug("eni1", "veth", mac)
			w.Accept(context.Background(), a)
		}, 10 * time.Millisecond, []string{taskReport}},
		{"only itself: not a link that has its address", func(w *world, a task.Attachment) {
			w.plug("eth1.133", "vlan", mac)
			w.plug("br0", "bridge", mac)
			w.Accept(context.Background(), a)
		}, 10 * time.Minute, nil},
		{"not when it is the instance's own interface", func(w *world, a task.Attachment) {
			a.MAC = primary
			w.plug("eth0", "", primary)
			w.Accept(context.Background(), a)
		}, 10 * time.Minute, nil},
		{"not when it never appears", func(w *world, a task.Attachment) { w.Accept(context.Background(), a) }, 10 * time.Minute, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.run(t)
				c.play(w, forTask("a1", 10*time.Minute))
				took := w.wait(t, c.within+time.Second)
				if sent := w.accepted(); !slices.Equal(sent, c.want) {
					t.Fatalf("sent %v, want %v", sent, c.want)
				}
				if c.want != nil && took > c.within {
					t.Errorf("took %v, want %v", took, c.within)
				}
				if record, kept := w.kept()["a1"]; c.want != nil && (!record.Sent || record.Status != task.AttachmentAttached) || c.want == nil && kept {
					t.Errorf("record %+v, %v", record, kept)
				}
			})
		})
	}
}

func TestReportIsRepeatedUntilAcceptedOrTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.refuseWith(errors.New("throttled"))
		w.run(t)
		w.plug("eth1", "", mac)
		w.Accept(context.Background(), forTask("a1", 10*time.Minute))
		time.Sleep(4 * time.Second)
		w.refuseWith(nil)
		if took := w.wait(t, time.Minute); took > 3*time.Second {
			t.Errorf("accepted after %v", took)
		}
		w.Accept(context.Background(), forTask("a1", 10*time.Minute)) // the message comes again
		time.Sleep(time.Hour)
		if len(w.accepted()) != 1 || w.kept()["a1"].Sent != true {
			t.Errorf("sent %v, record %+v", w.accepted(), w.kept()["a1"])
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.refuseWith(errors.New("throttled"))
		w.run(t)
		w.plug("eth1", "", mac)
		w.Accept(context.Background(), forTask("a1", 5*time.Minute))
		time.Sleep(5*time.Minute - time.Millisecond)
		if _, kept := w.kept()["a1"]; !kept {
			t.Error("forgotten before its time")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if _, kept := w.kept()["a1"]; kept {
			t.Error("not forgotten")
		}
		tries := w.tried()
		if time.Sleep(time.Hour); w.tried() != tries || tries < 10 || tries > 25 {
			t.Errorf("%d attempts, then %d", tries, w.tried())
		}
	})
}

func TestTwoInterfacesHaveTheirOwnClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.run(t)
		second := forTask("a2", 2*time.Minute)
		second.MAC = "02:22:33:44:55:77"
		w.Accept(context.Background(), forTask("a1", time.Minute), second)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if _, kept := w.kept()["a1"]; kept || w.kept()["a2"].ARN == "" {
			t.Errorf("records after the first time-out: %v", w.kept())
		}
		w.plug("eth2", "", second.MAC)
		w.wait(t, looking.Longest+time.Second)
		if want := []string{"test-cluster " + taskARN + " " + arn + "a2"}; !slices.Equal(w.accepted(), want) {
			t.Errorf("sent %v, want %v", w.accepted(), want)
		}
	})
}

func TestRecordsOfAFormerRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := forTask("sent", -time.Hour)
		sent.Sent, sent.Status = true, task.AttachmentAttached
		expired := forTask("expired", -time.Second)
		seen := forTask("seen", time.Minute)
		seen.MAC, seen.Status = "02:22:33:44:55:77", task.AttachmentAttached
		w := newWorld(sent, expired, seen)
		w.plug("eth1", "", mac)
		w.run(t)
		synctest.Wait()
		if want := []string{"test-cluster " + taskARN + " " + arn + "seen"}; !slices.Equal(w.accepted(), want) {
			t.Errorf("sent %v, want %v", w.accepted(), want)
		}
		if _, kept := w.kept()["expired"]; kept || len(w.kept()) != 2 {
			t.Errorf("records %v", w.kept())
		}
	})
}

func TestRecordsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.run(t)
		trunk := forTask("trunk", time.Hour)
		trunk.Type, trunk.TaskARN, trunk.MAC = task.AttachmentInstanceENI, "", "02:22:33:44:55:77"
		w.Accept(context.Background(), forTask("a1", time.Hour), trunk)
		w.Accept(context.Background(), forTask("a2", time.Hour)) // the same interface for the next task
		if _, kept := w.kept()["a1"]; kept || len(w.kept()) != 2 {
			t.Errorf("records after the interface was attached anew: %v", w.kept())
		}
		w.Forget(taskARN)
		w.Forget("")
		if _, kept := w.kept()["trunk"]; !kept || len(w.kept()) != 1 {
			t.Errorf("records after the task: %v", w.kept())
		}
		w.Accept(context.Background(), forTask("late", -time.Second))
		if len(w.kept()) != 1 {
			t.Errorf("an announcement that came too late was kept: %v", w.kept())
		}
	})
}

func TestNobodyLooksWithoutNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.run(t)
		time.Sleep(24 * time.Hour)
		if w.looked() != 0 {
			t.Errorf("looked %d times at a host where nothing is awaited", w.looked())
		}
		w.Accept(context.Background(), forTask("a1", time.Hour))
		time.Sleep(2 * time.Hour)
		if w.looked() < 120 || w.looked() > 150 {
			t.Errorf("looked %d times in an hour", w.looked())
		}
	})
}

func TestWithoutTaskNetworkingRecordsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Run(ctx, "test-cluster", Host{})
		}()
		w.plug("eth1", "", mac)
		w.Accept(context.Background(), forTask("a1", time.Minute))
		time.Sleep(time.Minute + time.Millisecond)
		synctest.Wait()
		if len(w.kept()) != 0 || len(w.accepted()) != 0 {
			t.Errorf("records %v, sent %v", w.kept(), w.accepted())
		}
		cancel()
		<-done
	})
}

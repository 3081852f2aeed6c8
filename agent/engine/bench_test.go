package engine

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/engine/enginetest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// instant is a runtime whose calls take no time: what is measured is the engine alone.
type instant struct{}

func (instant) ResolveManifest(context.Context, *task.Task, *task.Container) (task.Manifest, error) {
	return task.Manifest{Digest: "sha256:1"}, nil
}

func (instant) Pull(context.Context, *task.Task, *task.Container) (task.PullResult, error) {
	return task.PullResult{ImageID: "sha256:2"}, nil
}

func (instant) Create(_ context.Context, _ *task.Task, c *task.Container) (task.CreateResult, error) {
	return task.CreateResult{RuntimeID: "id-" + c.RuntimeName}, nil
}

func (instant) Start(_ context.Context, _ *task.Task, c *task.Container) (*task.ContainerState, error) {
	return &task.ContainerState{RuntimeID: c.RuntimeID, Status: task.ContainerRunning, StartedAt: time.Now()}, nil
}

func (instant) Stop(_ context.Context, _ *task.Task, c *task.Container) (*task.ContainerState, error) {
	code := 0
	return &task.ContainerState{RuntimeID: c.RuntimeID, Status: task.ContainerStopped, ExitCode: &code}, nil
}

func (instant) Inspect(context.Context, *task.Container) (*task.ContainerState, error) {
	return nil, task.ErrGone
}

func (instant) Remove(context.Context, *task.Task, *task.Container) error { return nil }
func (instant) Ping(context.Context) error                                { return nil }

func (instant) List(context.Context) ([]task.ContainerState, error) { return nil, nil }

func (instant) Provision(context.Context, *task.Task, *task.Container) (task.Connection, error) {
	return task.Connection{}, nil
}
func (instant) Disconnect(context.Context, *task.Task, *task.Container) error { return nil }
func (instant) ReleaseAddress(context.Context, *task.Task) error              { return nil }
func (instant) Events(ctx context.Context, _ time.Time, listening func(), _ func(task.RuntimeEvent)) error {
	listening()
	<-ctx.Done()
	return ctx.Err()
}

// counter counts the tasks that were reported with a status.
type counter struct {
	mu   sync.Mutex
	seen map[task.Status]int
	more *sync.Cond
}

func newCounter() *counter {
	c := &counter{seen: map[task.Status]int{}}
	c.more = sync.NewCond(&c.mu)
	return c
}

func (c *counter) ContainerChanged(*task.Task, *task.Container) {}

func (c *counter) TaskChanged(t *task.Task, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[t.Known]++
	c.more.Broadcast()
}

func (c *counter) wait(status task.Status, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.seen[status] < n {
		c.more.Wait()
	}
}

type noStore struct{}

func (noStore) SaveTask(*task.Task)           {}
func (noStore) SaveContainer(*task.Container) {}
func (noStore) DeleteTask(*task.Task)         {}
func (noStore) Hurry()                        {}
func (noStore) Sync(context.Context) error    { return nil }

// BenchmarkLifeOfATask runs tasks from acceptance to STOPPED beside others that already run. The time per task should
// not depend on how many those are.
func BenchmarkLifeOfATask(b *testing.B) {
	for _, others := range []int{0, 100, 1000} {
		b.Run(fmt.Sprintf("beside=%d", others), func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			heard := newCounter()
			e := New(Config{
				Rules: Rules{CleanupWait: time.Hour}, Host: HostResources{CPU: 1 << 40, Memory: 1 << 40}, Resources: enginetest.NoResources{},
				ContainerName: func(t *task.Task, c *task.Container) string { return t.ID() + c.Name }, Credentials: &credentials.Store{},
			}, instant{}, noStore{}, heard)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = e.Run(ctx)
			}()
			<-e.Ready()
			launch := func(id string) string {
				arn := arnOf(id)
				_ = e.Accept(ctx, &task.Task{ARN: arn, Family: "f", Revision: "1", Desired: task.Running, Containers: []*task.Container{{Name: "c", Image: "i", Essential: true, CPU: 1, Memory: 1}}})
				return arn
			}
			for i := range others {
				launch(fmt.Sprintf("other%d", i))
			}
			heard.wait(task.Running, others)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				arn := launch(fmt.Sprintf("task%d", i))
				heard.wait(task.Running, others+i+1)
				e.Stop(arn)
				heard.wait(task.Stopped, i+1)
			}
			b.StopTimer()
			cancel()
			<-done
		})
	}
}

//go:build integration

package stats

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Sampling real containers every second costs little, and Docker nothing. misc/e2e measures it with many more.
func TestTheKernelSourceDoesNotBotherDocker(t *testing.T) {
	const containers = 10
	const duration = 5 * time.Second
	engine, sdk := connect(t)
	tk := &task.Task{ARN: "arn:aws:ecs:us-west-2:123456789012:task/integ/3", Family: "integ", NetworkMode: "bridge", Known: task.Running, Containers: make([]*task.Container, containers)}
	var all errgroup.Group
	all.SetLimit(4)
	for i := range containers {
		all.Go(func() error {
			tk.Containers[i] = start(t, engine, sdk, &container.HostConfig{}, "sleep 10000")
			return nil
		})
	}
	_ = all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	var asked atomic.Int64
	c := collect(t, countingDocker{engine, &asked}, config.StatsSourceAuto, tk)
	time.Sleep(time.Second) // until all is opened
	before := ownCPU(t)
	time.Sleep(duration)
	used := ownCPU(t) - before
	t.Logf("the agent used %.2f %% of a core", 100*used.Seconds()/duration.Seconds())
	if used > duration/50 {
		t.Error("that is too much")
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("Docker was asked %d times", n)
	}
	for _, ct := range tk.Containers {
		if n := samples(c, ct); n < 3 {
			t.Errorf("%d samples of %s", n, ct.Name)
		}
	}
}

// countingDocker counts requests.
type countingDocker struct {
	Docker
	requests *atomic.Int64
}

func (d countingDocker) StreamStats(ctx context.Context, id string, deliver func([]byte) error) error {
	d.requests.Add(1)
	return d.Docker.StreamStats(ctx, id, deliver)
}

func (d countingDocker) Stats(ctx context.Context, id string) ([]byte, error) {
	d.requests.Add(1)
	return d.Docker.Stats(ctx, id)
}

// ownCPU is the CPU time of this process.
func ownCPU(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

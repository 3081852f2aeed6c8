//go:build integration

package stats

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Sampling 50 real containers every second costs less than 1 % of a core here, and Docker nothing.
func TestCostOfFiftyContainers(t *testing.T) {
	const containers = 50
	const duration = 20 * time.Second
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
	measure := func(source config.StatsSource) (own, docker time.Duration) {
		collect(t, countingDocker{engine, &asked}, source, tk)
		time.Sleep(3 * time.Second) // until all is opened and in step
		dockerBefore := dockerCPU(t)
		ownBefore := ownCPU(t) // last: the other one costs
		time.Sleep(duration)
		own = ownCPU(t) - ownBefore
		return own, dockerCPU(t) - dockerBefore
	}
	percent := func(d time.Duration) string { return fmt.Sprintf("%.2f %%", 100*d.Seconds()/duration.Seconds()) }

	own, docker := measure(config.StatsSourceAuto)
	t.Logf("kernel: agent %s of a core, dockerd and containerd (whoever uses them) %s", percent(own), percent(docker))
	if own > duration/100 {
		t.Error("the agent uses", percent(own))
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("Docker was asked %d times", n)
	}
	both, docker := measure(config.StatsSourceDocker)
	t.Logf("Docker: agent %s of a core, dockerd and containerd %s", percent(both-own), percent(docker))
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

// dockerCPU is the CPU time of dockerd, containerd and the shims.
func dockerCPU(t *testing.T) time.Duration {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	ticks := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte("(dockerd")) && !bytes.Contains(text, []byte("(containerd")) {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		for _, f := range fields[11:13] { // utime, stime
			n, _ := strconv.Atoi(f)
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

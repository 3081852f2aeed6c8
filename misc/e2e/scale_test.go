//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

const maxScaleRSS = 60 << 20 // with scaleRunning tasks and scaleFinished more that are kept until their cleanup

// TestScale measures the agent with many tasks. Its Docker engine is in memory, so that the machine is not the limit.
func TestScale(t *testing.T) {
	running, finished := 20, 100
	if benchmarking {
		running, finished = 200, 1000
	}
	h := newHost(t)
	engine, err := rig.StartMemoryEngine(filepath.Join(h.dir, "memory.sock"))
	h.must(err)
	t.Cleanup(engine.Close)
	h.env = map[string]string{"DOCKER_HOST": engine.Host(), "ECS_DISABLE_METRICS": "true"}
	h.start()
	d := h.register(definition{"family": "e2e", "containerDefinitions": []any{map[string]any{"name": "main", "image": exampleImage, "cpu": 1, "memory": 16}}})
	launch := func(n int) (arns []string, cpu time.Duration) {
		before := h.cpu()
		for len(arns) < n {
			more, err := h.RunMany(h.ctx(), d, min(10, n-len(arns)))
			h.must(err)
			h.await("RUNNING", more...)
			arns = append(arns, more...)
		}
		return arns, (h.cpu() - before) / time.Duration(n)
	}
	_, first := launch(running)
	for done := 0; done < finished; {
		arns, _ := launch(min(50, finished-done))
		for _, arn := range arns {
			h.must(h.Stop(h.ctx(), arn, "finished"))
		}
		h.await("STOPPED", arns...)
		done += len(arns)
	}
	_, last := launch(20)
	var answers []time.Duration
	for range 20 {
		began := time.Now()
		arns, err := rig.Tasks(h.ctx())
		h.must(err)
		answers = append(answers, time.Since(began))
		if len(arns) != running+finished+20 {
			t.Fatalf("the agent knows %d tasks", len(arns))
		}
	}
	resident := h.rss()
	fmt.Printf(`
scale (%d running, %d finished tasks; an engine in memory)
  resident memory                 %6.1f MiB   (limit %d)
  CPU per launch, first and last  %6.2f ms, %.2f ms
  /v1/tasks                       %6.2f ms

`, running+20, finished, mib(resident), maxScaleRSS>>20, milliseconds(first), milliseconds(last), milliseconds(median(answers)))
	if resident > maxScaleRSS {
		t.Errorf("%.1f MiB resident", mib(resident))
	}
	if last > 5*first+slack*time.Millisecond {
		t.Errorf("a launch costs %v of CPU at first and %v with many tasks", first, last)
	}
}

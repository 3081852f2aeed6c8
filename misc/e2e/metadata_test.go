//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// TestAnswersNeverWaitForDocker asks for everything the agent tells while Docker hangs, and while it is gone.
func TestAnswersNeverWaitForDocker(t *testing.T) {
	h := newHost(t)
	h.throughProxy()
	h.env = map[string]string{"ECS_ENABLE_PROMETHEUS_METRICS": "true", "ECS_TASK_METADATA_RPS_LIMIT": "1000,1000"}
	h.start()
	d := oneContainer("serve")
	d["taskRoleArn"] = "arn:aws:iam::123456789012:role/e2e"
	d["containerDefinitions"].([]any)[0].(map[string]any)["portMappings"] = []any{map[string]any{"containerPort": 8080}}
	definition := h.register(d)
	task := h.await("RUNNING", h.runTask(definition))[0]
	env := h.answer(fmt.Sprintf("http://127.0.0.1:%d/env", task.Containers[0].Bindings[0].HostPort))
	value := func(name string) string {
		_, rest, found := strings.Cut(env, name+"=")
		if !found {
			t.Fatalf("no %s in the container's environment:\n%s", name, env)
		}
		line, _, _ := strings.Cut(rest, "\n")
		return strings.TrimPrefix(line, "http://169.254.170.2")
	}
	v4 := rig.TaskAPI + value("ECS_CONTAINER_METADATA_URI_V4")
	urls := []string{
		v4, v4 + "/task", v4 + "/stats", v4 + "/task/stats", rig.TaskAPI + value("ECS_CONTAINER_METADATA_URI"),
		rig.TaskAPI + value("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
		rig.Introspection + "/v1/tasks", rig.Introspection + "/v1/overview", rig.Introspection + "/v1/status", rig.Introspection + "/metrics",
	}
	ask := func(when string) {
		t.Helper()
		const limit = time.Second // far above what it takes, far below what a call to Docker may take
		for range 5 {
			for _, url := range urls {
				began := time.Now()
				status, body, err := rig.Get(h.ctx(), url)
				if took := time.Since(began); err != nil || status != 200 || took > limit {
					t.Errorf("%s: %s: %d after %v, %v: %.200s", when, url, status, took, err, body)
				}
			}
		}
	}
	ask("while Docker answers")
	h.proxy.Hang(true)
	h.runTask(definition) // something for the agent to wait for
	h.poll("a call that hangs", func() (bool, error) {
		for _, c := range h.proxy.Calls(".") {
			if c.Done.IsZero() && time.Since(c.At) > 500*time.Millisecond && c.Path != "/events" {
				return true, nil
			}
		}
		return false, nil
	})
	ask("while Docker hangs")
	h.proxy.Down()
	ask("without Docker")
	h.proxy.Hang(false)
	h.must(h.proxy.Up())
}

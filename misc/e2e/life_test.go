//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

func TestTaskFromStartToEnd(t *testing.T) {
	h := newHost(t)
	instance := h.start()
	d := oneContainer("serve")
	web := d["containerDefinitions"].([]any)[0].(map[string]any)
	web["portMappings"] = []any{map[string]any{"containerPort": 8080, "hostPort": 0}}
	web["environment"] = []any{map[string]string{"name": "GREETING", "value": "hello"}}
	web["dockerLabels"] = map[string]string{"team": "e2e"}
	arn := h.runTask(h.register(d))
	task := h.await("RUNNING", arn)[0]

	if task.Instance != instance.ARN || task.StartedAt == 0 || len(task.Containers) != 1 {
		t.Fatalf("RUNNING task: %+v", task)
	}
	c := task.Containers[0]
	if c.LastStatus != "RUNNING" || len(c.RuntimeID) != 64 || len(c.Bindings) == 0 || c.Bindings[0].ContainerPort != 8080 || c.Bindings[0].Protocol != "tcp" {
		t.Fatalf("RUNNING container: %+v", c)
	}
	real := h.containers(arn)["main"]
	if real.ID != c.RuntimeID || real.State != "running" || real.Labels["team"] != "e2e" || real.Labels["com.amazonaws.ecs.cluster"] != h.Cluster {
		t.Errorf("container in Docker: %+v", real)
	}

	base := fmt.Sprintf("http://127.0.0.1:%d", c.Bindings[0].HostPort)
	env := h.answer(base + "/env")
	if !strings.Contains(env, "GREETING=hello\n") {
		t.Errorf("environment of the container:\n%s", env)
	}
	_, path, found := strings.Cut(env, "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2")
	if !found {
		t.Fatalf("no metadata address in the container's environment:\n%s", env)
	}
	path, _, _ = strings.Cut(path, "\n")
	var metadata struct {
		TaskARN, Family, Revision, DesiredStatus, KnownStatus string
		Containers                                            []struct{ DockerId, Name, KnownStatus string }
	}
	if err := json.Unmarshal([]byte(h.answer(rig.TaskAPI+path+"/task")), &metadata); err != nil {
		t.Fatal(err)
	}
	if metadata.TaskARN != arn || metadata.Family != "e2e" || metadata.KnownStatus != "RUNNING" || len(metadata.Containers) != 1 || metadata.Containers[0].DockerId != c.RuntimeID {
		t.Errorf("task metadata: %+v", metadata)
	}
	if tasks := h.answer(rig.Introspection + "/v1/tasks?taskarn=" + arn); !strings.Contains(tasks, c.RuntimeID) {
		t.Errorf("introspection: %s", tasks)
	}

	h.must(h.Stop(h.ctx(), arn, "enough"))
	task = h.await("STOPPED", arn)[0]
	if task.StopCode != "UserInitiated" || task.StoppedReason != "enough" || task.StoppedAt < task.StartedAt {
		t.Errorf("STOPPED task: %+v", task)
	}
	if code := task.Containers[0].ExitCode; code == nil || *code != 0 {
		t.Errorf("exit code %v, want 0", code)
	}
	if real := h.containers(arn)["main"]; real.State != "exited" {
		t.Errorf("the container is %s", real.State)
	}
	h.noRegressions()
}

// answer is the body of a page, which has to be there soon.
func (h *host) answer(url string) string {
	h.t.Helper()
	var text string
	h.poll("an answer from "+url, func() (bool, error) {
		status, body, err := rig.Get(h.ctx(), url)
		text = string(body)
		return err == nil && status == http.StatusOK, nil
	})
	return text
}

func TestExitCodesReachTheService(t *testing.T) {
	h := newHost(t)
	h.start()
	arn := h.runTask(h.register(oneContainer("batch", "--steps", "1", "--interval", "10ms", "--exit", "3")))
	task := h.await("STOPPED", arn)[0]
	if code := task.Containers[0].ExitCode; code == nil || *code != 3 {
		t.Errorf("exit code %v, want 3", code)
	}
	if task.StopCode != "EssentialContainerExited" || !strings.Contains(task.StoppedReason, "Essential container in task exited") {
		t.Errorf("%s: %s", task.StopCode, task.StoppedReason)
	}
}

func TestMissingImageIsExplained(t *testing.T) {
	h := newHost(t)
	h.start()
	d := oneContainer("serve")
	d["containerDefinitions"].([]any)[0].(map[string]any)["image"] = "no/such:image:at-all" // refused at once, a registry that does not answer is asked again for half a minute
	arn := h.runTask(h.register(d))
	task := h.await("STOPPED", arn)[0]
	if task.StopCode != "TaskFailedToStart" || !strings.HasPrefix(task.Containers[0].Reason, "CannotPull") {
		t.Errorf("%s: %s; container: %s", task.StopCode, task.StoppedReason, task.Containers[0].Reason)
	}
}

func TestContainersStartInTheirOrder(t *testing.T) {
	h := newHost(t)
	h.start()
	first, second := container("first", "batch", "--steps", "2", "--interval", "200ms"), container("second", "serve")
	first["essential"] = false
	second["dependsOn"] = []any{map[string]string{"containerName": "first", "condition": "SUCCESS"}}
	arn := h.runTask(h.register(definition{"family": "e2e", "containerDefinitions": []any{second, first}}))
	task := h.await("RUNNING", arn)[0]
	for _, c := range task.Containers {
		if c.Name == "first" && (c.ExitCode == nil || *c.ExitCode != 0) {
			t.Errorf("second runs before first has succeeded: %+v", task.Containers)
		}
	}
}

func TestServiceReplacesWhatDies(t *testing.T) {
	h := newHost(t)
	h.start()
	name := h.register(oneContainer("serve"))
	h.must(h.Call(h.ctx(), "CreateService", map[string]any{"cluster": h.Cluster, "serviceName": "three", "taskDefinition": name, "desiredCount": 3}, nil))
	running := func() (arns []string) {
		h.poll("three tasks to run", func() (ok bool, err error) {
			if arns, err = h.TaskARNs(h.ctx(), "RUNNING"); err != nil || len(arns) != 3 {
				return false, err
			}
			tasks, err := h.Tasks(h.ctx(), arns...)
			for _, t := range tasks {
				if t.LastStatus != "RUNNING" {
					return false, err
				}
			}
			return true, err
		})
		return arns
	}
	before := running()
	victim := before[1]
	h.must(docker.Kill(h.ctx(), h.containers(victim)["main"].ID, "KILL"))
	stopped := h.await("STOPPED", victim)[0]
	if code := stopped.Containers[0].ExitCode; code == nil || *code != 137 {
		t.Errorf("exit code of the one that was killed: %v, want 137", code)
	}
	for _, arn := range running() {
		if arn == victim {
			t.Error("the dead task still counts as running")
		}
	}
	h.must(h.Call(h.ctx(), "DeleteService", map[string]any{"cluster": h.Cluster, "service": "three", "force": true}, nil))
	h.poll("all tasks to end", func() (bool, error) {
		arns, err := h.TaskARNs(h.ctx(), "RUNNING")
		return len(arns) == 0, err
	})
}

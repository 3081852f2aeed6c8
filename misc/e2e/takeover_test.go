//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

type records map[string]map[string]json.RawMessage

// othersState replaces the agent's database by one as another make of agent leaves it: with a task record that is older
// than the record of its container.
func (h *host) othersState(instance string, tasks ...rig.Task) records {
	h.t.Helper()
	template, err := os.ReadFile("testdata/takeover.json")
	h.must(err)
	all := records{}
	for _, task := range tasks {
		real := h.containers(task.ARN)["main"]
		_, view, err := rig.Get(h.ctx(), rig.Introspection+"/v1/tasks?taskarn="+task.ARN)
		h.must(err)
		var seen struct{ Containers []struct{ DockerName string } }
		h.must(json.Unmarshal(view, &seen))
		text := strings.NewReplacer("$ID", task.ID(), "$ARN", task.ARN, "$ENDPOINT", "endpoint-of-"+task.ID(), "$DOCKERID", real.ID,
			"$DOCKERNAME", seen.Containers[0].DockerName, "$IMAGEID", "", "$CLUSTER", h.Cluster, "$INSTANCE", instance).Replace(string(template))
		var one records
		h.must(json.Unmarshal([]byte(text), &one))
		for bucket, entries := range one {
			if all[bucket] == nil {
				all[bucket] = map[string]json.RawMessage{}
			}
			for key, value := range entries {
				all[bucket][key] = value
			}
		}
	}
	h.agent.Kill()
	h.must(os.Remove(filepath.Join(h.dir, "data", "agent.db")))
	h.editState(func(tx *bolt.Tx) error {
		for name, entries := range all {
			bucket, err := tx.CreateBucket([]byte(name))
			if err != nil {
				return err
			}
			for key, value := range entries {
				if err := bucket.Put([]byte(key), value); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return all
}

// members are the names in a JSON object, and in the objects and lists it holds.
func members(prefix string, raw json.RawMessage, into map[string]bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) == nil {
		for name, value := range object {
			into[prefix+name] = true
			members(prefix+name+".", value, into)
		}
		return
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		for _, value := range list {
			members(prefix, value, into)
		}
	}
}

// TestTakeoverFromAnotherAgent: the tasks of another make of agent go on untouched, what ended meanwhile is reported, and
// the other agent could read the database again.
func TestTakeoverFromAnotherAgent(t *testing.T) {
	h := newHost(t)
	h.throughProxy()
	before := h.start()
	d := h.register(oneContainer("serve"))
	runs, ended := h.runTask(d), h.runTask(d)
	tasks := h.await("RUNNING", runs, ended)
	theirs := h.othersState(before.ARN, tasks...)
	h.must(docker.Kill(h.ctx(), tasks[1].Containers[0].RuntimeID, "KILL"))
	h.poll("the container to end", func() (bool, error) { return h.containers(ended)["main"].State == "exited", nil })
	h.proxy.Forget()

	if after := h.start(); after.ARN != before.ARN {
		t.Errorf("registered as %s, was %s", after.ARN, before.ARN)
	}
	if code := h.await("STOPPED", ended)[0].Containers[0].ExitCode; code == nil || *code != 137 {
		t.Errorf("exit code of the task that ended meanwhile: %v, want 137", code)
	}
	if c := h.containers(runs)["main"]; c.ID != tasks[0].Containers[0].RuntimeID || c.State != "running" {
		t.Errorf("container %s is now %+v", tasks[0].Containers[0].RuntimeID, c)
	}
	if calls := h.proxy.Calls(`^(POST|DELETE) /(containers|volumes|networks)`); len(calls) != 0 {
		t.Errorf("the takeover touched the engine: %+v", calls)
	}
	// The address of its metadata is in the container's environment.
	status, body, err := rig.Get(h.ctx(), rig.TaskAPI+"/v4/endpoint-of-"+tasks[0].ID()+"/task")
	if err != nil || status != 200 || !strings.Contains(string(body), runs) {
		t.Errorf("task metadata: %d %s %v", status, body, err)
	}

	h.terminate()
	h.editState(func(tx *bolt.Tx) error {
		for bucket, entries := range theirs {
			for key, value := range entries {
				ours := tx.Bucket([]byte(bucket)).Get([]byte(key))
				was, is := map[string]bool{}, map[string]bool{}
				members("", value, was)
				members("", ours, is)
				for name := range was {
					// What means nothing here need not be written.
					if !is[name] && !strings.Contains(name, "RestartAggregationDataForStats") && !strings.HasPrefix(name, "ServiceConnectConfig") {
						t.Errorf("%s/%s: member %q is gone", bucket, key, name)
					}
				}
			}
		}
		return nil
	})
	h.start()
	h.must(h.Stop(h.ctx(), runs, "enough"))
	h.await("STOPPED", runs)
	if c := h.containers(runs)["main"]; c.State != "exited" {
		t.Errorf("the container of a stopped task is %s", c.State)
	}
	h.noRegressions()
}

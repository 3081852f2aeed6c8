//go:build e2e

package vpc

import (
	"testing"

	"github.com/containernetworking/plugins/pkg/netlinksafe"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// Tasks on branches of a trunk that the service attached to the instance: they talk to one another and to the agent, also to
// the next one, and when they are gone the trunk is as it was.
func TestTasksOnBranchesOfATrunk(t *testing.T) {
	h := newLab(t, "--trunk")
	env := map[string]string{"ECS_ENABLE_HIGH_DENSITY_ENI": "true", "ECS_AWSVPC_BLOCK_IMDS": "true"}
	h.start(env)
	h.must(rig.Poll(h.ctx(), "the trunk", func() (bool, error) { return h.trunk() != "", nil }))
	h.before = h.view()
	trunk := h.trunk()

	tasks := append(h.run("subnet-lab", 2), h.run("subnet-lab-dual", 1)...)
	branches := func(when string) {
		t.Helper()
		for i, task := range tasks {
			h.must(task.in(func() error {
				link, err := netlinksafe.LinkByName("eth0")
				if err == nil && link.Type() != "vlan" {
					t.Errorf("%s: the task's interface is a %s", when, link.Type())
				}
				return err
			}))
			task.knowsItself()
			task.mustGet("http://" + tasks[(i+1)%len(tasks)].ip() + ":8080/env")
			if _, err := task.get("http://169.254.169.254/latest/meta-data/"); err == nil {
				t.Errorf("%s: the instance metadata service is not blocked", when)
			}
		}
	}
	branches("at first")
	h.agent.Kill()
	h.start(env)
	if again := h.trunk(); again != trunk {
		t.Errorf("the trunk is %q after a restart of the agent, was %q", again, trunk)
	}
	branches("with the next agent")
	h.stop(tasks...)
	h.nothingIsLeft()

	more := h.run("subnet-lab", 1)[0] // and once more on the same trunk
	more.knowsItself()
	h.stop(more)
	h.nothingIsLeft()
}

// trunk is the id of the trunk of the instance; empty while there is none.
func (h *host) trunk() string {
	h.t.Helper()
	var list struct{ ContainerInstanceArns []string }
	h.must(h.Call(h.ctx(), "ListContainerInstances", map[string]any{"cluster": h.Cluster}, &list))
	var out struct {
		ContainerInstances []struct {
			Attributes []struct{ Name, Value string }
		}
	}
	h.must(h.Call(h.ctx(), "DescribeContainerInstances", map[string]any{"cluster": h.Cluster, "containerInstances": list.ContainerInstanceArns}, &out))
	for _, i := range out.ContainerInstances {
		for _, a := range i.Attributes {
			if a.Name == "ecs.awsvpc-trunk-id" {
				return a.Value
			}
		}
	}
	return ""
}

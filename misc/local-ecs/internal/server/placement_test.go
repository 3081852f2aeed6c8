package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/agenttest"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

func TestPlacementFailures(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.CPU, a.Memory = 1000, 500
	a.Register()
	define := func(family string, change func(c m)) {
		c := m{"name": "c", "image": "i", "memory": 100, "cpu": 100}
		change(c)
		p.register(m{"family": family, "containerDefinitions": []m{c}})
	}
	define("plain", func(m) {})
	define("cpu", func(c m) { c["cpu"] = 1001 })
	define("memory", func(c m) { c["memory"] = 501 })
	define("reserved", func(c m) { c["memory"] = 501; c["memoryReservation"] = 100 })
	define("ssh", func(c m) { c["portMappings"] = []m{{"containerPort": 22, "hostPort": 22}} })
	define("port", func(c m) { c["portMappings"] = []m{{"containerPort": 80, "hostPort": 8080}} })
	define("privileged", func(c m) { c["privileged"] = true })
	define("gpu", func(c m) { c["resourceRequirements"] = []m{{"type": "GPU", "value": "1"}} })
	type result struct {
		Tasks    []ecs.Task    `json:"tasks"`
		Failures []ecs.Failure `json:"failures"`
	}
	reasons := func(operation string, in m) string {
		var out result
		p.call(operation, in, &out)
		var rs []string
		for _, f := range out.Failures {
			rs = append(rs, f.Reason)
		}
		return fmt.Sprintf("%d tasks %s", len(out.Tasks), strings.Join(rs, " "))
	}
	if got := reasons("RunTask", m{"taskDefinition": "plain"}); got != "0 tasks AGENT" {
		t.Errorf("disconnected: %s", got)
	}
	a.Connect()
	for _, c := range []struct {
		in   m
		want string
	}{
		{m{"taskDefinition": "cpu"}, "0 tasks RESOURCE:CPU"},
		{m{"taskDefinition": "memory"}, "0 tasks RESOURCE:MEMORY"},
		{m{"taskDefinition": "reserved"}, "1 tasks "},
		{m{"taskDefinition": "ssh"}, "0 tasks RESOURCE:PORTS"},
		{m{"taskDefinition": "port", "count": 2}, "1 tasks RESOURCE:PORTS"},
		{m{"taskDefinition": "privileged"}, "0 tasks ATTRIBUTE"},
		{m{"taskDefinition": "gpu"}, "0 tasks RESOURCE:GPU"},
		{m{"taskDefinition": "plain", "launchType": "EXTERNAL"}, "0 tasks ATTRIBUTE"},
		{m{"taskDefinition": "plain", "placementConstraints": []m{{"type": "memberOf", "expression": "attribute:stack == prod"}}}, "0 tasks MemberOf placement constraint unsatisfied."},
		{m{"taskDefinition": "plain", "group": "g", "count": 2, "placementConstraints": []m{{"type": "distinctInstance"}}}, "1 tasks DistinctInstance placement constraint unsatisfied."},
		{m{"taskDefinition": "plain", "count": 10}, "2 tasks RESOURCE:MEMORY"},
	} {
		if got := reasons("RunTask", c.in); got != c.want {
			t.Errorf("%v: %s, want %s", c.in, got, c.want)
		}
	}
	var out struct {
		ContainerInstances []ecs.ContainerInstance `json:"containerInstances"`
	}
	p.call("DescribeContainerInstances", m{"containerInstances": []string{a.Arn}}, &out)
	i := out.ContainerInstances[0]
	if !i.AgentConnected || i.RunningTasksCount+i.PendingTasksCount != 5 || i.VersionInfo.AgentVersion != "1.105.1" {
		t.Errorf("%+v", i)
	}
	for _, r := range i.RemainingResources {
		switch {
		case r.Name == "CPU" && r.IntegerValue != 500, r.Name == "MEMORY" && r.IntegerValue != 0,
			r.Name == "PORTS" && !slices.Contains(r.StringSetValue, "8080"):
			t.Errorf("remaining %+v", r)
		}
	}
	if got := reasons("StartTask", m{"taskDefinition": "plain", "containerInstances": []string{a.Arn, "00ff"}}); got != "0 tasks RESOURCE:MEMORY MISSING" {
		t.Errorf("StartTask: %s", got)
	}
	p.call("UpdateContainerInstancesState", m{"containerInstances": []string{a.Arn}, "status": "DRAINING"}, nil)
	if err := agenttest.Call(p.Endpoint, "RunTask", m{"taskDefinition": "plain"}, nil); err == nil || err.Error() != "InvalidParameterException: No Container Instances were found in your cluster." {
		t.Errorf("draining: %v", err)
	}
}

func TestGPUsAreHandedOut(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.GPUs = []string{"GPU-1", "GPU-2", "GPU-3"}
	a.Register()
	a.Connect()
	p.register(m{"family": "gpu", "containerDefinitions": []m{{"name": "c", "image": "i", "memory": 100, "resourceRequirements": []m{{"type": "GPU", "value": "2"}}}}})
	task := p.run(m{"taskDefinition": "gpu"})[0]
	if got := fmt.Sprint(task.Containers[0].GPUIDs); got != "[GPU-1 GPU-2]" {
		t.Errorf("GPUs %s", got)
	}
	p.await(task.TaskArn, ecs.Running)
	if got := a.Task(task.TaskArn).Associations; len(got) != 2 || got[0].Type != "gpu" || got[0].Containers[0] != "c" {
		t.Errorf("associations %+v", got)
	}
	var out struct {
		Failures []ecs.Failure `json:"failures"`
	}
	p.call("RunTask", m{"taskDefinition": "gpu"}, &out)
	if len(out.Failures) != 1 || out.Failures[0].Reason != "RESOURCE:GPU" {
		t.Errorf("%+v", out.Failures)
	}
}

func TestSpreadAndBinpack(t *testing.T) {
	p := start(t)
	agents := []*agenttest.Agent{agenttest.Start(t, p.Endpoint), agenttest.Start(t, p.Endpoint), agenttest.Start(t, p.Endpoint)}
	p.register(webDefinition())
	where := func(in m) map[string]int {
		count := map[string]int{}
		for _, task := range p.run(in) {
			count[task.ContainerInstanceArn]++
		}
		return count
	}
	if got := where(m{"taskDefinition": "web", "count": 6}); len(got) != 3 || got[agents[0].Arn] != 2 {
		t.Errorf("spread by default: %v", got)
	}
	if got := where(m{"taskDefinition": "web", "count": 6, "group": "packed", "placementStrategy": []m{{"type": "binpack", "field": "memory"}}}); len(got) != 1 {
		t.Errorf("binpack: %v", got)
	}
}

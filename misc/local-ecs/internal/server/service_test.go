package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/agenttest"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

func (p *plane) service(name string) ecs.Service {
	p.t.Helper()
	var out struct {
		Services []ecs.Service `json:"services"`
	}
	p.call("DescribeServices", m{"services": []string{name}}, &out)
	if len(out.Services) != 1 {
		p.t.Fatalf("service %s: %d found", name, len(out.Services))
	}
	return out.Services[0]
}

func (p *plane) awaitSteady(name string, tasks int) ecs.Service {
	p.t.Helper()
	agenttest.Eventually(p.t, fmt.Sprintf("%s steady with %d tasks", name, tasks), func() bool {
		s := p.service(name)
		return s.RunningCount == tasks && s.DesiredCount == tasks && s.PendingCount == 0 && len(s.Deployments) == 1 && s.Deployments[0].RolloutState == "COMPLETED"
	})
	return p.service(name)
}

func (p *plane) serviceTasks(name string) []string {
	p.t.Helper()
	var out struct {
		TaskArns []string `json:"taskArns"`
	}
	p.call("ListTasks", m{"serviceName": name}, &out)
	return out.TaskArns
}

func TestServiceLife(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	p.register(webDefinition())
	p.call("CreateService", m{"serviceName": "web", "taskDefinition": "web", "desiredCount": 3}, nil)
	s := p.awaitSteady("web", 3)
	var texts []string
	for _, e := range s.Events {
		texts = append(texts, e.Message)
	}
	if all := strings.Join(texts, "\n"); !strings.Contains(all, "(service web) has reached a steady state.") || !strings.Contains(all, "has started 3 tasks: (task ") {
		t.Errorf("events:\n%s", all)
	}
	task := p.task(p.serviceTasks("web")[0])
	if task.Group != "service:web" || task.StartedBy != s.Deployments[0].ID || a.Task(task.TaskArn).ServiceName != "web" {
		t.Errorf("group %s, started by %s", task.Group, task.StartedBy)
	}

	a.Report(task.TaskArn, "STOPPED", new(1))
	agenttest.Eventually(t, "replacement", func() bool {
		for _, arn := range p.serviceTasks("web") {
			if arn == task.TaskArn {
				return false
			}
		}
		return len(p.serviceTasks("web")) == 3
	})
	p.awaitSteady("web", 3)

	p.call("UpdateService", m{"service": "web", "desiredCount": 1}, nil)
	p.awaitSteady("web", 1)
	p.register(webDefinition())
	p.call("UpdateService", m{"service": "web", "taskDefinition": "web"}, nil)
	s = p.awaitSteady("web", 1)
	if !strings.HasSuffix(s.TaskDefinition, "web:2") || !strings.HasSuffix(p.task(p.serviceTasks("web")[0]).TaskDefinitionArn, "web:2") {
		t.Error("deployment did not change the tasks")
	}
	before := p.serviceTasks("web")[0]
	p.call("UpdateService", m{"service": "web", "forceNewDeployment": true}, nil)
	agenttest.Eventually(t, "another task", func() bool {
		arns := p.serviceTasks("web")
		return len(arns) == 1 && arns[0] != before
	})
	if stopped := p.await(before, ecs.Stopped); stopped.StopCode != ecs.ServiceSchedulerInitiated || !strings.HasPrefix(stopped.StoppedReason, "Scaling activity initiated by (deployment ecs-svc/") {
		t.Errorf("%s: %s", stopped.StopCode, stopped.StoppedReason)
	}

	if err := agenttest.Call(p.Endpoint, "DeleteService", m{"service": "web"}, nil); err == nil || !strings.Contains(err.Error(), "scaled above 0") {
		t.Errorf("delete: %v", err)
	}
	p.call("DeleteService", m{"service": "web", "force": true}, nil)
	agenttest.Eventually(t, "service gone", func() bool { return p.service("web").Status == ecs.Inactive })
	if err := agenttest.Call(p.Endpoint, "UpdateService", m{"service": "web", "desiredCount": 1}, nil); err == nil || !strings.HasPrefix(err.Error(), "ServiceNotActiveException") {
		t.Errorf("update of a deleted service: %v", err)
	}
	p.call("CreateService", m{"serviceName": "web", "taskDefinition": "web", "desiredCount": 1}, nil)
	p.awaitSteady("web", 1)
}

func TestServiceWaitsForRoom(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.CPU = 250
	a.Register()
	p.register(webDefinition())
	p.call("CreateService", m{"serviceName": "web", "taskDefinition": "web", "desiredCount": 3}, nil)
	agenttest.Eventually(t, "event", func() bool {
		e := p.service("web").Events
		return len(e) == 1 && strings.Contains(e[0].Message, "has an agent that is disconnected.")
	})
	a.Connect()
	agenttest.Eventually(t, "two of three", func() bool { return p.service("web").RunningCount == 2 })
	if e := p.service("web").Events; !strings.Contains(e[0].Message, "insufficient CPU units") {
		t.Errorf("event %s", e[0].Message)
	}
	b := agenttest.Start(t, p.Endpoint)
	p.awaitSteady("web", 3)
	if len(b.Arns()) != 1 {
		t.Errorf("%d tasks on the second instance", len(b.Arns()))
	}
}

func TestDrainingMovesServiceTasks(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	p.register(webDefinition())
	p.call("CreateService", m{"serviceName": "web", "taskDefinition": "web", "desiredCount": 2}, nil)
	p.awaitSteady("web", 2)
	alone := p.run(m{"taskDefinition": "web"})[0].TaskArn
	p.await(alone, ecs.Running)
	b := agenttest.Start(t, p.Endpoint)
	p.call("UpdateContainerInstancesState", m{"containerInstances": []string{a.Arn}, "status": "DRAINING"}, nil)
	agenttest.Eventually(t, "tasks moved", func() bool { return len(b.Arns()) == 2 })
	p.awaitSteady("web", 2)
	if p.task(alone).LastStatus != ecs.Running {
		t.Error("a task of no service was stopped")
	}
}

func TestUnhealthyServiceTaskIsReplaced(t *testing.T) {
	p := start(t)
	agenttest.Start(t, p.Endpoint)
	d := webDefinition()
	d["containerDefinitions"].([]m)[0]["healthCheck"] = m{"command": []string{"CMD", "true"}}
	p.register(d)
	p.call("CreateService", m{"serviceName": "web", "taskDefinition": "web", "desiredCount": 1}, nil)
	p.awaitSteady("web", 1)
	arn := p.serviceTasks("web")[0]
	tcs := p.telemetry(p.task(arn).ContainerInstanceArn)
	health := func(status string) string {
		return `{"type":"PublishHealthRequest","message":{"tasks":[{"taskArn":"` + arn + `","containers":[{"containerName":"web","healthStatus":"` + status + `"}]}]}}`
	}
	if ack := tcs.send("Authorization: x\r\nHost: y\r\n\r\n" + health("HEALTHY")); ack != "AckPublishHealth" {
		t.Errorf("answer %s", ack)
	}
	if task := p.task(arn); task.HealthStatus != "HEALTHY" || task.Containers[0].HealthStatus != "HEALTHY" {
		t.Errorf("health %s, %s", task.HealthStatus, task.Containers[0].HealthStatus)
	}
	tcs.send(health("UNHEALTHY"))
	if stopped := p.await(arn, ecs.Stopped); stopped.StoppedReason != "Task failed container health checks" {
		t.Errorf("reason %s", stopped.StoppedReason)
	}
	p.awaitSteady("web", 1)
}

func TestDaemonService(t *testing.T) {
	p := start(t)
	agenttest.Start(t, p.Endpoint)
	p.register(webDefinition())
	p.call("CreateService", m{"serviceName": "d", "taskDefinition": "web", "schedulingStrategy": "DAEMON"}, nil)
	p.awaitSteady("d", 1)
	b := agenttest.Start(t, p.Endpoint)
	p.awaitSteady("d", 2)
	if len(b.Arns()) != 1 {
		t.Errorf("%d tasks on the second instance", len(b.Arns()))
	}
}

func TestTaskProtection(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	p.register(webDefinition())
	p.call("CreateService", m{"serviceName": "web", "taskDefinition": "web", "desiredCount": 2}, nil)
	p.awaitSteady("web", 2)
	kept := p.serviceTasks("web")
	alone := p.run(m{"taskDefinition": "web"})[0].TaskArn
	var out struct {
		ProtectedTasks []ecs.ProtectedTask `json:"protectedTasks"`
		Failures       []ecs.Failure       `json:"failures"`
	}
	a.Call("UpdateTaskProtection", m{"cluster": "default", "tasks": append(kept, alone, "00ff"), "protectionEnabled": true}, &out)
	if len(out.ProtectedTasks) != 2 || out.ProtectedTasks[0].ExpirationDate.IsZero() || len(out.Failures) != 2 || out.Failures[0].Reason != "TASK_NOT_VALID" || out.Failures[1].Reason != "MISSING" {
		t.Errorf("%+v", out)
	}
	p.call("UpdateService", m{"service": "web", "desiredCount": 0}, nil)
	p.call("UpdateTaskProtection", m{"cluster": "default", "tasks": kept[:1], "protectionEnabled": false}, nil)
	p.await(kept[0], ecs.Stopped)
	if p.task(kept[1]).DesiredStatus != ecs.Running {
		t.Error("a protected task was stopped")
	}
	p.call("GetTaskProtection", m{"cluster": "default"}, &out)
	if len(out.ProtectedTasks) != 1 || !out.ProtectedTasks[0].ProtectionEnabled {
		t.Errorf("%+v", out)
	}
}

package server

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/agenttest"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

// Every refusal has the type of the real API and names what is wrong.
func TestRefusals(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	p.register(webDefinition())
	p.register(m{"family": "vpc", "networkMode": "awsvpc", "containerDefinitions": []m{{"name": "c", "image": "i", "memory": 64}}})
	old := p.register(m{"family": "old", "containerDefinitions": []m{{"name": "c", "image": "i", "memory": 64}}})
	p.call("DeregisterTaskDefinition", m{"taskDefinition": old}, nil)
	p.call("CreateService", m{"serviceName": "taken", "taskDefinition": "web", "desiredCount": 0}, nil)
	running := p.run(m{"taskDefinition": "web"})[0].TaskArn
	p.await(running, ecs.Running)

	many := slices.Repeat([]string{"x"}, 101)
	for _, c := range []struct {
		operation string
		in        any
		want      string
	}{
		{"Dance", m{}, "UnknownOperationException: local-ecs has no operation Dance."},
		{"RunTask", "text", "SerializationException: '' must be of type"},
		{"RunTask", m{"taskDefinition": "web", "count": "two"}, "SerializationException: 'count' must be of type int, not string."},
		{"RunTask", m{}, "ClientException: TaskDefinition can not be blank. 'taskDefinition'"},
		{"RunTask", m{"taskDefinition": "nope"}, "ClientException: TaskDefinition not found."},
		{"RunTask", m{"taskDefinition": "web:x"}, "ClientException: TaskDefinition not found."},
		{"RunTask", m{"taskDefinition": "old:1"}, "ClientException: TaskDefinition is inactive"},
		{"RunTask", m{"taskDefinition": "web", "cluster": "nope"}, "ClusterNotFoundException: Cluster not found."},
		{"RunTask", m{"taskDefinition": "web", "cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/nope"}, "ClusterNotFoundException: Cluster not found."},
		{"RunTask", m{"taskDefinition": "web", "count": 11}, "InvalidParameterException: Invalid 'count'"},
		{"RunTask", m{"taskDefinition": "web", "count": 0}, "InvalidParameterException: Invalid 'count'"},
		{"RunTask", m{"taskDefinition": "web", "launchType": "FARGATE"}, "UnsupportedFeatureException: local-ecs has no 'launchType' FARGATE"},
		{"RunTask", m{"taskDefinition": "web", "launchType": "MOON"}, "InvalidParameterException: Invalid 'launchType'"},
		{"RunTask", m{"taskDefinition": "web", "capacityProviderStrategy": []m{{"capacityProvider": "x"}}}, "UnsupportedFeatureException: local-ecs has no capacity providers"},
		{"RunTask", m{"taskDefinition": "web", "group": "service:x"}, "InvalidParameterException: Invalid 'group'"},
		{"RunTask", m{"taskDefinition": "web", "startedBy": strings.Repeat("x", 129)}, "InvalidParameterException: Invalid 'startedBy'"},
		{"RunTask", m{"taskDefinition": "web", "tags": []m{{"key": "aws:x", "value": "y"}}}, "InvalidParameterException: Invalid 'tags'"},
		{"RunTask", m{"taskDefinition": "web", "propagateTags": "SERVICE"}, "InvalidParameterException: Invalid 'propagateTags'"},
		{"RunTask", m{"taskDefinition": "web", "overrides": m{"containerOverrides": []m{{"name": "db"}}}}, "InvalidParameterException: Override for container named db is not a container in the TaskDefinition."},
		{"RunTask", m{"taskDefinition": "web", "overrides": m{"containerOverrides": []m{{"name": "web", "memory": 1}}}}, "InvalidParameterException: Invalid 'memory' override for container web"},
		{"RunTask", m{"taskDefinition": "web", "overrides": m{"cpu": "lots"}}, "InvalidParameterException: Invalid 'cpu' setting for task"},
		{"RunTask", m{"taskDefinition": "web", "placementConstraints": []m{{"type": "memberOf", "expression": "attribute:"}}}, "InvalidParameterException: Invalid expression in 'placementConstraints'"},
		{"RunTask", m{"taskDefinition": "web", "placementConstraints": []m{{"type": "near"}}}, "InvalidParameterException: Invalid 'placementConstraints' type"},
		{"RunTask", m{"taskDefinition": "web", "placementStrategy": []m{{"type": "binpack", "field": "host"}}}, "InvalidParameterException: Invalid 'placementStrategy'"},
		{"RunTask", m{"taskDefinition": "web", "networkConfiguration": m{"awsvpcConfiguration": m{}}}, "InvalidParameterException: Network Configuration is not valid"},
		{"RunTask", m{"taskDefinition": "vpc"}, "InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified."},
		{"RunTask", m{"taskDefinition": "vpc", "networkConfiguration": m{"awsvpcConfiguration": m{}}}, "InvalidParameterException: subnets can not be empty."},
		{"RunTask", m{"taskDefinition": "vpc", "networkConfiguration": m{"awsvpcConfiguration": m{"subnets": []string{"s"}}}}, "UnsupportedFeatureException: local-ecs has no network interfaces to attach: make a network"},
		{"RunTask", m{"taskDefinition": "vpc", "networkConfiguration": m{"awsvpcConfiguration": m{"subnets": []string{"s"}, "assignPublicIp": "ENABLED"}}}, "InvalidParameterException: Assign public IP"},
		{"RunTask", m{"taskDefinition": "vpc", "networkConfiguration": m{"awsvpcConfiguration": m{"subnets": []string{"s"}, "securityGroups": make([]string, 6)}}}, "InvalidParameterException: Invalid 'securityGroups'"},
		{"StartTask", m{"taskDefinition": "web"}, "InvalidParameterException: Invalid 'containerInstances'"},
		{"StopTask", m{}, "InvalidParameterException: taskId can not be blank."},
		{"StopTask", m{"task": "nope"}, "InvalidParameterException: The referenced task was not found."},
		{"StopTask", m{"task": running, "reason": strings.Repeat("x", 1025)}, "InvalidParameterException: Invalid 'reason'"},
		{"DescribeTasks", m{}, "InvalidParameterException: Tasks cannot be empty."},
		{"DescribeTasks", m{"tasks": many}, "InvalidParameterException: Invalid 'tasks'"},
		{"ListTasks", m{"desiredStatus": "DEAD"}, "InvalidParameterException: Invalid 'desiredStatus'"},
		{"ListTasks", m{"serviceName": "nope"}, "ServiceNotFoundException: Service not found."},
		{"ListTasks", m{"containerInstance": "nope"}, "InvalidParameterException: The referenced container instance was not found"},
		{"ListTasks", m{"maxResults": 101}, "InvalidParameterException: Invalid 'maxResults'"},
		{"ListTasks", m{"nextToken": "?"}, "InvalidParameterException: Invalid 'nextToken'."},
		{"CreateCluster", m{"clusterName": "a b"}, "InvalidParameterException: Invalid 'clusterName'"},
		{"DeleteCluster", m{}, "InvalidParameterException: 'cluster'"},
		{"DeleteCluster", m{"cluster": "default"}, "ClusterContainsContainerInstancesException: The Cluster cannot be deleted while Container Instances are active or draining."},
		{"DescribeTaskDefinition", m{"taskDefinition": "nope"}, "ClientException: Unable to describe task definition."},
		{"DescribeTaskDefinition", m{"taskDefinition": "old"}, "ClientException: Unable to describe task definition."},
		{"DeregisterTaskDefinition", m{"taskDefinition": "web"}, "ClientException: Invalid 'taskDefinition'"},
		{"DeregisterTaskDefinition", m{"taskDefinition": "web:9"}, "ClientException: The specified task definition does not exist."},
		{"ListTaskDefinitions", m{"status": "NEW"}, "InvalidParameterException: Invalid 'status'"},
		{"ListTaskDefinitions", m{"sort": "UP"}, "InvalidParameterException: Invalid 'sort'"},
		{"ListContainerInstances", m{"filter": "colour == red"}, "InvalidParameterException: Invalid 'filter': unknown subject"},
		{"ListContainerInstances", m{"status": "NEW"}, "InvalidParameterException: Invalid 'status'"},
		{"DescribeContainerInstances", m{}, "InvalidParameterException: Container instances cannot be empty."},
		{"UpdateContainerInstancesState", m{"containerInstances": []string{a.Arn}, "status": "GONE"}, "InvalidParameterException: Invalid 'status'"},
		{"DeregisterContainerInstance", m{"containerInstance": a.Arn}, "InvalidParameterException: Found running tasks on the instance."},
		{"DeregisterContainerInstance", m{"containerInstance": "nope"}, "InvalidParameterException: Referenced container instance nope not found."},
		{"RegisterContainerInstance", m{"attributes": []m{{"name": "a b"}}}, "InvalidParameterException: Invalid 'attributes'"},
		{"RegisterContainerInstance", m{"totalResources": []m{{"name": "CPU", "type": "BIG"}}}, "InvalidParameterException: Invalid 'totalResources'"},
		{"RegisterContainerInstance", m{"instanceIdentityDocument": "{"}, "InvalidParameterException: instanceIdentityDocument"},
		{"RegisterContainerInstance", m{"containerInstanceArn": "arn:aws:ecs:us-east-1:1:container-instance/other/1"}, "InvalidParameterException: containerInstanceArn"},
		{"PutAttributes", m{"attributes": []m{}}, "InvalidParameterException: Invalid 'attributes'"},
		{"PutAttributes", m{"attributes": []m{{"name": "ecs.x", "targetId": a.Arn}}}, "InvalidParameterException: Invalid 'attributes' name"},
		{"PutAttributes", m{"attributes": []m{{"name": "x", "targetId": "nope"}}}, "TargetNotFoundException"},
		{"ListAttributes", m{}, "InvalidParameterException: Invalid 'targetType'"},
		{"ListTagsForResource", m{"resourceArn": "nope"}, "InvalidParameterException: Invalid 'resourceArn'"},
		{"TagResource", m{"resourceArn": "arn:aws:ecs:us-east-1:123456789012:task/default/00", "tags": []m{}}, "InvalidParameterException: The specified task is not found."},
		{"CreateService", m{"serviceName": "a b", "taskDefinition": "web", "desiredCount": 1}, "InvalidParameterException: Invalid 'serviceName'"},
		{"CreateService", m{"serviceName": "s", "taskDefinition": "web"}, "InvalidParameterException: 'desiredCount'"},
		{"CreateService", m{"serviceName": "s", "taskDefinition": "web", "desiredCount": -1}, "InvalidParameterException: Invalid 'desiredCount'"},
		{"CreateService", m{"serviceName": "s", "taskDefinition": "nope", "desiredCount": 1}, "ClientException: TaskDefinition not found."},
		{"CreateService", m{"serviceName": "taken", "taskDefinition": "web", "desiredCount": 1}, "InvalidParameterException: Creation of service was not idempotent."},
		{"CreateService", m{"serviceName": "s", "taskDefinition": "web", "desiredCount": 1, "loadBalancers": []m{{}}}, "UnsupportedFeatureException: local-ecs has no load balancers"},
		{"CreateService", m{"serviceName": "s", "taskDefinition": "web", "desiredCount": 1, "serviceConnectConfiguration": m{"enabled": true}}, "UnsupportedFeatureException"},
		{"CreateService", m{"serviceName": "s", "taskDefinition": "web", "desiredCount": 1, "deploymentConfiguration": m{"maximumPercent": 50}}, "InvalidParameterException: Invalid 'deploymentConfiguration.maximumPercent'"},
		{"CreateService", m{"serviceName": "s", "taskDefinition": "web", "desiredCount": 1, "deploymentConfiguration": m{"maximumPercent": 100, "minimumHealthyPercent": 100}}, "InvalidParameterException: Both maximumPercent and minimumHealthyPercent"},
		{"CreateService", m{"serviceName": "s", "taskDefinition": "vpc", "desiredCount": 1}, "InvalidParameterException: Network Configuration"},
		{"UpdateService", m{"service": "nope"}, "ServiceNotFoundException: Service not found."},
		{"DescribeServices", m{}, "InvalidParameterException: Invalid 'services'"},
		{"UpdateTaskProtection", m{"tasks": []string{"x"}}, "InvalidParameterException: 'protectionEnabled'"},
		{"UpdateTaskProtection", m{"tasks": []string{"x"}, "protectionEnabled": true, "expiresInMinutes": 0}, "InvalidParameterException: Invalid 'expiresInMinutes'"},
		{"SubmitTaskStateChange", m{"task": "a/b"}, "InvalidParameterException: Invalid 'task'"},
		{"SubmitTaskStateChange", m{"task": running, "status": "RUNNING", "cluster": "nope"}, "ClusterNotFoundException"},
		{"SubmitTaskStateChange", m{"task": running, "status": "RUNNING", "reason": strings.Repeat("x", 1025)}, "InvalidParameterException: Invalid 'reason'"},
		{"SubmitTaskStateChange", m{"task": running, "status": "RUNNING", "containers": []m{{"status": "RUNNING"}}}, "InvalidParameterException: 'containerName'"},
		{"SubmitTaskStateChange", m{"pullStartedAt": "x"}, "SerializationException"},
		{"SubmitAttachmentStateChanges", m{}, "InvalidParameterException: 'attachments'"},
	} {
		err := agenttest.Call(p.Endpoint, c.operation, c.in, nil)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s %v:\n got %v\nwant %s", c.operation, c.in, err, c.want)
		}
	}
}

func TestErrorsOnTheWire(t *testing.T) {
	p := start(t)
	post := func(target, body string) *http.Response {
		req, _ := http.NewRequest(http.MethodPost, p.Endpoint+"/", strings.NewReader(body))
		req.Header.Set("X-Amz-Target", target)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	resp := post("AmazonEC2ContainerServiceV20141113.ListTasks", `{"cluster":"nope"}`)
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 400 || resp.Header.Get("Content-Type") != "application/x-amz-json-1.1" || resp.Header.Get("X-Amzn-RequestId") == "" ||
		strings.TrimSpace(string(body)) != `{"__type":"ClusterNotFoundException","message":"Cluster not found."}` {
		t.Errorf("%s %v %s", resp.Status, resp.Header, body)
	}
	if resp := post("AmazonEC2ContainerServiceV20141113.ListTasks", `{`); resp.StatusCode != 400 || resp.Header.Get("X-Amzn-ErrorType") != "SerializationException" {
		t.Errorf("broken JSON: %s %v", resp.Status, resp.Header)
	}
	if resp := post("", ""); resp.StatusCode != 400 || resp.Header.Get("X-Amzn-ErrorType") != "UnknownOperationException" {
		t.Errorf("no target: %s", resp.Status)
	}
	if resp := post("AmazonEC2ContainerServiceV20141113.ListTasks", ""); resp.StatusCode != 200 {
		t.Errorf("empty body: %s", resp.Status)
	}
}

func TestPages(t *testing.T) {
	p := start(t)
	agenttest.Start(t, p.Endpoint)
	for range 3 {
		p.register(m{"family": "b", "containerDefinitions": []m{{"name": "c", "image": "i", "memory": 10}}})
	}
	for range 2 {
		p.register(m{"family": "a", "containerDefinitions": []m{{"name": "c", "image": "i", "memory": 10}}})
	}
	pages := func(operation, name string, in m) string {
		var all []string
		for {
			var out map[string]any
			p.call(operation, in, &out)
			var page []string
			for _, v := range out[name].([]any) {
				page = append(page, v.(string)[strings.LastIndexByte(v.(string), '/')+1:])
			}
			all = append(all, strings.Join(page, " "))
			next, _ := out["nextToken"].(string)
			if next == "" {
				return strings.Join(all, "|")
			}
			in["nextToken"] = next
		}
	}
	for _, c := range []struct {
		in   m
		want string
	}{
		{m{"maxResults": 2}, "a:1 a:2|b:1 b:2|b:3"},
		{m{"maxResults": 2, "sort": "DESC"}, "b:3 b:2|b:1 a:2|a:1"},
		{m{"familyPrefix": "b"}, "b:1 b:2 b:3"},
		{m{"status": "INACTIVE"}, ""},
	} {
		if got := pages("ListTaskDefinitions", "taskDefinitionArns", c.in); got != c.want {
			t.Errorf("%v: %s, want %s", c.in, got, c.want)
		}
	}
	if got := pages("ListTaskDefinitionFamilies", "families", m{"maxResults": 1}); got != "a|b" {
		t.Errorf("families %s", got)
	}
	p.run(m{"taskDefinition": "a", "count": 10})
	p.run(m{"taskDefinition": "b", "count": 10, "startedBy": "me"})
	if got := strings.Count(pages("ListTasks", "taskArns", m{"maxResults": 3}), "|"); got != 6 {
		t.Errorf("20 tasks in %d pages", got+1)
	}
	if got := len(strings.Fields(pages("ListTasks", "taskArns", m{"startedBy": "me", "family": "b", "launchType": "EC2"}))); got != 10 {
		t.Errorf("%d tasks started by me", got)
	}
}

func TestTagsOfEverything(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	definition := webDefinition()
	definition["tags"] = []m{{"key": "from", "value": "definition"}}
	d := p.register(definition)
	task := p.run(m{"taskDefinition": "web", "tags": []m{{"key": "own", "value": "1"}}, "propagateTags": "TASK_DEFINITION"})[0]
	if len(task.Tags) != 2 {
		t.Errorf("task tags %v", task.Tags)
	}
	p.call("CreateService", m{"serviceName": "s", "taskDefinition": "web", "desiredCount": 0}, nil)
	for _, arn := range []string{d, task.TaskArn, a.Arn, "arn:aws:ecs:us-east-1:123456789012:cluster/default", "arn:aws:ecs:us-east-1:123456789012:service/default/s"} {
		p.call("TagResource", m{"resourceArn": arn, "tags": []m{{"key": "a", "value": "1"}, {"key": "b", "value": "2"}}}, nil)
		p.call("TagResource", m{"resourceArn": arn, "tags": []m{{"key": "a", "value": "3"}}}, nil)
		p.call("UntagResource", m{"resourceArn": arn, "tagKeys": []string{"b", "from", "own"}}, nil)
		var out struct {
			Tags []ecs.Tag `json:"tags"`
		}
		a.Call("ListTagsForResource", m{"resourceArn": arn}, &out)
		if len(out.Tags) != 1 || out.Tags[0] != (ecs.Tag{Key: "a", Value: "3"}) {
			t.Errorf("%s: %v", arn, out.Tags)
		}
	}
	if got := p.task(task.TaskArn).Tags; len(got) != 0 {
		t.Errorf("tags without include: %v", got)
	}
}

func TestAttributes(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	p.call("PutAttributes", m{"attributes": []m{{"name": "stack", "value": "prod", "targetId": a.Arn}}}, nil)
	var out struct {
		Attributes []ecs.Attribute `json:"attributes"`
	}
	p.call("ListAttributes", m{"targetType": "container-instance", "attributeName": "stack"}, &out)
	if len(out.Attributes) != 1 || out.Attributes[0].TargetID != a.Arn || out.Attributes[0].Value != "prod" {
		t.Errorf("%+v", out)
	}
	var list struct {
		Arns []string `json:"containerInstanceArns"`
	}
	p.call("ListContainerInstances", m{"filter": "attribute:stack == prod"}, &list)
	if len(list.Arns) != 1 {
		t.Errorf("filter found %v", list.Arns)
	}
	p.call("DeleteAttributes", m{"attributes": []m{{"name": "stack", "targetId": a.Arn}}}, nil)
	p.call("ListContainerInstances", m{"filter": "attribute:stack exists"}, &list)
	if len(list.Arns) != 0 {
		t.Errorf("filter found %v", list.Arns)
	}
}

func TestClientTokenOfRunTask(t *testing.T) {
	p := start(t)
	agenttest.Start(t, p.Endpoint)
	p.register(webDefinition())
	first := p.run(m{"taskDefinition": "web:1", "clientToken": "t"})[0]
	if again := p.run(m{"taskDefinition": "web:1", "clientToken": "t"})[0]; again.TaskArn != first.TaskArn {
		t.Error("the same token started another task")
	}
	p.register(webDefinition())
	if err := agenttest.Call(p.Endpoint, "RunTask", m{"taskDefinition": "web:2", "clientToken": "t"}, nil); err == nil || !strings.HasPrefix(err.Error(), "ConflictException") {
		t.Errorf("other parameters: %v", err)
	}
}

func TestForcedDeregistrationStopsTheTasks(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	p.register(webDefinition())
	arn := p.run(m{"taskDefinition": "web"})[0].TaskArn
	p.await(arn, ecs.Running)
	p.call("DeregisterContainerInstance", m{"containerInstance": a.Arn, "force": true}, nil)
	if task := p.task(arn); task.LastStatus != ecs.Stopped || task.StoppedReason != "Container instance deregistration forced by user" {
		t.Errorf("%s %s", task.LastStatus, task.StoppedReason)
	}
	a.Register() // the agent was started again
	a.Connect()
	agenttest.Eventually(t, "old task stopped as surplus", func() bool { return a.Desired(arn) == "STOPPED" })
}

func TestHealthz(t *testing.T) {
	p := start(t)
	resp, err := http.Get(p.Endpoint + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("%s", resp.Status)
	}
}

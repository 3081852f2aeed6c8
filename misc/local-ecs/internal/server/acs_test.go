package server

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/agenttest"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/rolecreds"
)

func message[T any](t *testing.T, e acsmsg.Envelope) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(e.Message, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestUnacknowledgedPayloadIsSentAgain(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.Register()
	a.Mute[acsmsg.TypePayload] = true
	a.Connect()
	p.register(webDefinition())
	arn := p.run(m{"taskDefinition": "web"})[0].TaskArn
	agenttest.Eventually(t, "three deliveries", func() bool { return len(a.Received(acsmsg.TypePayload)) >= 3 })
	first := message[acsmsg.Payload](t, a.Received(acsmsg.TypePayload)[0])
	again := message[acsmsg.Payload](t, a.Received(acsmsg.TypePayload)[1])
	if first.MessageID != again.MessageID || first.SeqNum != again.SeqNum {
		t.Errorf("redelivered as another message: %s/%d, %s/%d", first.MessageID, first.SeqNum, again.MessageID, again.SeqNum)
	}
	a.SetMute(acsmsg.TypePayload, false)
	p.await(arn, ecs.Running)
	n := len(a.Received(acsmsg.TypePayload))
	<-time.After(3 * p.cfg.ACS.Redeliver)
	if got := len(a.Received(acsmsg.TypePayload)); got != n {
		t.Errorf("%d more deliveries after the acknowledgement", got-n)
	}
}

// An agent does not acknowledge a payload of which it refuses one task. The other tasks must not suffer.
func TestRefusedTaskDoesNotHoldBackOthers(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.Register()
	a.Manual = true
	a.Mute[acsmsg.TypePayload] = true
	a.Connect()
	p.register(webDefinition())
	tasks := p.run(m{"taskDefinition": "web", "count": 2})
	agenttest.Eventually(t, "delivery", func() bool { return len(a.Received(acsmsg.TypePayload)) == 1 })
	a.Call("SubmitTaskStateChange", m{"task": tasks[0].TaskArn, "status": "STOPPED", "reason": "UnrecogniedTaskError: x"}, nil)
	a.SetMute(acsmsg.TypePayload, false)
	agenttest.Eventually(t, "the other task is acknowledged", func() bool { return p.acked(tasks[1].TaskArn) == ecs.Running })
	all := a.Received(acsmsg.TypePayload)
	last := message[acsmsg.Payload](t, all[len(all)-1])
	if len(last.Tasks) != 1 || last.Tasks[0].Arn != tasks[1].TaskArn {
		t.Errorf("last payload has %d tasks", len(last.Tasks))
	}
}

func TestStopsAndStartsAreBundledAndNumbered(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.Register()
	p.register(webDefinition())
	a.Connect()
	arns := []string{}
	for _, task := range p.run(m{"taskDefinition": "web", "count": 5}) {
		arns = append(arns, task.TaskArn)
	}
	for _, arn := range arns {
		p.await(arn, ecs.Running)
	}
	manifest := message[acsmsg.Manifest](t, a.Received(acsmsg.TypeManifest)[0])
	last := manifest.Timeline
	for _, e := range a.Received(acsmsg.TypePayload) {
		pl := message[acsmsg.Payload](t, e)
		if pl.SeqNum <= last {
			t.Errorf("sequence number %d after %d", pl.SeqNum, last)
		}
		last = pl.SeqNum
	}
	if n := len(a.Received(acsmsg.TypePayload)); n != 1 {
		t.Errorf("5 tasks of one call came in %d payloads", n)
	}
	a.Drop()
	a.Connect()
	agenttest.Eventually(t, "second manifest", func() bool { return len(a.Received(acsmsg.TypeManifest)) == 2 })
	second := message[acsmsg.Manifest](t, a.Received(acsmsg.TypeManifest)[1])
	if second.Timeline <= last || len(second.Tasks) != 5 || second.Tasks[0].DesiredStatus != ecs.Running {
		t.Errorf("manifest of timeline %d after %d with %d tasks", second.Timeline, last, len(second.Tasks))
	}
}

func TestSurplusTasksAreStopped(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.Register()
	surplus := "arn:aws:ecs:us-east-1:123456789012:task/default/00000000000000000000000000000000"
	a.Adopt(surplus)
	a.Connect()
	agenttest.Eventually(t, "surplus task stopped", func() bool { return a.Desired(surplus) == "STOPPED" })
}

func TestTasksTheServiceWantsAreNotSurplus(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	p.register(webDefinition())
	arn := p.run(m{"taskDefinition": "web"})[0].TaskArn
	p.await(arn, ecs.Running)
	a.Drop()
	a.Connect()
	agenttest.Eventually(t, "manifest", func() bool { return len(a.Received(acsmsg.TypeManifest)) == 2 })
	agenttest.Eventually(t, "heartbeat after it", func() bool { return len(a.Received(acsmsg.TypeHeartbeat)) > 0 })
	if a.Desired(arn) != "RUNNING" {
		t.Errorf("desired status %s", a.Desired(arn))
	}
}

func TestHeartbeats(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	agenttest.Eventually(t, "heartbeats", func() bool { return len(a.Received(acsmsg.TypeHeartbeat)) >= 5 })
	a.SetMute(acsmsg.TypeHeartbeat, true)
	if err := a.Closed(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("closed with %v", err)
	}
}

func TestConnectionLifetime(t *testing.T) {
	p := start(t, func(c *Config) { c.ACS.Lifetime = 50 * time.Millisecond })
	a := agenttest.Start(t, p.Endpoint)
	if err := a.Closed(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("closed with %v", err)
	}
}

func TestNewConnectionReplacesTheOldOne(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	b := agenttest.New(t, p.Endpoint)
	b.Arn = a.Arn
	b.Connect()
	a.Closed()
	p.register(webDefinition())
	p.await(p.run(m{"taskDefinition": "web"})[0].TaskArn, ecs.Running)
	if len(b.Arns()) != 1 {
		t.Error("the task did not go to the newer connection")
	}
}

func TestRefusedConnections(t *testing.T) {
	p := start(t)
	p.call("CreateCluster", m{"clusterName": "other"}, nil)
	a := agenttest.New(t, p.Endpoint)
	a.Register()
	for _, c := range []struct{ name, cluster, arn, want string }{
		{"unknown cluster", "nope", a.Arn, "InvalidClusterException"},
		{"instance of another cluster", "other", a.Arn, "InvalidInstanceException"},
		{"unknown instance", "default", strings.Replace(a.Arn, "default/", "default/0", 1), "InvalidInstanceException"},
	} {
		b := agenttest.New(t, p.Endpoint)
		b.Cluster, b.Arn = c.cluster, c.arn
		if err := b.TryConnect(); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "400 ") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	a.Connect()
	p.call("DeregisterContainerInstance", m{"containerInstance": a.Arn, "force": true}, nil)
	a.Closed()
	if err := a.TryConnect(); err == nil || !strings.Contains(err.Error(), "InactiveInstanceException") {
		t.Errorf("deregistered: %v", err)
	}
}

func roleDefinition() m {
	d := webDefinition()
	d["family"] = "role"
	d["taskRoleArn"] = "arn:aws:iam::123456789012:role/app"
	d["executionRoleArn"] = "arn:aws:iam::123456789012:role/exec"
	return d
}

func TestRoleCredentials(t *testing.T) {
	p := start(t, func(c *Config) { c.Credentials = rolecreds.Fake(3 * time.Second) })
	a := agenttest.Start(t, p.Endpoint)
	p.register(roleDefinition())
	arn := p.run(m{"taskDefinition": "role"})[0].TaskArn
	p.await(arn, ecs.Running)
	wire := a.Task(arn)
	if wire.RoleCredentials == nil || wire.ExecutionRoleCredentials == nil {
		t.Fatal("payload without credentials")
	}
	if c := wire.RoleCredentials; c.RoleArn != "arn:aws:iam::123456789012:role/app" || !strings.HasPrefix(c.AccessKeyID, "ASIALOCALECSFAKE") ||
		!strings.Contains(c.SecretAccessKey, "not-a-real-secret") || c.CredentialsID == wire.ExecutionRoleCredentials.CredentialsID {
		t.Errorf("credentials: %+v", c)
	}
	agenttest.Eventually(t, "both roles renewed", func() bool {
		kinds := map[string]bool{}
		for _, e := range a.Received(acsmsg.TypeCredentials) {
			c := message[acsmsg.Credentials](t, e)
			kinds[c.RoleType] = true
			if c.RoleType == acsmsg.RoleTask && c.RoleCredentials.CredentialsID != wire.RoleCredentials.CredentialsID {
				t.Error("credentials id changed")
			}
			if c.RoleType == acsmsg.RoleTask && c.RoleCredentials.Expiration <= wire.RoleCredentials.Expiration {
				t.Error("renewed credentials are not newer")
			}
		}
		return kinds[acsmsg.RoleTask] && kinds[acsmsg.RoleExecution]
	})
}

func TestAgentThatAsksGetsAllCredentials(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	p.register(roleDefinition())
	arn := p.run(m{"taskDefinition": "role"})[0].TaskArn
	p.await(arn, ecs.Running)
	agenttest.Eventually(t, "delivery noted", func() bool { return p.acked(arn) == "RUNNING" })
	a.Drop()
	a.Connect() // not the first connection of its process
	agenttest.Eventually(t, "second manifest", func() bool { return len(a.Received(acsmsg.TypeManifest)) == 2 })
	if n := len(a.Received(acsmsg.TypeCredentials)); n != 0 {
		t.Errorf("%d credentials without being asked", n)
	}
	restarted := agenttest.New(t, p.Endpoint)
	restarted.Arn = a.Arn
	restarted.Connect()
	agenttest.Eventually(t, "credentials of both roles", func() bool { return len(restarted.Received(acsmsg.TypeCredentials)) == 2 })
}

// acked reads a task's acknowledged desired status from the test interface.
func (p *plane) acked(arn string) string {
	p.t.Helper()
	var out struct {
		Tasks []struct {
			TaskArn string `json:"taskArn"`
			Acked   string `json:"localAcked"`
		} `json:"tasks"`
	}
	p.get("/_local/state", &out)
	for _, task := range out.Tasks {
		if task.TaskArn == arn {
			return task.Acked
		}
	}
	return ""
}

func TestRestartOfTheControlPlane(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.Register()
	a.Connect()
	p.register(webDefinition())
	running := p.run(m{"taskDefinition": "web"})[0].TaskArn
	p.await(running, ecs.Running)
	a.SetMute(acsmsg.TypePayload, true)
	undelivered := p.run(m{"taskDefinition": "web"})[0].TaskArn
	agenttest.Eventually(t, "undelivered task sent", func() bool { return len(a.Received(acsmsg.TypePayload)) >= 2 })
	p.call("CreateService", m{"serviceName": "keep", "taskDefinition": "web", "desiredCount": 0}, nil)
	p.stop()
	if err := a.Closed(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("closed with %v", err)
	}

	p.start()
	if task := p.task(running); task.LastStatus != ecs.Running || task.Connectivity != "DISCONNECTED" {
		t.Errorf("after the restart: %s, %s", task.LastStatus, task.Connectivity)
	}
	a.SetMute(acsmsg.TypePayload, false)
	a.Connect()
	p.await(undelivered, ecs.Running)
	manifests := a.Received(acsmsg.TypeManifest)
	if mf := message[acsmsg.Manifest](t, manifests[len(manifests)-1]); len(mf.Tasks) != 2 {
		t.Errorf("manifest with %d tasks", len(mf.Tasks))
	}
	var out struct {
		Services []ecs.Service `json:"services"`
	}
	p.call("DescribeServices", m{"services": []string{"keep"}}, &out)
	if len(out.Services) != 1 {
		t.Error("service lost")
	}
	if p.register(webDefinition()) != "arn:aws:ecs:us-east-1:123456789012:task-definition/web:2" {
		t.Error("revision numbers started anew")
	}
}

func TestRegistration(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.Extra = []ecs.Attribute{{Name: "stack", Value: "prod"}, {Name: "empty"}}
	a.Identity = `{"instanceId":"i-0123456789abcdef0","instanceType":"t3.small","imageId":"ami-1"}`
	i := a.Register()
	want := map[string]string{"stack": "prod", "empty": "", "ecs.availability-zone": "us-east-1a", "ecs.instance-type": "t3.small"}
	for _, at := range i.Attributes {
		if v, ok := want[at.Name]; ok && v == at.Value {
			delete(want, at.Name)
		}
	}
	if len(want) > 0 || i.EC2InstanceID != "i-0123456789abcdef0" || i.Status != ecs.Active {
		t.Errorf("missing %v in %+v", want, i)
	}

	if again := a.Register(); again.ContainerInstanceArn != i.ContainerInstanceArn {
		t.Error("registering again gave another ARN")
	}
	twin := agenttest.New(t, p.Endpoint)
	twin.Token = a.Token
	if again := twin.Register(); again.ContainerInstanceArn != i.ContainerInstanceArn {
		t.Error("the same client token gave another ARN")
	}
	a.Extra = nil
	custom := ""
	for _, at := range a.Register().Attributes {
		if at.Name == "stack" {
			custom = at.Value
		}
	}
	if custom != "prod" {
		t.Error("custom attribute lost by re-registration")
	}
	lost := agenttest.New(t, p.Endpoint)
	lost.Arn = strings.Replace(a.Arn, "default/", "default/f", 1)
	if got := lost.Register().ContainerInstanceArn; got != lost.Arn {
		t.Errorf("an agent that outlived the state got ARN %s", got)
	}
	nowhere := agenttest.New(t, p.Endpoint)
	nowhere.Cluster = "nope"
	if _, err := nowhere.TryRegister(); err == nil || err.Error() != "ClusterNotFoundException: Cluster not found." {
		t.Errorf("unknown cluster: %v", err)
	}
}

func TestGarbageFromAgentsIsIgnored(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	for _, frame := range []string{"garbage", "{}", `{"type":"Unknown"}`, `{"type":"AckRequest","message":7}`, `{"type":"AckRequest"}`,
		`{"type":"IAMRoleCredentialsAckRequest","message":{"expiration":"soon"}}`, `{"type":"TaskStopVerificationMessage","message":{"messageId":"old"}}`} {
		a.Send([]byte(frame))
	}
	p.register(webDefinition())
	p.await(p.run(m{"taskDefinition": "web"})[0].TaskArn, ecs.Running)
}

func TestBrowsersCannotConnect(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.Register()
	_, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.Endpoint, "http")+"/acs/ws?clusterArn=default&containerInstanceArn="+a.Arn, map[string][]string{"Origin": {"http://example.com"}})
	if !errors.Is(err, websocket.ErrBadHandshake) || resp.StatusCode != 403 {
		t.Errorf("with Origin: %v", err)
	}
}

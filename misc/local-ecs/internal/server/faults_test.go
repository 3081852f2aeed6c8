package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/agenttest"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/faults"
)

// fault posts rules and returns the number of connections hit at once.
func (p *plane) fault(body string) int {
	p.t.Helper()
	resp, err := http.Post(p.Endpoint+"/_local/faults", "application/json", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct {
		Hit   int    `json:"hit"`
		Error string `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode != 200 {
		p.t.Fatalf("fault: %s %s %v", resp.Status, out.Error, err)
	}
	return out.Hit
}

func (p *plane) listClusters() error {
	return agenttest.Call(p.Endpoint, "ListClusters", m{}, nil)
}

func TestThrottleSomeCalls(t *testing.T) {
	p := start(t)
	p.fault(`{"operation":"List*","action":"throttle","skip":1,"times":2}`)
	var got []string
	for range 4 {
		if err := p.listClusters(); err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, "ok")
		}
	}
	if want := "ok|ThrottlingException: Rate exceeded|ThrottlingException: Rate exceeded|ok"; strings.Join(got, "|") != want {
		t.Errorf("got %v", got)
	}
}

func TestFaultActions(t *testing.T) {
	p := start(t)
	for _, c := range []struct{ rule, want string }{
		{`{"operation":"ListClusters","action":"500","times":1}`, "ServerException: failed by a fault rule"},
		{`{"operation":"ListClusters","action":"error","errorType":"InvalidParameterException","errorText":"no","times":1}`, "InvalidParameterException: no"},
		{`{"operation":"ListClusters","action":"drop","times":1}`, "EOF"},
		{`[{"operation":"ListClusters","contains":"elsewhere","action":"500"},{"operation":"CreateCluster","action":"500"}]`, ""},
	} {
		p.fault(c.rule)
		err := p.listClusters()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.rule, err)
		}
		req, _ := http.NewRequest(http.MethodDelete, p.Endpoint+"/_local/faults", nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	t.Run("delay", func(t *testing.T) {
		p.fault(`{"operation":"ListClusters","action":"delay","delayMs":150,"times":1}`)
		begin := time.Now()
		if err := p.listClusters(); err != nil || time.Since(begin) < 150*time.Millisecond {
			t.Errorf("answered after %v: %v", time.Since(begin), err)
		}
	})
	t.Run("silence", func(t *testing.T) {
		p.fault(`{"operation":"ListClusters","action":"silence","times":1}`)
		req, _ := http.NewRequest(http.MethodPost, p.Endpoint+"/", strings.NewReader("{}"))
		req.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.ListClusters")
		client := http.Client{Timeout: 100 * time.Millisecond}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			t.Errorf("answered %s", resp.Status)
		}
	})
	t.Run("the answer is lost after the operation was done", func(t *testing.T) {
		p.fault(`{"operation":"CreateCluster","action":"500","after":true,"times":1}`)
		if err := agenttest.Call(p.Endpoint, "CreateCluster", m{"clusterName": "after"}, nil); err == nil {
			t.Error("no error")
		}
		var out struct {
			ClusterArns []string `json:"clusterArns"`
		}
		p.call("ListClusters", m{}, &out)
		if len(out.ClusterArns) != 2 {
			t.Errorf("clusters %v", out.ClusterArns)
		}
	})
}

func TestBadRulesAreRefused(t *testing.T) {
	p := start(t)
	for _, rule := range []string{`{}`, `{"operation":"RunTask"}`, `{"operation":"ACS","action":"throttle"}`, `{"operation":"RunTask","action":"mute"}`,
		`{"operation":"RunTask","action":"500","often":1}`, `nonsense`, `{"operation":"ACS","action":"message"}`, `{"operation":"ACS","action":"frame","base64":"!"}`} {
		resp, err := http.Post(p.Endpoint+"/_local/faults", "application/json", strings.NewReader(rule))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("%s: %s", rule, resp.Status)
		}
	}
}

func TestACSFaults(t *testing.T) {
	p := start(t)
	a := agenttest.Start(t, p.Endpoint)
	t.Run("dropped with a close code", func(t *testing.T) {
		if n := p.fault(`{"operation":"ACS","action":"drop","code":1011,"text":"gone"}`); n != 1 {
			t.Errorf("%d sessions", n)
		}
		if err := a.Closed(); !websocket.IsCloseError(err, 1011) {
			t.Errorf("closed with %v", err)
		}
	})
	t.Run("cut", func(t *testing.T) {
		a.Connect()
		p.fault(`{"operation":"ACS","action":"drop"}`)
		if err := a.Closed(); websocket.IsCloseError(err, 1000, 1001, 1011) {
			t.Errorf("closed with %v", err)
		}
	})
	t.Run("connections refused", func(t *testing.T) {
		p.fault(`{"operation":"ACS","action":"refuse","times":2,"status":503,"errorType":"ServerException","errorText":"later"}`)
		for range 2 {
			if err := a.TryConnect(); err == nil || err.Error() != `503 {"ServerException":"later"}` {
				t.Errorf("refused with %v", err)
			}
		}
		a.Connect()
	})
	t.Run("frames", func(t *testing.T) {
		p.fault(`{"operation":"ACS","action":"frame","text":"garbage"}`)
		p.fault(`{"operation":"ACS","action":"frame","size":1048576,"binary":true}`)
		agenttest.Eventually(t, "both frames", func() bool { return len(a.Received("?")) == 2 })
		frames := a.Received("?")
		if string(frames[0].Message) != "garbage" || len(frames[1].Message) != 1<<20 {
			t.Errorf("frames of %d and %d bytes", len(frames[0].Message), len(frames[1].Message))
		}
	})
	t.Run("any message", func(t *testing.T) {
		p.fault(`{"operation":"ACS","action":"message","messageType":"StageUpdateMessage","message":{"messageId":"m1","containerInstanceArn":"${containerInstance}"}}`)
		agenttest.Eventually(t, "the message", func() bool { return len(a.Received("StageUpdateMessage")) == 1 })
		if got := message[acsmsg.Ack](t, acsmsg.Envelope{Message: bytes.ReplaceAll(a.Received("StageUpdateMessage")[0].Message, []byte("containerInstanceArn"), []byte("containerInstance"))}); got.ContainerInstance != a.Arn {
			t.Errorf("placeholder not replaced: %+v", got)
		}
	})
	t.Run("heartbeats muted", func(t *testing.T) {
		p.fault(`{"operation":"ACS","action":"mute","messageType":"HeartbeatMessage"}`)
		n := len(a.Received(acsmsg.TypeHeartbeat))
		<-time.After(3 * p.cfg.ACS.Heartbeat)
		if got := len(a.Received(acsmsg.TypeHeartbeat)); got > n+1 {
			t.Errorf("%d heartbeats came", got-n)
		}
	})
}

func TestSubmissionsAreKeptInOrder(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.Manual = true
	a.Register()
	a.Connect()
	p.register(webDefinition())
	arn := p.run(m{"taskDefinition": "web"})[0].TaskArn
	agenttest.Eventually(t, "delivery", func() bool { return a.Desired(arn) != "" })
	for _, s := range []string{"PENDING", "RUNNING", "PENDING", "RUNNING", "STOPPED", "STOPPED", "RUNNING"} {
		a.Report(arn, s, nil)
	}
	a.Call("SubmitTaskStateChange", m{"task": "arn:aws:ecs:us-east-1:123456789012:task/default/unknown", "status": "STOPPED"}, nil)
	a.Call("SubmitAttachmentStateChanges", m{"attachments": []m{{"attachmentArn": "arn:x", "status": "ATTACHED"}}}, nil)
	if err := agenttest.Call(p.Endpoint, "SubmitTaskStateChange", m{"task": arn, "status": "NONSENSE"}, nil); err == nil || !strings.HasPrefix(err.Error(), "InvalidParameterException: Invalid 'status'") {
		t.Errorf("unknown status: %v", err)
	}
	var got []faults.Submission
	p.get("/_local/submissions", &got)
	var outcomes []string
	for i, s := range got {
		if s.Number != i+1 {
			t.Errorf("submission %d has number %d", i+1, s.Number)
		}
		outcomes = append(outcomes, s.Outcome)
	}
	want := "applied applied regression repeated applied repeated regression unknown task applied InvalidParameterException"
	if !strings.HasPrefix(strings.Join(outcomes, " "), want) {
		t.Errorf("outcomes %v", outcomes)
	}
	if p.task(arn).LastStatus != ecs.Stopped {
		t.Error("the task regressed")
	}
	p.get("/_local/submissions?contains=unknown", &got)
	if len(got) != 1 {
		t.Errorf("%d submissions of the unknown task", len(got))
	}
}

func TestNothingIsSpoiltUnlessEnabled(t *testing.T) {
	p := start(t, func(c *Config) { c.EnableFaults = false })
	for _, path := range []string{"/_local/faults", "/_local/state", "/_local/submissions", "/_local/telemetry"} {
		resp, err := http.Get(p.Endpoint + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == 200 {
			t.Errorf("%s answers", path)
		}
	}
}

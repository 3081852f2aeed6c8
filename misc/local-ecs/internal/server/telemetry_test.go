package server

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/agenttest"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

type tcs struct {
	t    *testing.T
	conn *websocket.Conn
}

// telemetry opens a telemetry session.
func (p *plane) telemetry(instanceArn string) *tcs {
	p.t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.Endpoint, "http")+"/tcs/ws?containerInstance="+url.QueryEscape(instanceArn)+"&cluster=default", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	return &tcs{p.t, conn}
}

// next returns the type of the next message.
func (c *tcs) next() string {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	var e struct {
		Type string `json:"type"`
	}
	if err := c.conn.ReadJSON(&e); err != nil {
		c.t.Fatal(err)
	}
	return e.Type
}

// send writes a frame and returns the type of the answer.
func (c *tcs) send(frame string) string {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		c.t.Fatal(err)
	}
	for {
		if kind := c.next(); kind != "HeartbeatMessage" {
			return kind
		}
	}
}

func TestUsageOfTasks(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.Register()
	c := p.telemetry(a.Arn)
	for _, frame := range []string{
		`{"type":"PublishMetricsRequest","message":{"taskMetrics":[{"taskArn":"t1","containerMetrics":[
			{"cpuStatsSet":{"sum":6,"sampleCount":4},"memoryStatsSet":{"sum":20,"sampleCount":2}},
			{"cpuStatsSet":{"sum":1,"sampleCount":2},"memoryStatsSet":{"sum":5,"sampleCount":1}},{"containerName":"new"}]}]}}`,
		`{"type":"PublishMetricsRequest","message":{"taskMetrics":[{"taskArn":"t1"},{"taskArn":"t2"}]}}`, // parts without containers
	} {
		if got := c.send(frame); got != "AckPublishMetric" {
			t.Fatal(got)
		}
	}
	var usage map[string]struct {
		At                    float64
		CPUPercent, MemoryMiB float64
	}
	p.get("/usage", &usage)
	if u := usage["t1"]; len(usage) != 1 || u.CPUPercent != 2 || u.MemoryMiB != 15 || u.At == 0 {
		t.Errorf("%+v", usage)
	}
	if got := c.send(`{"type":"PublishMetricsRequest","message":{"taskMetrics":7}}`); got != "BadRequestException" {
		t.Error(got)
	}
}

func TestTelemetry(t *testing.T) {
	p := start(t)
	a := agenttest.New(t, p.Endpoint)
	a.Register()
	c := p.telemetry(a.Arn)
	for frame, want := range map[string]string{
		"Authorization: AWS4\r\nHost: h\r\n\r\n" + `{"type":"PublishMetricsRequest","message":{"metadata":{"idle":true}}}`:                            "AckPublishMetric",
		"\r\n\r\n" + `{"type":"PublishHealthRequest","message":{"tasks":[]}}`:                                                                         "AckPublishHealth",
		`{"type":"PublishInstanceStatusRequest","message":{"statuses":[{"type":"ContainerRuntime","status":"IMPAIRED","lastUpdated":1700000000.5}]}}`: "AckPublishInstanceStatus",
		`{"type":"Other"}`: "BadRequestException",
		"garbage":          "BadRequestException",
		`{"type":"PublishHealthRequest","message":{"tasks":7}}`: "BadRequestException",
	} {
		if got := c.send(frame); got != want {
			t.Errorf("%s: %s, want %s", frame, got, want)
		}
	}
	for c.next() != "HeartbeatMessage" {
	}
	var out struct {
		ContainerInstances []ecs.ContainerInstance `json:"containerInstances"`
	}
	p.call("DescribeContainerInstances", m{"containerInstances": []string{a.Arn}, "include": []string{"CONTAINER_INSTANCE_HEALTH"}}, &out)
	if h := out.ContainerInstances[0].HealthStatus; h == nil || h.OverallStatus != "IMPAIRED" || h.Details[0].Type != "CONTAINER_RUNTIME" {
		t.Errorf("health %+v", h)
	}
	var newest map[string]map[string]struct {
		Count   int             `json:"count"`
		Message json.RawMessage `json:"message"`
	}
	p.get("/_local/telemetry", &newest)
	for _, kinds := range newest {
		if kinds["PublishMetricsRequest"].Count != 1 {
			t.Errorf("metrics %+v", kinds)
		}
	}
	if _, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.Endpoint, "http")+"/tcs/ws?containerInstance=nope", nil); err == nil {
		t.Error("an unknown instance may connect")
	}
	if n := p.fault(`{"operation":"TCS","action":"drop"}`); n != 1 {
		t.Errorf("%d connections dropped", n)
	}
}

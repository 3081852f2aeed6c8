package tcs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/stats"
	"github.com/aws/amazon-ecs-agent/agent/stats/serviceconnect"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

const (
	instanceARN = "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/a1b2"
	taskPrefix  = "arn:aws:ecs:us-west-2:123456789012:task/prod/"
)

var measuredAt = time.UnixMilli(1746802078031)

func quiet() *Session { return New(Config{Cluster: "prod", ContainerInstanceARN: instanceARN}) }

// wantFile compares a request with a file of testdata, byte for byte but for white space.
func wantFile(t *testing.T, got []byte, err error, name string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, text); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(want.String(), ","), strings.Split(string(got), ",")); diff != "" {
		t.Error(diff)
	}
}

// only is the single request of a message.
func only(t *testing.T, requests [][]byte) []byte {
	t.Helper()
	if len(requests) != 1 {
		t.Fatalf("%d requests", len(requests))
	}
	return requests[0]
}

func TestMetricsOnTheWire(t *testing.T) {
	volume := func(bytes float64) stats.Set { return stats.Set{Min: bytes, Max: bytes, Sum: bytes, SampleCount: 1} }
	requests, err := quiet().metricsRequests("m-1", stats.Metrics{Tasks: []stats.TaskMetrics{
		{ARN: taskPrefix + "t1", Family: "web", Revision: "7",
			Containers: []stats.ContainerMetrics{
				{Name: "app",
					CPU:    &stats.Set{Min: 1.25, Max: 2.5, Sum: 3.75, SampleCount: 2},
					Memory: &stats.Set{Min: 3, Max: 7, Sum: 10, SampleCount: 2},
					Network: &stats.NetworkSets{
						RxBytes: &stats.CounterSet{Min: 796, Max: math.MaxInt64, OverflowMax: 5, Sum: math.MaxInt64, OverflowSum: 801, SampleCount: 2},
						RxRate:  &stats.Set{Min: 79.6, Max: 79.6, Sum: 79.6, SampleCount: 1},
					},
					Storage: &stats.StorageSets{ReadBytes: &stats.CounterSet{Min: 100, Max: 300, Sum: 400, SampleCount: 2}, WriteBytes: &stats.CounterSet{SampleCount: 2}},
					Restart: &stats.RestartSet{},
				},
				{Name: "~internal~ecs~pause", CPU: &stats.Set{SampleCount: 1}, Memory: &stats.Set{Min: 1, Max: 1, Sum: 1, SampleCount: 1}, Network: &stats.NetworkSets{}},
			},
			Volumes: []stats.VolumeMetrics{{ID: "vol-1", Name: "data", Utilized: volume(16106127360), Size: volume(21474836480)}},
		},
		{ARN: taskPrefix + "t2", Family: "mesh", Revision: "1", ServiceConnect: []serviceconnect.Wrapper{{
			MetricType: "2", Dimensions: []serviceconnect.Dimension{{Key: "ClusterName", Value: "a<b>&c"}},
			Metrics: []serviceconnect.Metric{{Name: "ActiveConnectionCount", Values: []float64{3}, Counts: []int64{1}}},
		}}},
	}}, measuredAt)
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, only(t, requests), nil, "metrics")
}

func TestIdleOnTheWire(t *testing.T) {
	requests, err := quiet().metricsRequests("m-1", stats.Metrics{Idle: true}, measuredAt)
	wantFile(t, only(t, requests), err, "idle")
}

func TestHealthOnTheWire(t *testing.T) {
	requests, err := quiet().healthRequests("m-1", []stats.TaskHealth{{ARN: taskPrefix + "t1", Family: "web", Revision: "7", Containers: []stats.ContainerHealth{
		{Name: "app", Status: "HEALTHY", Since: time.UnixMilli(1746801000500)},
		{Name: "sidecar", Status: "UNKNOWN", Since: measuredAt.Add(-time.Millisecond)},
	}}}, measuredAt)
	wantFile(t, only(t, requests), err, "health")
}

func TestInstanceStatusOnTheWire(t *testing.T) {
	request, err := quiet().statusRequest("m-1", []instanceStatus{
		{"ContainerRuntime", statusImpaired, timestamp(time.Unix(1746800000, 0)), timestamp(time.UnixMilli(1746802018250))},
	}, measuredAt)
	wantFile(t, request, err, "status")
}

func TestTimesOnTheWire(t *testing.T) {
	for at, want := range map[time.Time]string{
		time.Unix(1746802078, 31_000_000):  "1746802078.031",
		time.Unix(1746802078, 31_999_999):  "1746802078.031",
		time.Unix(1746802078, 500_000_000): "1746802078.5",
		time.Unix(1746802078, 0):           "1746802078",
	} {
		if got, _ := json.Marshal(timestamp(at)); string(got) != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	}
}

// requestTasks tells how many tasks each request has, after checking what all requests of a message have in common.
func requestTasks(t *testing.T, requests [][]byte, member string) (counts []int) {
	t.Helper()
	for i, text := range requests {
		var r struct {
			Metadata struct {
				MessageID string
				Fin       bool
			}
			TaskMetrics, Tasks []json.RawMessage
		}
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		if r.Metadata.MessageID != "m-1" || r.Metadata.Fin != (i == len(requests)-1) {
			t.Errorf("request %d of %d: %+v", i+1, len(requests), r.Metadata)
		}
		if member == "tasks" {
			r.TaskMetrics = r.Tasks
		}
		counts = append(counts, len(r.TaskMetrics))
	}
	return counts
}

func TestTenTasksToARequest(t *testing.T) {
	for n, want := range map[int][]int{0: nil, 1: {1}, 9: {9}, 10: {10}, 11: {10, 1}, 20: {10, 10}, 21: {10, 10, 1}, 25: {10, 10, 5}} {
		var metrics stats.Metrics
		var health []stats.TaskHealth
		for i := range n {
			arn := fmt.Sprint(taskPrefix, i)
			metrics.Tasks = append(metrics.Tasks, stats.TaskMetrics{ARN: arn, Containers: []stats.ContainerMetrics{{Name: "c"}}})
			health = append(health, stats.TaskHealth{ARN: arn, Containers: []stats.ContainerHealth{{Name: "c"}}})
		}
		requests, err := quiet().metricsRequests("m-1", metrics, measuredAt)
		if (err != nil) != (n == 0) {
			t.Errorf("%d tasks: %v", n, err)
		}
		if diff := cmp.Diff(want, requestTasks(t, requests, "taskMetrics")); diff != "" {
			t.Errorf("metrics of %d tasks: %s", n, diff)
		}
		if requests, err = quiet().healthRequests("m-1", health, measuredAt); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, requestTasks(t, requests, "tasks")); diff != "" {
			t.Errorf("health of %d tasks: %s", n, diff)
		}
	}
}

// The service takes requests of up to 1 MiB: a byte more makes two of one. The sizes that pack reckons with are the real
// ones.
func TestRequestsAreDividedAtExactlyTheLimit(t *testing.T) {
	message := func(pad int) [][]byte {
		tasks := []stats.TaskMetrics{
			{ARN: taskPrefix + "t1", Family: "web", Revision: "1", Containers: []stats.ContainerMetrics{{Name: strings.Repeat("a", 500_000)}}},
			{ARN: taskPrefix + "t2", Family: "web", Revision: "1", Containers: []stats.ContainerMetrics{{Name: strings.Repeat("b", pad)}}},
		}
		requests, err := quiet().metricsRequests("m-1", stats.Metrics{Tasks: tasks}, measuredAt)
		if err != nil {
			t.Fatal(err)
		}
		return requests
	}
	pad := maxRequest - len(message(0)[0])
	if requests := message(pad); len(requests) != 1 || len(requests[0]) != maxRequest {
		t.Errorf("%d requests, the first of %d bytes", len(requests), len(requests[0]))
	}
	if requests := message(pad + 1); len(requests) != 2 || len(requests[0]) > maxRequest {
		t.Errorf("%d requests, the first of %d bytes", len(requests), len(requests[0]))
	}
}

func TestServiceConnectMetricsSpreadOverRequests(t *testing.T) {
	wrapper := func(name string) serviceconnect.Wrapper {
		return serviceconnect.Wrapper{Metrics: []serviceconnect.Metric{{Name: name + strings.Repeat("x", 600_000)}}}
	}
	requests, err := quiet().metricsRequests("m-1", stats.Metrics{Tasks: []stats.TaskMetrics{{
		ARN: taskPrefix + "t1", Family: "web", Revision: "1", Containers: []stats.ContainerMetrics{{Name: "c"}},
		Volumes:        []stats.VolumeMetrics{{ID: "vol-1"}},
		ServiceConnect: []serviceconnect.Wrapper{wrapper("w1"), wrapper("w2")},
	}}}, measuredAt)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1, 1}, requestTasks(t, requests, "taskMetrics")); diff != "" {
		t.Fatal(diff)
	}
	for i, parts := range [][]string{{`"containerMetrics"`, `"volumeMetrics"`, `"w1x`}, {`"w2x`}} {
		for _, part := range []string{`"containerMetrics"`, `"volumeMetrics"`, `"w1x`, `"w2x`} {
			want := false
			for _, p := range parts {
				want = want || p == part
			}
			if got := bytes.Contains(requests[i], []byte(part)); got != want {
				t.Errorf("request %d has %s: %t", i+1, part, got)
			}
		}
		if !bytes.Contains(requests[i], []byte(`"taskDefinitionFamily":"web","taskDefinitionVersion":"1"`)) {
			t.Errorf("request %d does not name the task definition", i+1)
		}
	}
}

func TestSignedFrame(t *testing.T) {
	body := []byte(`{"metadata":{"cluster":"prod","fin":true,"idle":true},"timestamp":1746802078.031}`)
	payload := envelope(kindMetrics, body)
	if want := `{"type":"PublishMetricsRequest","message":` + string(body) + `}`; string(payload) != want {
		t.Errorf("envelope %s", payload)
	}
	for token, headers := range map[string]string{
		"":    "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20250509/us-west-2/ecs/aws4_request, SignedHeaders=host;x-amz-date, Signature=S\r\nHost: tcs.example.com\r\nX-Amz-Date: 20250509T144758Z\r\n\r\n",
		"TOK": "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20250509/us-west-2/ecs/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=S\r\nHost: tcs.example.com\r\nX-Amz-Date: 20250509T144758Z\r\nX-Amz-Security-Token: TOK\r\n\r\n",
	} {
		keys := awsclient.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: token}
		header, err := awsclient.SignWebsocket(t.Context(), keys, "us-west-2", "wss://tcs.example.com:443/ws?cluster=a+b", payload, measuredAt)
		if err != nil {
			t.Fatal(err)
		}
		before, signature, _ := strings.Cut(header.Get("Authorization"), "Signature=")
		if len(signature) != 64 {
			t.Errorf("signature %q", signature)
		}
		header.Set("Authorization", before+"Signature=S")
		if got := string(frame(header, payload)); got != headers+string(payload) {
			t.Errorf("got  %q\nwant %q", got, headers+string(payload))
		}
	}
}

func TestMessagesOfTheService(t *testing.T) {
	var cases []struct {
		Text, Kind, Notice, Error string
		Proof                     bool
	}
	goldenfile.Read(t, "testdata/server_messages.json", &cases)
	for _, c := range cases {
		kind, notice, err := decode([]byte(c.Text))
		if kind != c.Kind || notice != c.Notice || proofs[kind] != c.Proof || (err == nil) != (c.Error == "") || err != nil && err.Error() != c.Error {
			t.Errorf("%s: %q %q %v", c.Text, kind, notice, err)
		}
	}
	_, _, err := decode([]byte(strings.Repeat("é", 1<<20)))
	if err == nil || len(err.Error()) > 2*excerptSize {
		t.Error("a long message is quoted as a whole")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"HeartbeatMessage","message":{"healthy":true}}`))
	f.Add([]byte(`{"BadRequestException":"no"}`))
	f.Add([]byte(`{"type":"ServerException","message":"x"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, _, err := decode(data)
		if (err == nil) != (kind != "") {
			t.Errorf("%q: %q, %v", data, kind, err)
		}
	})
}

func TestAddress(t *testing.T) {
	var cases []struct{ Endpoint, Cluster, Instance, Docker, Address, Error string }
	goldenfile.Read(t, "testdata/addresses.json", &cases)
	for _, c := range cases {
		s := New(Config{Cluster: c.Cluster, ContainerInstanceARN: c.Instance, AgentVersion: "1.2.3", AgentHash: "abcdef01"})
		if c.Docker != "" {
			s.config.DockerVersion = func(context.Context) string { return c.Docker }
		}
		got, err := wsconn.URL(c.Endpoint, s.query(t.Context()))
		if got != c.Address || err != nil && err.Error() != c.Error {
			t.Errorf("%s: %s, %v", c.Endpoint, got, err)
		}
	}
}

// Package agenttest is an agent for tests of local-ecs: it registers, holds an ACS session, acknowledges what it gets
// and "runs" tasks without any containers.
package agenttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

// Capabilities are attributes enough for most task definitions.
var Capabilities = []string{
	"com.amazonaws.ecs.capability.docker-remote-api.1.17", "com.amazonaws.ecs.capability.docker-remote-api.1.18",
	"com.amazonaws.ecs.capability.docker-remote-api.1.19", "com.amazonaws.ecs.capability.docker-remote-api.1.22",
	"com.amazonaws.ecs.capability.docker-remote-api.1.24", "com.amazonaws.ecs.capability.docker-remote-api.1.25",
	"com.amazonaws.ecs.capability.logging-driver.json-file", "com.amazonaws.ecs.capability.task-iam-role",
	"ecs.capability.container-ordering", "ecs.capability.container-health-check", "ecs.capability.task-cpu-mem-limit",
	"ecs.capability.secrets.ssm.environment-variables", "ecs.capability.secrets.asm.environment-variables", "ecs.capability.env-files.s3",
}

// Agent is one agent. Its behaviour may be changed before Connect.
type Agent struct {
	Endpoint string
	Cluster  string
	CPU      int
	Memory   int
	Token    string          // client token of the registration
	Extra    []ecs.Attribute // more attributes
	Identity string          // instance identity document
	GPUs     []string

	// Mute keeps the agent from acknowledging messages of this type.
	Mute map[string]bool
	// Manual keeps the agent from reporting by itself.
	Manual bool

	t *testing.T

	mu       sync.Mutex
	Arn      string
	conn     *websocket.Conn
	done     chan struct{}
	tasks    map[string]*acsmsg.Task // by ARN, newest form
	received []acsmsg.Envelope
	closed   error
	first    bool
}

// New makes an agent that is stopped at the end of the test.
func New(t *testing.T, endpoint string) *Agent {
	a := &Agent{Endpoint: endpoint, Cluster: "default", CPU: 4096, Memory: 4096, t: t, tasks: map[string]*acsmsg.Task{}, first: true,
		Mute: map[string]bool{}, Token: fmt.Sprintf("%s-%d", t.Name(), time.Now().UnixNano())}
	t.Cleanup(a.Drop)
	return a
}

// Start registers and connects a new agent.
func Start(t *testing.T, endpoint string) *Agent {
	t.Helper()
	a := New(t, endpoint)
	a.Register()
	a.Connect()
	return a
}

// Call carries out one API operation.
func Call(endpoint, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+operation)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "application/x-amz-json-1.1" {
		return fmt.Errorf("content type %q", got)
	}
	if resp.StatusCode != 200 {
		var e struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
			return err
		}
		return ecs.Errorf(e.Type, "%s", e.Message)
	}
	if out == nil {
		out = new(any)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// Call carries out one API operation that must succeed.
func (a *Agent) Call(operation string, in, out any) {
	a.t.Helper()
	if err := Call(a.Endpoint, operation, in, out); err != nil {
		a.t.Fatalf("%s: %v", operation, err)
	}
}

// TryRegister registers, again when the agent has an ARN.
func (a *Agent) TryRegister() (*ecs.ContainerInstance, error) {
	in := map[string]any{
		"cluster": a.Cluster, "clientToken": a.Token, "instanceIdentityDocument": a.Identity, "instanceIdentityDocumentSignature": "",
		"totalResources": []map[string]any{
			{"name": "CPU", "type": "INTEGER", "integerValue": a.CPU},
			{"name": "MEMORY", "type": "INTEGER", "integerValue": a.Memory},
			{"name": "PORTS", "type": "STRINGSET", "stringSetValue": []string{"22", "2375"}},
			{"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []string{}},
		},
	}
	attributes := append([]ecs.Attribute(nil), a.Extra...)
	for _, n := range Capabilities {
		attributes = append(attributes, ecs.Attribute{Name: n})
	}
	in["attributes"] = attributes
	if len(a.GPUs) > 0 {
		var devices []ecs.PlatformDevice
		for _, g := range a.GPUs {
			devices = append(devices, ecs.PlatformDevice{ID: g, Type: "GPU"})
		}
		in["platformDevices"] = devices
	}
	if a.Arn != "" {
		in["containerInstanceArn"] = a.Arn
	}
	var out struct {
		ContainerInstance ecs.ContainerInstance `json:"containerInstance"`
	}
	if err := Call(a.Endpoint, "RegisterContainerInstance", in, &out); err != nil {
		return nil, err
	}
	a.Arn = out.ContainerInstance.ContainerInstanceArn
	return &out.ContainerInstance, nil
}

// Register registers; it must succeed.
func (a *Agent) Register() *ecs.ContainerInstance {
	a.t.Helper()
	i, err := a.TryRegister()
	if err != nil {
		a.t.Fatalf("register: %v", err)
	}
	return i
}

// TryConnect opens the ACS session.
func (a *Agent) TryConnect() error {
	var found struct {
		Endpoint string `json:"endpoint"`
	}
	if err := Call(a.Endpoint, "DiscoverPollEndpoint", map[string]string{"cluster": a.Cluster, "containerInstance": a.Arn}, &found); err != nil {
		return err
	}
	q := url.Values{"agentHash": {"abcdef0"}, "agentVersion": {"1.105.1"}, "clusterArn": {a.Cluster}, "containerInstanceArn": {a.Arn},
		"dockerVersion": {"DockerVersion: 28.0.0"}, "protocolVersion": {"2"}, "sendCredentials": {fmt.Sprint(a.first)}, "seqNum": {"1"}}
	conn, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(found.Endpoint, "http")+"ws?"+q.Encode(), nil)
	if err != nil {
		if resp != nil {
			var b bytes.Buffer
			b.ReadFrom(resp.Body)
			return fmt.Errorf("%d %s", resp.StatusCode, strings.TrimSpace(b.String()))
		}
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.first = false
	a.conn, a.done, a.closed = conn, make(chan struct{}), nil
	go a.read(conn, a.done)
	return nil
}

// Connect opens the ACS session; it must succeed. It returns when the service counts the agent as connected: it has
// sent its manifest.
func (a *Agent) Connect() {
	a.t.Helper()
	before := len(a.Received(acsmsg.TypeManifest))
	if err := a.TryConnect(); err != nil {
		a.t.Fatalf("connect: %v", err)
	}
	Eventually(a.t, "manifest after connecting", func() bool { return len(a.Received(acsmsg.TypeManifest)) > before })
}

// Drop cuts the ACS session.
func (a *Agent) Drop() {
	a.mu.Lock()
	conn, done := a.conn, a.done
	a.conn = nil
	a.mu.Unlock()
	if conn != nil {
		conn.Close()
		<-done
	}
}

// Closed waits for the service to end the session and returns the reason.
func (a *Agent) Closed() error {
	a.t.Helper()
	a.mu.Lock()
	done := a.done
	a.mu.Unlock()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		a.t.Fatal("the session goes on")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}

// Report submits one status for a task and all its containers.
func (a *Agent) Report(arn, status string, exitCode *int) {
	t := a.Task(arn)
	var containers []map[string]any
	for i, c := range t.Containers {
		change := map[string]any{"containerName": c.Name, "status": status, "runtimeId": "docker-" + c.Name, "imageDigest": "sha256:0"}
		if exitCode != nil {
			change["exitCode"] = *exitCode
		}
		if status == "RUNNING" && len(c.PortMappings) > 0 {
			change["networkBindings"] = []map[string]any{{"bindIP": "0.0.0.0", "containerPort": c.PortMappings[0].ContainerPort, "hostPort": 32768 + i, "protocol": "tcp"}}
		}
		containers = append(containers, change)
	}
	in := map[string]any{"cluster": a.Cluster, "task": arn, "status": status, "reason": "", "containers": containers, "pullStartedAt": 1700000000.123}
	if err := Call(a.Endpoint, "SubmitTaskStateChange", in, nil); err != nil {
		a.t.Errorf("report %s: %v", status, err)
	}
}

// Task returns the newest form in which a task came; it must have come.
func (a *Agent) Task(arn string) *acsmsg.Task {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tasks[arn]
	if t == nil {
		a.t.Errorf("agent has no task %s", arn)
		return &acsmsg.Task{}
	}
	return t
}

// Send writes a raw text frame.
func (a *Agent) Send(frame []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.conn.WriteMessage(websocket.TextMessage, frame); err != nil {
		a.t.Errorf("send: %v", err)
	}
}

// Desired returns the desired status of a task, "" when the agent does not have it.
func (a *Agent) Desired(arn string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.tasks[arn]; t != nil {
		return t.DesiredStatus
	}
	return ""
}

// Arns returns the ARNs of all tasks that came.
func (a *Agent) Arns() (arns []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for arn := range a.tasks {
		arns = append(arns, arn)
	}
	return arns
}

// Adopt makes the agent run a task it did not get from the service.
func (a *Agent) Adopt(arn string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tasks[arn] = &acsmsg.Task{Arn: arn, DesiredStatus: "RUNNING"}
}

// Received returns the messages of a type in the order they came.
func (a *Agent) Received(kind string) (out []acsmsg.Envelope) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.received {
		if e.Type == kind {
			out = append(out, e)
		}
	}
	return out
}

// Eventually polls until check is true.
func Eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		<-tick.C
	}
}

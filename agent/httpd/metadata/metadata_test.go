package metadata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const (
	taskARN     = "arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c"
	instanceARN = "arn:aws:ecs:us-west-2:111122223333:container-instance/default/c6f2f8a1f0a94e3b9d2b6f7c5a4e3d21"
	curlID      = "ea32192c8553fbff06c9340478a2ff089b2bb5646fb718b4ee206641c9086d66"
	pauseID     = "c7c5a4c0e8f14c1e0ef3f3bb2c9a9b1d5e2f6c34b2a1f0e9d8c7b6a594837261"
	endpoint    = "cfbf3f3a-6b1b-4b5e-9f1c-2f0b0f9f7f11"
	caller      = "169.254.172.3:51234"
)

var here = Instance{ARN: instanceARN, Cluster: "default", AvailabilityZone: "us-west-2d", AvailabilityZoneID: "usw2-az4", VPCID: "vpc-1234567890abcdef0"}

// world is the engine and ECS as far as metadata sees them.
type world struct {
	mu    sync.Mutex
	tasks []*task.Task
	tags  map[string][]ecsapi.Tag
	errs  map[string]error
	asked []string
	stats map[string]string // bodies by Docker id; what is not here is not measured
}

func (w *world) Tasks() []*task.Task {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*task.Task(nil), w.tasks...)
}

func (w *world) ByEndpoint(id string) (*task.Task, *task.Container, bool) {
	for _, t := range w.Tasks() {
		for _, c := range t.Containers {
			if c.EndpointID == id && id != "" {
				return t, c, true
			}
		}
	}
	return nil, nil, false
}

func (w *world) ListTagsForResource(_ context.Context, arn, container string) ([]ecsapi.Tag, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, container+" "+arn)
	return w.tags[arn], w.errs[arn]
}

// ContainerStats gives the body, with a mark when rates are wanted; an empty one is a container without a sample yet.
func (w *world) ContainerStats(_ *task.Task, c *task.Container, rates bool) (body []byte, tracked bool) {
	text, tracked := w.stats[c.RuntimeID]
	switch {
	case text == "":
		return nil, tracked
	case rates:
		text = `{"rates":` + text + `}`
	}
	return []byte(text), true
}

func (w *world) set(t *task.Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks = []*task.Task{t}
}

func (w *world) get(path string) *httptest.ResponseRecorder { return w.fetch("GET", path) }

func (w *world) fetch(method, path string) *httptest.ResponseRecorder {
	routes := &httpd.Router{}
	Register(routes, here, w, w, w)
	return serve(routes, method, path)
}

func serve(routes *httpd.Router, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr = caller
	rec := httptest.NewRecorder()
	routes.ServeHTTP(rec, r)
	return rec
}

// wantFile compares an answer with a file of testdata, byte for byte but for white space.
func wantFile(t *testing.T, w *httptest.ResponseRecorder, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, text); err != nil {
		t.Fatal(err)
	}
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if diff := cmp.Diff(strings.Split(want.String(), ","), strings.Split(w.Body.String(), ",")); diff != "" {
		t.Error(diff)
	}
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

func labels(container string) map[string]string {
	return map[string]string{
		"com.amazonaws.ecs.cluster": "default", "com.amazonaws.ecs.container-name": container, "com.amazonaws.ecs.task-arn": taskARN,
		"com.amazonaws.ecs.task-definition-family": "curltest", "com.amazonaws.ecs.task-definition-version": "26",
	}
}

// plain is a running task with one container that was never looked at in Docker's networks.
func plain() *task.Task {
	hostConfig := `{"LogConfig":{"Type":"awslogs","Config":{"awslogs-group":"/ecs/metadata","awslogs-region":"us-west-2","awslogs-stream":"ecs/curl/158d1c8083dd49d6b527399fd6414f5c"}}}`
	return &task.Task{
		ARN: taskARN, Family: "curltest", Revision: "26", Desired: task.Running, Known: task.Running, CPU: 0.25, Memory: 512, LaunchType: "EC2",
		PullStartedAt: at("2025-03-04T05:06:06.20535111Z"), PullStoppedAt: at("2025-03-04T06:06:07.551040012+01:00"),
		Containers: []*task.Container{{
			Name: "curl", EndpointID: endpoint, RuntimeID: curlID, RuntimeName: "ecs-curltest-26-curl-cca48e8dcadd97805600",
			Image: "111122223333.dkr.ecr.us-west-2.amazonaws.com/curltest:latest", ImageID: "sha256:d691691e9652791a60114e67b365688d20d19940dde7c4736ea30e660d8d3553",
			Labels: labels("curl"), Desired: task.ContainerRunning, Known: task.ContainerCreated, CPU: 10, Memory: 128,
			CreatedAt: at("2025-03-04T05:06:07.620912337Z"), StartedAt: at("2025-03-04T05:06:08.062559351Z"),
			DockerConfig: task.DockerConfig{HostConfig: &hostConfig},
			ARN:          "arn:aws:ecs:us-west-2:111122223333:container/default/158d1c8083dd49d6b527399fd6414f5c/0206b271-b33f-47ab-86c6-a0ba208a70a9",
		}},
	}
}

// running is plain with a container that is RUNNING with the given networks.
func running(mode string, networks ...task.Network) *task.Task {
	t := plain()
	c := t.Containers[0]
	c.Known, c.NetworkMode, c.Networks = task.ContainerRunning, mode, networks
	return t
}

func bridge() *task.Task {
	t := running("bridge", task.Network{Name: "bridge", IPv4: "172.17.0.2", IPv6: "2001:db8:1::242:ac11:2"})
	c := t.Containers[0]
	c.Bindings = []task.PortMapping{{ContainerPort: 80, HostPort: 32768, BindIP: "0.0.0.0"}, {ContainerPort: 80, HostPort: 32768, BindIP: "::"}}
	c.Mounts = []task.Mount{
		{Name: "ecs-curltest-26-cache-d0c1b2a3", Source: "/var/lib/docker/volumes/ecs-curltest-26-cache-d0c1b2a3/_data", Destination: "/cache"},
		{Source: "/var/lib/ecs/data/metadata/default/158d1c8083dd49d6b527399fd6414f5c/curl", Destination: "/opt/ecs/metadata/94b4c0b1-1c0a-4c54-9c2e-f0f5b3a5e0d1"},
	}
	c.RestartPolicy, c.Restarts = &task.RestartPolicy{Enabled: true}, &task.RestartTracker{Count: 2}
	return t
}

const eni = `[{"ec2Id":"eni-1","MacAddress":"0e:9e:32:c7:48:85","IPV4Addresses":[{"Primary":true,"Address":"10.0.2.100"}],"IPV6Addresses":null,
	"SubnetGatewayIPV4Address":"10.0.2.1/24","DomainNameServers":["10.0.0.2"],"DomainNameSearchList":["us-west-2.compute.internal"],
	"PrivateDNSName":"ip-10-0-2-100.us-west-2.compute.internal"}]`

// enis reads a record of agent.db.
func enis(record string) (list task.ENIs) {
	if err := json.Unmarshal([]byte(record), &list); err != nil {
		panic(err)
	}
	return list
}

// own is a task with an interface of its own and one container.
func own() *task.Task {
	t := running("container:" + pauseID)
	t.NetworkMode, t.ENIs, t.LocalIPAddress = "awsvpc", enis(eni), "169.254.172.3"
	return t
}

// withPause is own with a health check, a pause container and a service.
func withPause() *task.Task {
	t := own()
	t.ServiceName, t.EnableFaultInjection = "MyService", true
	c := t.Containers[0]
	c.HealthCheckType = "docker"
	c.Health = task.Health{Status: task.HealthHealthy, Since: at("2025-03-04T05:06:40.1234Z"), Output: "ok\n"}
	t.Containers = append(t.Containers, &task.Container{
		Name: "~internal~ecs~pause", Type: task.CNIPause, RuntimeID: pauseID, RuntimeName: "ecs-curltest-26-internalecspause-c8e1d4f1a9b2e0d37600",
		Image: "amazon/amazon-ecs-pause:0.1.0", Labels: labels("~internal~ecs~pause"), Desired: task.ContainerResourcesProvisioned, Known: task.ContainerResourcesProvisioned,
		CreatedAt: at("2025-03-04T05:06:05.366448088Z"), StartedAt: at("2025-03-04T05:06:06.004823154Z"), NetworkMode: "none",
		Mounts: []task.Mount{{Name: "hidden"}},
	})
	return t
}

func TestBodies(t *testing.T) {
	withoutRestarts := bridge()
	withoutRestarts.Containers[0].RestartPolicy = nil
	noNetwork := plain()
	pulled := own()
	pulled.Known = task.None
	pulled.Containers = append([]*task.Container{
		{Name: "waiting", Known: task.ContainerManifestPulled, RuntimeName: "ecs-waiting"},
		{Name: "sidecar", Image: "busybox", ImageID: "sha256:bUsYbOx", Desired: task.ContainerRunning, Known: task.ContainerPulled, CPU: 1024, Memory: 512,
			RuntimeName: "ecs-chosen-already", RestartPolicy: &task.RestartPolicy{Enabled: true},
			ARN: "arn:aws:ecs:us-west-2:111122223333:container/default/158d1c8083dd49d6b527399fd6414f5c/11111111-b33f-47ab-86c6-a0ba208a70a9"},
	}, pulled.Containers...)
	for _, test := range []struct {
		path string
		task *task.Task
		file string
	}{
		{"/v2/metadata", withPause(), "v2-task-awsvpc.json"},
		{"/v2/metadata/", withPause(), "v2-task-awsvpc.json"},
		{"/v2/metadata/" + curlID, withPause(), "v2-container-awsvpc.json"},
		{"/v3/" + endpoint + "/task", withPause(), "v2-task-awsvpc.json"},
		{"/v3/" + endpoint, withPause(), "v2-container-awsvpc.json"},
		{"/v3/" + endpoint + "/task", bridge(), "v3-task-bridge.json"},
		{"/v3/" + endpoint, bridge(), "v3-container-bridge.json"},
		{"/v4/" + endpoint + "/task", withPause(), "v4-task-awsvpc.json"},
		{"/v4/" + endpoint, withPause(), "v4-container-awsvpc.json"},
		{"/v4/" + endpoint + "/task", bridge(), "v4-task-bridge.json"},
		{"/v4/" + endpoint, bridge(), "v4-container-bridge.json"},
		{"/v4/" + endpoint + "/task", running("host", task.Network{Name: "host"}), "v4-task-host.json"},
		{"/v4/" + endpoint + "/task", pulled, "v4-task-pulled.json"},
	} {
		t.Run(test.file+test.path[:3], func(t *testing.T) {
			w := &world{tasks: []*task.Task{test.task}}
			wantFile(t, w.get(test.path), test.file)
			wantFile(t, w.fetch("POST", test.path), test.file)
		})
	}
	t.Run("no network data", func(t *testing.T) {
		w := &world{tasks: []*task.Task{noNetwork}}
		got := w.get("/v4/" + endpoint + "/task")
		if body := got.Body.String(); !strings.Contains(body, `"KnownStatus":"CREATED"`) {
			t.Error(body)
		}
		got.Body = bytes.NewBufferString(strings.Replace(got.Body.String(), `"KnownStatus":"CREATED"`, `"KnownStatus":"RUNNING"`, 1))
		wantFile(t, got, "v4-task-no-network.json")
	})
}

func TestMembersThatComeAndGo(t *testing.T) {
	exit := 0
	stopped := running("bridge", task.Network{Name: "bridge"})
	stopped.Known, stopped.ExecutionStoppedAt = task.Stopped, at("2025-03-04T05:07:00Z")
	c := stopped.Containers[0]
	c.Known, c.ExitCode, c.FinishedAt, c.HealthCheckType, c.Type = task.ContainerStopped, &exit, at("2025-03-04T05:07:01Z"), "docker", task.ServiceConnectRelay
	c.CPU, c.Memory, c.Labels, c.DockerConfig = 0, 0, nil, task.DockerConfig{}
	w := &world{tasks: []*task.Task{stopped}}
	body := w.get("/v4/" + endpoint).Body.String()
	for _, want := range []string{`"ExitCode":0`, `"FinishedAt":"2025-03-04T05:07:01Z"`, `"Limits":{"CPU":2,"Memory":0}`, `"Health":{}`, `"Type":"NORMAL"`, `"IPv4Addresses":[""]`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	if body := w.get("/v4/" + endpoint + "/task").Body.String(); !strings.Contains(body, `"ExecutionStoppedAt":"2025-03-04T05:07:00Z"`) {
		t.Error(body)
	}
	c.Health = task.Health{Status: task.HealthUnhealthy, ExitCode: 1, Output: "no", Since: at("2025-03-04T06:06:40+01:00")}
	w = &world{tasks: []*task.Task{stopped}}
	if body := w.get("/v4/" + endpoint).Body.String(); !strings.Contains(body, `"Health":{"status":"UNHEALTHY","statusSince":"2025-03-04T06:06:40+01:00","exitCode":1,"output":"no"}`) {
		t.Error(body)
	}
	bare := running("bridge")
	bare.CPU, bare.Memory, bare.PullStartedAt, bare.PullStoppedAt, bare.LaunchType = 0, 0, time.Time{}, time.Time{}, ""
	routes := &httpd.Router{}
	w = &world{tasks: []*task.Task{bare}}
	Register(routes, Instance{Cluster: "default"}, w, w, w)
	body = serve(routes, "GET", "/v4/"+endpoint+"/task").Body.String()
	if !strings.HasSuffix(body, `"FaultInjectionEnabled":false}`) || !strings.Contains(body, `"KnownStatus":"RUNNING","Containers":[`) {
		t.Error(body)
	}
}

func TestNetworks(t *testing.T) {
	withENI := func(eni string) *task.Task {
		t := own()
		t.ENIs = enis(eni)
		return t
	}
	for _, test := range []struct {
		name string
		task *task.Task
		want string
	}{
		{
			"dual stack: the IPv6 gateway is not shown and the prefix is 64",
			withENI(`[{"MacAddress":"06:96:9a:ce:a6:ce","IPV4Addresses":[{"Address":"1.2.3.5"}],"IPV6Addresses":[{"Address":"8:3:1:1:a::"}],"SubnetGatewayIPV4Address":"1.2.3.1/24","SubnetGatewayIPV6Address":"8:3:1:1:1::/64","PrivateDNSName":"ip-1-2-3-5.us-west-2.compute.internal"}]`),
			`[{"NetworkMode":"awsvpc","IPv4Addresses":["1.2.3.5"],"IPv6Addresses":["8:3:1:1:a::"],"AttachmentIndex":0,"MACAddress":"06:96:9a:ce:a6:ce","IPv4SubnetCIDRBlock":"1.2.3.0/24","IPv6SubnetCIDRBlock":"8:3:1:1::/64","PrivateDNSName":"ip-1-2-3-5.us-west-2.compute.internal","SubnetGatewayIpv4Address":"1.2.3.1/24"}]`,
		},
		{
			"IPv6 only: prefix and gateway are shown",
			withENI(`{"MacAddress":"06:96:9a:ce:a6:ce","IPV6Addresses":[{"Address":"8:3:1:9::"}],"SubnetGatewayIPV6Address":"8:3:1:1::/48","PrivateDNSName":"ip-172-31-47-69.us-west-2.compute.internal"}`),
			`[{"NetworkMode":"awsvpc","IPv6Addresses":["8:3:1:9::"],"AttachmentIndex":0,"MACAddress":"06:96:9a:ce:a6:ce","IPv6SubnetCIDRBlock":"8:3:1::/48","PrivateDNSName":"ip-172-31-47-69.us-west-2.compute.internal","SubnetGatewayIpv6Address":"8:3:1:1::/48"}]`,
		},
		{
			"IPv6 only without gateway", withENI(`[{"IPV6Addresses":[{"Address":"8:3:1:9:1::"}]}]`),
			`[{"NetworkMode":"awsvpc","IPv6Addresses":["8:3:1:9:1::"],"AttachmentIndex":0,"IPv6SubnetCIDRBlock":"8:3:1:9::/64"}]`,
		},
		{
			"several Docker networks", running("bridge", task.Network{Name: "bridge", IPv4: "1.2.3.4", IPv6: "5:6:7:8::"}, task.Network{Name: "other", IPv4: "10.0.0.1"}),
			`[{"NetworkMode":"bridge","IPv4Addresses":["1.2.3.4"],"IPv6Addresses":["5:6:7:8::"]},{"NetworkMode":"other","IPv4Addresses":["10.0.0.1"]}]`,
		},
		{
			"the namespace of another container", running("container:" + pauseID),
			`[{"NetworkMode":"container:` + pauseID + `","IPv4Addresses":[""]}]`,
		},
		{"null ENI", func() *task.Task {
			t := running("none")
			t.ENIs = enis("null")
			return t
		}(), `[{"NetworkMode":"none","IPv4Addresses":[""]}]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{tasks: []*task.Task{test.task}}
			var got struct{ Networks json.RawMessage }
			if err := json.Unmarshal(w.get("/v4/"+endpoint).Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got.Networks)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPortsOfATaskWithItsOwnInterface(t *testing.T) {
	tk := own()
	tk.Containers[0].Bindings = []task.PortMapping{{ContainerPort: 53, HostPort: 1, Protocol: task.UDP}}
	w := &world{tasks: []*task.Task{tk}}
	if body := w.get("/v4/" + endpoint).Body.String(); !strings.Contains(body, `"Ports":[{"ContainerPort":53,"Protocol":"udp","HostPort":53}]`) {
		t.Error(body)
	}
}

func TestServiceConnectInBridgeModeHasPauseContainersFirst(t *testing.T) {
	tk := bridge()
	tk.NetworkMode, tk.ServiceConnect = "bridge", json.RawMessage(`{}`)
	tk.Containers = append(tk.Containers, &task.Container{Name: "p", RuntimeID: "p", Type: task.CNIPause}, &task.Container{Name: "q", RuntimeID: "q", Type: task.CNIPause})
	w := &world{tasks: []*task.Task{tk}}
	var got struct{ Containers []struct{ Name string } }
	if err := json.Unmarshal(w.get("/v4/"+endpoint+"/task").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got.Containers) != "[{p} {q} {curl}]" {
		t.Error(got)
	}
}

func TestAnswersFollowTheTask(t *testing.T) {
	w := &world{tasks: []*task.Task{bridge()}}
	routes := &httpd.Router{}
	Register(routes, here, w, w, w)
	for _, path := range []string{"/v4/" + endpoint, "/v4/" + endpoint + "/task", "/v3/" + endpoint + "/task"} {
		for _, id := range []string{"sha256:one", "sha256:one", "sha256:two"} {
			tk := bridge()
			tk.Containers[0].ImageID = id
			w.set(tk)
			if body := serve(routes, "GET", path).Body.String(); !strings.Contains(body, id) {
				t.Errorf("%s: no %s in %s", path, id, body)
			}
		}
	}
}

func TestKeptAnswersAreBounded(t *testing.T) {
	w := &world{}
	for i := range 3 * maxBodies {
		w.tasks = append(w.tasks, &task.Task{ARN: fmt.Sprint(i), Containers: []*task.Container{{EndpointID: fmt.Sprint(i), RuntimeID: fmt.Sprint(i), NetworkMode: "none"}}})
	}
	h := &handler{tasks: w, bodies: newBodies()}
	for i := range w.tasks {
		rec := httptest.NewRecorder()
		h.taskV4(rec, httptest.NewRequest("GET", "/", nil), httpd.Vars{fmt.Sprint(i)})
		if rec.Code != 200 {
			t.Fatal(rec.Code)
		}
	}
	if len(h.bodies.kept) > maxBodies {
		t.Errorf("%d kept", len(h.bodies.kept))
	}
}

func TestWaitsForTheLookAfterAStart(t *testing.T) {
	starting := func() *task.Task {
		tk := plain()
		tk.Containers[0].Engine.Step = task.StepStart
		return tk
	}
	for _, path := range []string{"/v4/" + endpoint, "/v4/" + endpoint + "/task", "/v3/" + endpoint} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{tasks: []*task.Task{starting()}}
			time.AfterFunc(300*time.Millisecond, func() { w.set(bridge()) })
			start := time.Now()
			if got := w.get(path); got.Code != 200 || !strings.Contains(got.Body.String(), "172.17.0.2") {
				t.Errorf("%d %s", got.Code, got.Body)
			}
			if took := time.Since(start); took > 320*time.Millisecond {
				t.Errorf("took %v", took)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{tasks: []*task.Task{starting()}}
		time.AfterFunc(100*time.Millisecond, func() { w.set(&task.Task{}) })
		if got := w.get("/v4/" + endpoint); got.Code != 404 {
			t.Errorf("a task that is gone meanwhile: %d", got.Code)
		}
	})
}

// TestALookThatDoesNotComeIsWaitedForOnce is about a Docker that hangs.
func TestALookThatDoesNotComeIsWaitedForOnce(t *testing.T) {
	restored := func() *task.Task {
		tk := running("")
		tk.Containers[0].Engine.Restored = true
		return tk
	}
	starting := func() *task.Task {
		tk := plain()
		tk.Containers[0].Engine.Step = task.StepStart
		return tk
	}
	for name, tk := range map[string]*task.Task{"starting": starting(), "left by a former agent": restored()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{tasks: []*task.Task{tk}}
				routes := &httpd.Router{}
				Register(routes, here, w, w, w)
				start := time.Now()
				for range 3 {
					for _, path := range []string{"/v3/" + endpoint, "/v4/" + endpoint, "/v4/" + endpoint + "/task", "/v3/" + endpoint + "/task"} {
						// What is known is told: the look that is missing is no failure.
						if got := serve(routes, "GET", path); got.Code != 200 || strings.Contains(got.Body.String(), "Networks") {
							t.Errorf("%s: %d %s", path, got.Code, got.Body)
						}
					}
				}
				if took := time.Since(start); took != inspectWait {
					t.Errorf("took %v together", took)
				}
				// The next start is another one.
				again := *tk.Containers[0]
				again.Engine.Step, again.Restarts = task.StepRestart, &task.RestartTracker{Count: 1}
				next := *tk
				next.Containers = []*task.Container{&again}
				w.set(&next)
				start = time.Now()
				serve(routes, "GET", "/v4/"+endpoint)
				if took := time.Since(start); took != inspectWait {
					t.Errorf("took %v after the restart", took)
				}
			})
		})
	}
}

func TestLooksAreBounded(t *testing.T) {
	var l looks
	for i := range 3 * maxLooks {
		l.expected(&task.Container{RuntimeID: fmt.Sprint(i)})
	}
	if len(l.until) > maxLooks {
		t.Errorf("%d remembered", len(l.until))
	}
}

func TestTags(t *testing.T) {
	denied := "User: arn:aws:sts::111122223333:assumed-role/ecsInstanceRole/i-0744a608689EXAMPLE is not authorized to perform: ecs:ListTagsForResource on resource: " + instanceARN
	good := &world{
		tasks: []*task.Task{own()},
		tags:  map[string][]ecsapi.Tag{taskARN: {{Key: "tag-use", Value: "task-metadata-endpoint-test"}}, instanceARN: {{Key: "tier", Value: "prod"}, {Key: "team", Value: "platform"}}},
	}
	bad := &world{
		tasks: []*task.Task{own()},
		errs: map[string]error{
			instanceARN: fmt.Errorf("GetResourceTags failed: %w", &ecsapi.Error{APIError: &awsclient.APIError{Code: "AccessDeniedException", Message: denied, Status: 400, RequestID: "cef9da77-aee7-431d-84d5-f92b2d342c51"}}),
			taskARN:     &awsclient.APIError{Code: "LimitExceededException", Message: "Rate exceeded", Status: 400, RequestID: "45dbbc67-0c60-4248-855e-14fdf4c11870"},
		},
	}
	wantFile(t, good.get("/v4/"+endpoint+"/taskWithTags"), "v4-taskwithtags.json")
	if want := []string{"curl " + instanceARN, "curl " + taskARN}; !cmp.Equal(good.asked, want) {
		t.Errorf("asked for %q", good.asked)
	}
	wantFile(t, bad.get("/v4/"+endpoint+"/taskWithTags"), "v4-taskwithtags-errors.json")
	for _, path := range []string{"/v3/" + endpoint + "/taskWithTags", "/v2/metadataWithTags", "/v2/metadataWithTags/"} {
		if body := good.get(path).Body.String(); !strings.HasSuffix(body, `"AvailabilityZone":"us-west-2d","TaskTags":{"tag-use":"task-metadata-endpoint-test"},"ContainerInstanceTags":{"team":"platform","tier":"prod"}}`) {
			t.Errorf("%s: %s", path, body)
		}
		if body := bad.get(path).Body.String(); !strings.HasSuffix(body, `"AvailabilityZone":"us-west-2d"}`) {
			t.Errorf("%s: %s", path, body)
		}
	}
	other := &world{tasks: []*task.Task{own()}, errs: map[string]error{taskARN: errors.New("no route")}}
	if body := other.get("/v4/" + endpoint + "/taskWithTags").Body.String(); !strings.Contains(body, `"Errors":[{"ErrorField":"TaskTags","ErrorMessage":"no route","ResourceARN":"`+taskARN+`"}]`) {
		t.Error(body)
	}
	none := &world{tasks: []*task.Task{{LocalIPAddress: "169.254.172.3"}}}
	if body := none.get("/v2/metadataWithTags").Body.String(); len(none.asked) > 0 || strings.Contains(body, "Containers") {
		t.Errorf("%q %s", none.asked, body)
	}
}

// hanging is an ECS that does not answer.
type hanging struct{ *world }

func (hanging) ListTagsForResource(ctx context.Context, _, _ string) ([]ecsapi.Tag, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestSlowTagsStillReachTheContainer(t *testing.T) {
	starting := own() // whose look is waited for, too
	starting.Containers[0].Engine.Step = task.StepStart
	for _, tk := range []*task.Task{own(), starting} {
		for path, failed := range map[string]int{"/v4/" + endpoint + "/taskWithTags": 2, "/v3/" + endpoint + "/taskWithTags": 0, "/v2/metadataWithTags": 0} {
			synctest.Test(t, func(t *testing.T) {
				w := &world{tasks: []*task.Task{tk}}
				routes := &httpd.Router{}
				Register(routes, here, w, w, hanging{w})
				start := time.Now()
				got := serve(routes, "GET", path)
				if took := time.Since(start); took >= 5*time.Second || got.Code != 200 || strings.Count(got.Body.String(), "ErrorField") != failed {
					t.Errorf("%s: %v: %d %s", path, took, got.Code, got.Body)
				}
			})
		}
	}
}

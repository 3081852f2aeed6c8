package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const digest = "sha256:d1c14fcf2e9476ed58ebc4251b211f403f271e96b6c3d9ada0f1c5454ca4d230"

func TestContainerReportable(t *testing.T) {
	provisioned := task.ContainerResourcesProvisioned
	for _, test := range []struct {
		name   string
		c      task.Container
		sent   task.ContainerStatus
		wire   string // empty: not reported
		steady *task.ContainerStatus
	}{
		{name: "nothing happened", c: task.Container{Known: task.ContainerNone}},
		{name: "manifest pulled with a new digest", c: task.Container{Known: task.ContainerManifestPulled, ImageDigest: digest, Image: "a:1"}, wire: "PENDING"},
		{name: "manifest pulled without digest", c: task.Container{Known: task.ContainerManifestPulled, Image: "a:1"}},
		{name: "manifest pulled, digest was asked for", c: task.Container{Known: task.ContainerManifestPulled, ImageDigest: digest, Image: "a@" + digest}},
		{name: "manifest pulled, reported", c: task.Container{Known: task.ContainerManifestPulled, ImageDigest: digest, Image: "a"}, sent: task.ContainerManifestPulled},
		{name: "pulled", c: task.Container{Known: task.ContainerPulled}},
		{name: "created", c: task.Container{Known: task.ContainerCreated}},
		{name: "running", c: task.Container{Known: task.ContainerRunning}, wire: "RUNNING"},
		{name: "running, reported", c: task.Container{Known: task.ContainerRunning}, sent: task.ContainerRunning},
		{name: "running, not steady yet", c: task.Container{Known: task.ContainerRunning}, steady: &provisioned},
		{name: "provisioned", c: task.Container{Known: task.ContainerResourcesProvisioned}, steady: &provisioned, wire: "RUNNING"},
		{name: "stopped, nothing reported", c: task.Container{Known: task.ContainerStopped}, wire: "STOPPED"},
		{name: "stopped, running reported", c: task.Container{Known: task.ContainerStopped}, sent: task.ContainerRunning, wire: "STOPPED"},
		{name: "stopped, reported", c: task.Container{Known: task.ContainerStopped}, sent: task.ContainerStopped},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.c.SteadyStatus = test.steady
			if got := containerReportable(&test.c, test.sent); got != (test.wire != "") {
				t.Fatalf("reportable: %v", got)
			}
			if got := newContainerChange(&test.c).Status; test.wire != "" && got != test.wire {
				t.Errorf("wire status %s, want %s", got, test.wire)
			}
		})
	}
}

func TestTaskReportable(t *testing.T) {
	for _, test := range []struct {
		name        string
		known, sent task.Status
		internal    bool
		digest      string
		want        bool
	}{
		{name: "internal", known: task.Running, internal: true},
		{name: "nothing happened", known: task.None},
		{name: "manifest pulled with a new digest", known: task.ManifestPulled, digest: digest, want: true},
		{name: "manifest pulled without digest", known: task.ManifestPulled},
		{name: "manifest pulled, reported", known: task.ManifestPulled, sent: task.ManifestPulled, digest: digest},
		{name: "created", known: task.Created},
		{name: "running", known: task.Running, want: true},
		{name: "running, reported", known: task.Running, sent: task.Running},
		{name: "running, stopped reported", known: task.Running, sent: task.Stopped},
		{name: "stopped", known: task.Stopped, want: true},
		{name: "stopped, running reported", known: task.Stopped, sent: task.Running, want: true},
		{name: "stopped, reported", known: task.Stopped, sent: task.Stopped},
	} {
		t.Run(test.name, func(t *testing.T) {
			tk := &task.Task{Known: test.known, Internal: test.internal, Containers: []*task.Container{{}, {Image: "a:1", ImageDigest: test.digest}}}
			if got := taskReportable(tk, test.sent); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestWorthSubmitting(t *testing.T) {
	type container struct{ sent, known task.ContainerStatus }
	running, stopped := task.ContainerRunning, task.ContainerStopped
	for _, test := range []struct {
		name         string
		internal     bool
		change, sent task.Status
		containers   []container
		want         bool
	}{
		{name: "internal", internal: true, change: task.Running},
		{name: "no status, no containers", change: task.None},
		{name: "running is new", change: task.Running, want: true},
		{name: "running is known", change: task.Running, sent: task.Running},
		{name: "stopped is new", change: task.Stopped, sent: task.Running, want: true},
		{name: "running after stopped", change: task.Running, sent: task.Stopped},
		{name: "one container is new", change: task.Running, sent: task.Running, containers: []container{{running, running}, {running, stopped}}, want: true},
		{name: "a container of a task without status", change: task.None, containers: []container{{task.ContainerNone, running}}, want: true},
		{name: "all containers are known", change: task.Running, sent: task.Running, containers: []container{{running, running}, {stopped, stopped}}},
		{name: "a container is new but the task has stopped", change: task.Running, sent: task.Stopped, containers: []container{{running, stopped}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tk := &task.Task{Sent: test.sent, Internal: test.internal}
			change := taskChange{status: test.change}
			for i, c := range test.containers {
				name := string(rune('a' + i))
				tk.Containers = append(tk.Containers, &task.Container{Name: name, Known: c.known, Sent: c.sent})
				change.containers = append(change.containers, containerChange{ContainerStateChange: ecsapi.ContainerStateChange{Name: name}})
			}
			if got := worthSubmitting(tk, &line{}, change); got != test.want {
				t.Errorf("got %v", got)
			}
			// What was accepted in this run counts like what the engine says.
			l := &line{accepted: tk.Sent, acceptedContainers: map[string]task.ContainerStatus{}}
			tk.Sent = task.None
			for _, c := range tk.Containers {
				l.acceptedContainers[c.Name], c.Sent = c.Sent, task.ContainerNone
			}
			if got := worthSubmitting(tk, l, change); got != test.want {
				t.Errorf("by the line: got %v", got)
			}
		})
	}
}

func TestRequestCarriesEverything(t *testing.T) {
	exit := 1
	at := func(s int) time.Time { return time.Date(2024, 1, 1, 0, 0, s, 0, time.UTC) }
	ports := []task.PortMapping{{ContainerPort: 80, HostPort: 32768, BindIP: "0.0.0.0"}}
	c := &task.Container{
		Name: "web", RuntimeID: "aa", ImageDigest: digest, Known: task.ContainerStopped, ExitCode: &exit,
		Failure:  &task.AppliedError{Name: "OutOfMemoryError", Message: "Container killed due to memory usage"},
		Bindings: ports, SinglePorts: task.PortSet{80: {}}, HostRanges: map[string]string{"21-22": "60001-60002"}, HasPortRange: true,
	}
	tk := &task.Task{ARN: "arn", Known: task.Stopped, Containers: []*task.Container{c}, PullStartedAt: at(1), PullStoppedAt: at(2), ExecutionStoppedAt: at(3)}
	change := newTaskChange(tk, "why")
	change.containers = []containerChange{newContainerChange(c)}
	want := ecsapi.TaskStateChange{
		Cluster: "cluster", TaskARN: "arn", Status: "STOPPED", Reason: "why",
		PullStartedAt: at(1), PullStoppedAt: at(2), ExecutionStoppedAt: at(3),
		Containers: []ecsapi.ContainerStateChange{{
			Name: "web", Status: "STOPPED", Reason: "OutOfMemoryError: Container killed due to memory usage", RuntimeID: "aa", ImageDigest: digest, ExitCode: &exit,
			Ports: ecsapi.Ports{Observed: ports, Single: task.PortSet{80: {}}, HostRanges: map[string]string{"21-22": "60001-60002"}, HasRange: true},
		}},
	}
	if diff := cmp.Diff(want, change.request("cluster", "arn")); diff != "" {
		t.Error(diff)
	}
}

func TestBackoffBounds(t *testing.T) {
	base := []float64{1000, 1300, 1690, 2197, 2856.1, 3712.93, 4826.809, 6274.852, 8157.307, 10604.499, 13785.849, 17921.604, 23298.085, 30000, 30000}
	for range 50 {
		b := submitRetry.Start()
		for n, ms := range base {
			least := time.Duration(ms * float64(time.Millisecond))
			got := b.Next()
			if got < least-time.Microsecond || got > least*12/10+time.Microsecond {
				t.Fatalf("failure %d: %v, want at least %v and at most 20%% more", n+1, got, least)
			}
		}
	}
	for range 100 {
		if p := drainPause(); p < 10*time.Second || p > 30*time.Second {
			t.Fatalf("drain pause %v", p)
		}
	}
}

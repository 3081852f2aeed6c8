package docker

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// wantState is how testdata/inspect.json says what an inspect means; members left out are not compared.
type wantState struct {
	Status     string
	CreatedAt  string
	StartedAt  string
	FinishedAt string
	ExitCode   *int
	Error      string
	Health     *struct {
		Status, Output string
		ExitCode       int
	}
	PortBindings []struct {
		ContainerPort, HostPort uint16
		BindIP, Protocol        string
	}
}

func TestStateOfInspect(t *testing.T) {
	data, err := os.ReadFile("testdata/inspect.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name    string
		Inspect container.InspectResponse
		Want    wantState
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range cases {
		t.Run(tt.Name, func(t *testing.T) {
			got, err := stateOf(tt.Inspect, now)
			if err != nil {
				t.Fatal(err)
			}
			if got.RuntimeID != "d1" || got.Status.String() != tt.Want.Status {
				t.Errorf("id %s, status %s; want d1, %s", got.RuntimeID, got.Status, tt.Want.Status)
			}
			if diff := cmp.Diff(tt.Want.ExitCode, got.ExitCode); diff != "" {
				t.Errorf("exit code: %s", diff)
			}
			failure := ""
			if got.Failure != nil {
				failure = got.Failure.Error()
			}
			if failure != tt.Want.Error {
				t.Errorf("failure %q, want %q", failure, tt.Want.Error)
			}
			checkTime(t, "created", got.CreatedAt, tt.Want.CreatedAt)
			checkTime(t, "started", got.StartedAt, tt.Want.StartedAt)
			checkTime(t, "finished", got.FinishedAt, tt.Want.FinishedAt)
			checkHealth(t, got.Health, tt.Want, now)
			var bindings []task.PortMapping
			for _, b := range tt.Want.PortBindings {
				protocol, err := task.ParseProtocol(b.Protocol)
				if err != nil {
					t.Fatal(err)
				}
				bindings = append(bindings, task.PortMapping{ContainerPort: b.ContainerPort, HostPort: b.HostPort, BindIP: b.BindIP, Protocol: protocol})
			}
			if diff := cmp.Diff(bindings, got.Bindings); diff != "" {
				t.Errorf("bindings: %s", diff)
			}
		})
	}
}

func checkTime(t *testing.T, what string, got time.Time, want string) {
	t.Helper()
	if want == "" {
		return
	}
	if w, err := time.Parse(time.RFC3339Nano, want); err != nil || !w.Equal(got) {
		t.Errorf("%s at %s, want %s (%v)", what, got, want, err)
	}
}

func checkHealth(t *testing.T, got *task.Health, want wantState, now time.Time) {
	t.Helper()
	if want.Health == nil {
		return
	}
	if got == nil {
		got = &task.Health{Since: now}
	}
	if got.Status.String() != want.Health.Status || got.Output != want.Health.Output || got.ExitCode != want.Health.ExitCode || !got.Since.Equal(now) {
		t.Errorf("health %+v, want %+v", got, want.Health)
	}
}

func TestStateOfFullInspect(t *testing.T) {
	var in container.InspectResponse
	if err := json.Unmarshal([]byte(`{
		"Id":"abc","Name":"/ecs-web-3-app-0","Image":"sha256:1","Created":"2024-05-01T10:00:00Z",
		"State":{"Running":true,"Pid":42,"OOMKilled":true,"StartedAt":"2024-05-01T10:00:01Z","FinishedAt":"0001-01-01T00:00:00Z"},
		"Config":{"Labels":{"a":"b"}},
		"HostConfig":{"NetworkMode":"bridge"},
		"Mounts":[{"Type":"volume","Name":"v","Source":"/var/lib/docker/volumes/v/_data","Destination":"/data","Driver":"local","Mode":"ro","RW":false}],
		"NetworkSettings":{
			"Ports":{"53/udp":[{"HostIp":"","HostPort":"40001"}],"53/tcp":[{"HostIp":"","HostPort":"40000"}],"22/tcp":null},
			"Networks":{
				"other":{"IPAddress":"10.0.0.2"},
				"bridge":{"IPAddress":"172.17.0.2","IPPrefixLen":16,"GlobalIPv6Address":"fd00::2","MacAddress":"02:42:ac:11:00:02","Gateway":"172.17.0.1"}}}}`), &in); err != nil {
		t.Fatal(err)
	}
	got, err := stateOf(in, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want := &task.ContainerState{
		RuntimeID: "abc", Name: "ecs-web-3-app-0", Status: task.ContainerRunning, ImageID: "sha256:1", PID: 42,
		CreatedAt: time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC), StartedAt: time.Date(2024, 5, 1, 10, 0, 1, 0, time.UTC),
		Labels: map[string]string{"a": "b"}, NetworkMode: "bridge",
		Mounts: []task.Mount{{Name: "v", Source: "/var/lib/docker/volumes/v/_data", Destination: "/data", Driver: "local", Mode: "ro", ReadOnly: true}},
		Bindings: []task.PortMapping{
			{ContainerPort: 53, HostPort: 40000, Protocol: task.TCP}, {ContainerPort: 53, HostPort: 40001, Protocol: task.UDP},
		},
		Networks: []task.Network{
			{Name: "bridge", IPv4: "172.17.0.2", IPv4Prefix: 16, IPv6: "fd00::2", MAC: "02:42:ac:11:00:02", Gateway: "172.17.0.1"},
			{Name: "other", IPv4: "10.0.0.2"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnreadablePortSpoilsTheInspect(t *testing.T) {
	for _, ports := range []string{
		`{"http/tcp":[{"HostPort":"80"}]}`, `{"80/tcp":[{"HostPort":"x"}]}`, `{"80/tcp":[{"HostPort":""}]}`, `{"80/tcp":[{"HostPort":"70000"}]}`,
	} {
		var in container.InspectResponse
		if err := json.Unmarshal([]byte(`{"Id":"d1","State":{"Running":true},"NetworkSettings":{"Ports":`+ports+`}}`), &in); err != nil {
			t.Fatal(err)
		}
		state, err := stateOf(in, time.Now())
		named, ok := err.(*task.Error)
		if state != nil || !ok || named.Name != task.ErrUnparsablePort {
			t.Errorf("%s: %+v, %v", ports, state, err)
		}
	}
}

func TestPartialStates(t *testing.T) {
	for _, tt := range []struct {
		state, text string
		want        task.ContainerStatus
	}{
		{"created", "Created", task.ContainerCreated},
		{"running", "Up 3 minutes (healthy)", task.ContainerRunning},
		{"paused", "Up 3 minutes (Paused)", task.ContainerRunning},
		{"restarting", "Restarting (1) 2 seconds ago", task.ContainerRunning},
		{"exited", "Exited (0) 1 hour ago", task.ContainerStopped},
		{"dead", "Dead", task.ContainerStopped},
		{"removing", "Removal In Progress", task.ContainerStopped},
		{"", "Up 3 minutes", task.ContainerRunning},
		{"", "Created", task.ContainerCreated},
		{"", "", task.ContainerCreated},
		{"", "Exited (137) 1 hour ago", task.ContainerStopped},
	} {
		got := partialStateOf(&container.Summary{ID: "x", State: tt.state, Status: tt.text, Names: []string{"/link/alias", "/name"}})
		if got.Status != tt.want || got.Name != "name" || !got.Partial {
			t.Errorf("%q, %q: %+v; want %s", tt.state, tt.text, got, tt.want)
		}
	}
}

func TestHealthInAList(t *testing.T) {
	for text, want := range map[string]string{
		"Up 3 minutes (healthy)": "HEALTHY", "Up 3 minutes (unhealthy)": "UNHEALTHY", "Up 2 seconds (health: starting)": "UNKNOWN",
		"Up 3 minutes": "", "Up 3 minutes (Paused)": "", "Exited (0) 1 hour ago": "", "": "",
	} {
		got := ""
		if h := partialStateOf(&container.Summary{State: "running", Status: text}).Health; h != nil {
			got = h.Status.String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzStateOf(f *testing.F) {
	f.Add([]byte(`{"Id":"a","State":{"Health":{"Status":"unhealthy","Log":[null]}},"NetworkSettings":{"Ports":{"80":[{}]},"Networks":{"a":null}},"Mounts":[{}]}`))
	f.Add([]byte(`{"State":{"Running":false,"FinishedAt":"2024-05-01T10:00:00Z"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var in container.InspectResponse
		if json.Unmarshal(data, &in) != nil {
			return
		}
		s, err := stateOf(in, time.Now())
		if (s == nil) == (err == nil) {
			t.Fatalf("state %v and error %v", s, err)
		}
	})
}

func TestHealthOutputEndsWithAWholeCharacter(t *testing.T) {
	output := strings.Repeat("x", maxHealthOutput-1) + "é"
	got := healthOf(&container.Health{Status: "healthy", Log: []*container.HealthcheckResult{{Output: output}}}, time.Time{})
	if got.Output != output[:maxHealthOutput-1] {
		t.Errorf("ends with %q", got.Output[len(got.Output)-2:])
	}
}

package mapping

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestTheLogDriverIsToldWhatItCannotKnow(t *testing.T) {
	type options = map[string]string
	tests := []struct {
		name   string
		facts  goldenFacts
		driver string
		in     options
		want   options
	}{
		{name: "public regions need nothing", facts: goldenFacts{Region: "us-east-1"}, in: options{"awslogs-region": "us-east-1"}, want: options{"awslogs-region": "us-east-1"}},
		{name: "isolated regions need the endpoint", facts: goldenFacts{Region: "us-iso-east-1"}, in: options{"awslogs-region": "us-iso-east-1"},
			want: options{"awslogs-region": "us-iso-east-1", "awslogs-endpoint": "https://logs.us-iso-east-1.example"}},
		{name: "it is the endpoint of the instance's region", facts: goldenFacts{Region: "eusc-de-east-1"}, in: options{"awslogs-region": "us-iso-east-1", "awslogs-endpoint": "own"},
			want: options{"awslogs-region": "us-iso-east-1", "awslogs-endpoint": "https://logs.eusc-de-east-1.example"}},
		{name: "an isolated region and no options at all", facts: goldenFacts{Region: "us-isof-east-1"}, in: nil, want: options{"awslogs-endpoint": "https://logs.us-isof-east-1.example"}},
		{name: "other drivers are left alone", facts: goldenFacts{Region: "us-iso-east-1"}, driver: "splunk", in: options{"splunk-url": "x"}, want: options{"splunk-url": "x"}},
		{name: "without IPv4 it is the dual-stack endpoint", facts: goldenFacts{Region: "us-east-1", IPv6Only: true}, in: options{"awslogs-region": "us-west-2"},
			want: options{"awslogs-region": "us-west-2", "awslogs-endpoint": "https://logs.us-west-2.dual.example"}},
		{name: "an older Docker does not", facts: goldenFacts{Region: "us-east-1", IPv6Only: true, OldServer: true}, in: options{"awslogs-region": "us-west-2"}, want: options{"awslogs-region": "us-west-2"}},
		{name: "without IPv4 the task's endpoint stays", facts: goldenFacts{Region: "us-west-2", IPv6Only: true}, in: options{"awslogs-region": "us-west-2", "awslogs-endpoint": "own"},
			want: options{"awslogs-region": "us-west-2", "awslogs-endpoint": "own"}},
		{name: "without IPv4 and region there is no endpoint", facts: goldenFacts{Region: "us-west-2", IPv6Only: true}, in: options{}, want: nil},
		{name: "an endpoint that cannot be resolved is left out", facts: goldenFacts{Region: "us-west-2", IPv6Only: true}, in: options{"awslogs-region": "unknown"}, want: options{"awslogs-region": "unknown"}},
		{name: "logs that do not block get a bounded buffer", driver: "json-file", in: options{"mode": "non-blocking"}, want: options{"mode": "non-blocking", "max-buffer-size": "10m"}},
		{name: "unless the task bounds it", in: options{"mode": "non-blocking", "max-buffer-size": "1m"}, want: options{"mode": "non-blocking", "max-buffer-size": "1m"}},
		{name: "logs that block have no buffer", in: options{"mode": "blocking"}, want: options{"mode": "blocking"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.driver == "" {
				tt.driver = "awslogs"
			}
			tsk := logTask(t, tt.driver, tt.in)
			request, err := Create(tsk, tsk.Containers[0], tt.facts.facts())
			if err != nil {
				t.Fatal(err)
			}
			got := request.HostConfig.LogConfig.Config
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("log options (-want +got):\n%s", diff)
			}
		})
	}
}

func logTask(t *testing.T, driver string, options map[string]string) *task.Task {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"LogConfig": map[string]any{"Type": driver, "Config": options}})
	if err != nil {
		t.Fatal(err)
	}
	tsk := decodeTask(t, `{"Containers":[{"Name":"app"}]}`)
	text := string(raw)
	tsk.Containers[0].DockerConfig.HostConfig = &text
	return tsk
}

func TestAnUnknownServerVersionOnlyCostsTheLogsEndpoint(t *testing.T) {
	facts := goldenFacts{IPv6Only: true}.facts()
	facts.ServerAtLeast = func(major, minor, patch int) (bool, error) {
		if [3]int{major, minor, patch} != [3]int{18, 9, 0} {
			t.Errorf("asked for Docker %d.%d.%d, want 18.9.0", major, minor, patch)
		}
		return false, errors.New("no version")
	}
	tsk := logTask(t, "awslogs", map[string]string{"awslogs-region": "us-west-2"})
	request, err := Create(tsk, tsk.Containers[0], facts)
	if err != nil {
		t.Fatal(err)
	}
	if got, set := request.HostConfig.LogConfig.Config["awslogs-endpoint"]; set {
		t.Errorf("awslogs-endpoint %q, want none", got)
	}
}

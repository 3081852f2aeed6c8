package mapping

import (
	"testing"

	"github.com/docker/go-connections/nat"
	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestPortMappingsBecomePortBindings(t *testing.T) {
	to := func(ports ...string) []nat.PortBinding {
		var list []nat.PortBinding
		for _, p := range ports {
			list = append(list, nat.PortBinding{HostPort: p})
		}
		return list
	}
	tests := []struct {
		name       string
		task       string
		want       nat.PortMap
		wantSingle task.PortSet
		wantRanges map[string]string
	}{
		{name: "two host ports for one container port",
			task:       `{"Containers":[{"Name":"app","portMappings":[{"containerPort":80,"hostPort":8080},{"containerPort":80,"hostPort":8081,"protocol":"tcp"}]}]}`,
			want:       nat.PortMap{"80/tcp": to("8080", "8081")},
			wantSingle: task.PortSet{80: {}}},
		{name: "the range of an entry that has a port too is ignored, and so is an entry without either",
			task:       `{"Containers":[{"Name":"app","portMappings":[{"containerPort":80,"hostPort":80,"containerPortRange":"1-9"},{"hostPort":7}]}]}`,
			want:       nat.PortMap{"80/tcp": to("80")},
			wantSingle: task.PortSet{80: {}}},
		{name: "the same range for both protocols is kept twice",
			task:       `{"Containers":[{"Name":"app","portMappings":[{"containerPortRange":"50-51"},{"containerPortRange":"50-51","protocol":"udp"}]}]}`,
			want:       nat.PortMap{"50/tcp": to("40000"), "51/tcp": to("40001"), "50/udp": to("40002"), "51/udp": to("40003")},
			wantRanges: map[string]string{"50-51": "40000-40001", "50-51/udp": "40002-40003"}},
		{name: "fixed ports of the task are not handed out",
			task:       `{"Containers":[{"Name":"app","portMappings":[{"containerPort":1},{"containerPort":2,"hostPort":40000}]},{"Name":"side","portMappings":[{"containerPort":3,"hostPort":40001}]}]}`,
			want:       nat.PortMap{"1/tcp": to("40002"), "2/tcp": to("40000")},
			wantSingle: task.PortSet{1: {}, 2: {}}},
		{name: "a task with its own network interface publishes nothing",
			task: `{"NetworkMode":"awsvpc","Containers":[{"Name":"app","portMappings":[{"containerPort":80,"hostPort":80}]}]}`,
			want: nat.PortMap{}},
		{name: "the host network changes nothing",
			task:       `{"NetworkMode":"host","Containers":[{"Name":"app","portMappings":[{"containerPort":80}]}]}`,
			want:       nat.PortMap{"80/tcp": to("40000")},
			wantSingle: task.PortSet{80: {}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tsk := decodeTask(t, tt.task)
			request, err := Create(tsk, tsk.Containers[0], goldenFacts{}.facts())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, request.HostConfig.PortBindings); diff != "" {
				t.Errorf("PortBindings (-want +got):\n%s", diff)
			}
			if len(request.Config.ExposedPorts) != len(tt.want) {
				t.Errorf("ExposedPorts %v, want those of the bindings", request.Config.ExposedPorts)
			}
			if diff := cmp.Diff(tt.wantSingle, request.SinglePorts); diff != "" {
				t.Errorf("SinglePorts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantRanges, request.HostRanges); diff != "" || request.HasPortRange != (len(tt.wantRanges) > 0) {
				t.Errorf("HasPortRange %v, HostRanges (-want +got):\n%s", request.HasPortRange, diff)
			}
		})
	}
}

func TestCreatingAgainGivesBackTheFirstPorts(t *testing.T) {
	facts := goldenFacts{}.facts()
	facts.Ports = poolWithout(task.PortRange{First: 40000, Last: 40000})
	tsk := decodeTask(t, `{"Containers":[{"Name":"app","portMappings":[{"containerPort":80}]}]}`)
	for range 2 {
		if _, err := Create(tsk, tsk.Containers[0], facts); err != nil {
			t.Fatal(err)
		}
	}
}

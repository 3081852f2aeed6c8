package mapping

import (
	"regexp"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestContainerLimits(t *testing.T) {
	tests := []struct {
		cpu, memory           uint
		wantShares, wantBytes int64
	}{
		{0, 0, 2, 0},
		{1, 1, 2, 4194304},
		{2, 3, 2, 4194304},
		{3, 4, 3, 4194304},
		{1024, 512, 1024, 536870912},
		{364544, 2048, 262144, 2147483648},
	}
	for _, tt := range tests {
		tsk := &task.Task{ARN: testARN, Memory: 4096, Containers: []*task.Container{{Name: "app", CPU: tt.cpu, Memory: tt.memory}}}
		request, err := Create(tsk, tsk.Containers[0], goldenFacts{}.facts())
		if err != nil {
			t.Fatal(err)
		}
		if got := request.HostConfig; got.CPUShares != tt.wantShares || got.Memory != tt.wantBytes || got.CgroupParent != "" {
			t.Errorf("cpu %d memory %d: CpuShares %d Memory %d CgroupParent %q, want %d, %d and none", tt.cpu, tt.memory, got.CPUShares, got.Memory, got.CgroupParent, tt.wantShares, tt.wantBytes)
		}
	}
}

func TestNamesInDocker(t *testing.T) {
	tsk := &task.Task{Family: "web", Revision: "3"}
	tests := []struct{ got, want string }{
		{ContainerName(tsk, &task.Container{Name: "my_app.1"}), `^ecs-web-3-myapp1-[0-9a-f]{20}$`},
		{ContainerName(tsk, &task.Container{Name: "~internal~ecs~pause"}), `^ecs-web-3-internalecspause-[0-9a-f]{20}$`},
		{ContainerName(&task.Task{}, &task.Container{Name: "daemon"}), `^ecs---daemon-[0-9a-f]{20}$`},
		{VolumeName(tsk, &task.Volume{Name: "my_vol.1", Docker: &task.DockerVolume{Scope: "task"}}), `^ecs-web-3-my_vol\.1-[0-9a-f]{20}$`},
		{VolumeName(tsk, &task.Volume{Name: "data", Docker: &task.DockerVolume{Scope: "shared"}}), `^data$`},
		{VolumeName(tsk, &task.Volume{Name: "data", HostPath: "/data"}), `^$`},
	}
	for _, tt := range tests {
		if !regexp.MustCompile(tt.want).MatchString(tt.got) {
			t.Errorf("name %q, want %s", tt.got, tt.want)
		}
	}
	c := &task.Container{Name: "app"}
	first, second := ContainerName(tsk, c), ContainerName(tsk, c)
	if first == second {
		t.Errorf("two names are equal: %s", first)
	}
}

// The raw JSON of the service can do anything to the request but to hide the container from the agent.
func FuzzRawConfig(f *testing.F) {
	f.Add(`{}`, `{}`)
	f.Add(`{"Env":null,"Labels":null,"Cmd":"x","Entrypoint":["a"]}`, `{"CapAdd":"ALL","Binds":null,"LogConfig":{"Type":"awslogs","Config":null}}`)
	f.Add(`{"labels":{"com.amazonaws.ecs.task-arn":"x"}}`, `{"PortBindings":{"80/tcp":null},"Memory":null}`)
	f.Add(`null`, `[]`)
	f.Fuzz(func(t *testing.T, config, hostConfig string) {
		tsk := &task.Task{ARN: testARN, Family: "web", Revision: "3", LimitsEnabled: true, Containers: []*task.Container{{
			Name: "app", RuntimeName: "docker-app", DockerConfig: task.DockerConfig{Config: &config, HostConfig: &hostConfig},
			Ports: []task.PortMapping{{ContainerPort: 80}},
		}}}
		request, err := Create(tsk, tsk.Containers[0], goldenFacts{Region: "us-iso-east-1"}.facts())
		if err != nil {
			return
		}
		if got := request.Config.Labels[task.LabelTaskARN]; got != testARN {
			t.Errorf("task ARN label %q", got)
		}
		if got := request.HostConfig.CgroupParent; got != "/ecs/0123456789abcdef0123456789abcdef" {
			t.Errorf("cgroup parent %q", got)
		}
	})
}

func TestNullInRawJSONClearsWhatCanBeEmpty(t *testing.T) {
	tsk := decodeTask(t, `{"volumes":[{"name":"v","host":{"sourcePath":"/s"}}],"Containers":[{"Name":"app","Image":"busybox","Cpu":7,
		"Command":["a"],"EntryPoint":["b"],"mountPoints":[{"sourceVolume":"v","containerPath":"/c"}],"portMappings":[{"containerPort":80,"hostPort":80}],
		"dockerConfig":{"config":"{\"Image\":null,\"Cmd\":null,\"Entrypoint\":null,\"Env\":null,\"ExposedPorts\":null,\"Healthcheck\":null}",
		"hostConfig":"{\"CpuShares\":null,\"Binds\":null,\"PortBindings\":null,\"Init\":null}"}}]}`)
	request, err := Create(tsk, tsk.Containers[0], goldenFacts{}.facts())
	if err != nil {
		t.Fatal(err)
	}
	got, host := request.Config, request.HostConfig
	if got.Cmd != nil || got.Entrypoint != nil || got.Env != nil || got.ExposedPorts != nil || host.Binds != nil || host.PortBindings != nil {
		t.Errorf("lists and maps are not cleared: %+v %+v", got, host)
	}
	if got.Image != "busybox" || host.CPUShares != 7 {
		t.Errorf("null changed scalars: image %q, CPU shares %d", got.Image, host.CPUShares)
	}
}

func TestNestedObjectsInRawJSONMergeMemberByMember(t *testing.T) {
	tsk := decodeTask(t, `{"Containers":[{"Name":"app","dockerConfig":{"hostConfig":"{\"LogConfig\":{\"Type\":\"syslog\"},\"capadd\":\"NET_ADMIN\",\"CapDrop\":[\"A\",\"B\"]}"}}]}`)
	request, err := Create(tsk, tsk.Containers[0], goldenFacts{}.facts())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(container.LogConfig{Type: "syslog"}, request.HostConfig.LogConfig); diff != "" {
		t.Errorf("LogConfig (-want +got):\n%s", diff)
	}
	if got := request.HostConfig; len(got.CapAdd) != 1 || got.CapAdd[0] != "NET_ADMIN" || len(got.CapDrop) != 2 {
		t.Errorf("CapAdd %v CapDrop %v", got.CapAdd, got.CapDrop)
	}
}

package mapping

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const testARN = "arn:aws:ecs:us-west-2:123456789012:task/default/0123456789abcdef0123456789abcdef"

// decodeTask reads a task in the form of agent.db and names its containers.
func decodeTask(t *testing.T, text string) *task.Task {
	t.Helper()
	tsk := &task.Task{ARN: testARN, Family: "web", Revision: "3"}
	if err := json.Unmarshal([]byte(text), tsk); err != nil {
		t.Fatal(err)
	}
	for _, c := range tsk.Containers {
		c.RuntimeName = "docker-" + c.Name
	}
	return tsk
}

func TestWhatCannotBeCreatedSaysWhyToUsers(t *testing.T) {
	tests := []struct {
		name  string
		task  string
		ports task.PortRange
		busy  []uint16
		want  string
	}{
		{name: "mount point of a volume that the task does not have",
			task: `{"Containers":[{"Name":"app","mountPoints":[{"sourceVolume":"nope","containerPath":"/x"}]}]}`,
			want: "HostConfigError: Invalid volume referenced: nope"},
		{name: "mount point without a path in the container",
			task: `{"volumes":[{"name":"v","host":{"sourcePath":"/s"}}],"Containers":[{"Name":"app","mountPoints":[{"sourceVolume":"v","containerPath":""}]}]}`,
			want: "HostConfigError: Unable to resolve volume mounts; invalid path: app v; /s -> "},
		{name: "volume of a kind that has no source on Linux",
			task: `{"volumes":[{"name":"v","type":"fsxWindowsFileServer","fsxWindowsFileServerVolumeConfiguration":{}}],"Containers":[{"Name":"app","mountPoints":[{"sourceVolume":"v","containerPath":"/x"}]}]}`,
			want: "HostConfigError: Unable to resolve volume mounts; invalid path: app v;  -> /x"},
		{name: "raw host config that is not JSON",
			task: `{"Containers":[{"Name":"app","dockerConfig":{"hostConfig":"malformed"}}]}`,
			want: "HostConfigError: Unable to decode given host config: invalid character 'm' looking for beginning of value"},
		{name: "raw config that is not JSON",
			task: `{"Containers":[{"Name":"app","dockerConfig":{"config":"malformed"}}]}`,
			want: "DockerClientConfigError: Unable decode given docker config: invalid character 'm' looking for beginning of value"},
		{name: "raw config that is empty",
			task: `{"Containers":[{"Name":"app","dockerConfig":{"config":""}}]}`,
			want: "DockerClientConfigError: Unable decode given docker config: unexpected end of JSON input"},
		{name: "raw host config with a member of the wrong type",
			task: `{"Containers":[{"Name":"app","dockerConfig":{"hostConfig":"{\"Binds\":\"/a:/b\"}"}}]}`,
			want: "HostConfigError: Unable to decode given host config: json: cannot unmarshal string into Go struct field HostConfig.Binds of type []string"},
		{name: "health from Docker without a health check",
			task: `{"Containers":[{"Name":"app","healthCheckType":"docker"}]}`,
			want: "DockerClientConfigError: docker health check is nil while container health check type is DOCKER"},
		{name: "logs with an execution role that the task does not have",
			task: `{"Containers":[{"Name":"app","logsAuthStrategy":"ExecutionRole"}]}`,
			want: "HostConfigError: No execution credentials set for the task"},
		{name: "logs with an execution role without credentials",
			task: `{"executionCredentialsID":"id","Containers":[{"Name":"app","logsAuthStrategy":"ExecutionRole"}]}`,
			want: "HostConfigError: Unable to get execution role credentials for task"},
		{name: "secret that was not fetched",
			task: `{"Containers":[{"Name":"app","secrets":[{"name":"S","valueFrom":"/s","type":"ENVIRONMENT_VARIABLE"}]}]}`,
			want: "DockerClientConfigError: no value was fetched for secret S"},
		{name: "log router of a kind that does not exist",
			task: `{"Containers":[{"Name":"router","firelensConfiguration":{"type":"logstash"}}]}`,
			want: "HostConfigError: encounter invalid firelens configuration type logstash"},
		{name: "secret for the log router that was not fetched",
			task: `{"Containers":[{"Name":"router","firelensConfiguration":{"type":"fluentd"}},{"Name":"app","secrets":[{"name":"key","valueFrom":"/s","target":"LOG_DRIVER"}],"dockerConfig":{"hostConfig":"{\"LogConfig\":{\"Type\":\"awsfirelens\"}}"}}]}`,
			want: "DockerClientConfigError: unable to generate config to create firelens container: missing secret value for secret key"},
		{name: "logs for a log router that the task does not have",
			task: `{"Containers":[{"Name":"app","dockerConfig":{"hostConfig":"{\"LogConfig\":{\"Type\":\"awsfirelens\"}}"}}]}`,
			want: "CannotCreateContainerError: failed to create container - container uses awsfirelens log driver, but the task has no container with a firelensConfiguration"},
		{name: "logs for a log router without an address",
			task: `{"Containers":[{"Name":"app","dockerConfig":{"hostConfig":"{\"LogConfig\":{\"Type\":\"awsfirelens\"}}"}},{"Name":"router","firelensConfiguration":{"type":"fluentd"}}]}`,
			want: "DockerClientConfigError: unable to get BridgeIP for task in bridge mode"},
		{name: "environment file that cannot be read",
			task: `{"Containers":[{"Name":"app","environmentFiles":[{"value":"arn:aws:s3:::b/a.env","type":"s3"}]}]}`,
			want: "ResourceInitializationError: resource cannot be initialized for task " + testARN + ": the files are gone"},
		{name: "port range wider than the host's",
			task:  `{"Containers":[{"Name":"app","portMappings":[{"containerPortRange":"55-57","protocol":"udp"}]}]}`,
			ports: task.PortRange{First: 40000, Last: 40001},
			want:  "HostConfigError: error retrieving docker port map: 3 contiguous host ports are unavailable"},
		{name: "no free host port",
			task:  `{"Containers":[{"Name":"app","portMappings":[{"containerPort":80}]}]}`,
			ports: task.PortRange{First: 40000, Last: 40000}, busy: []uint16{40000},
			want: "HostConfigError: error retrieving docker port map: a host port is unavailable"},
		{name: "port range that is none",
			task: `{"Containers":[{"Name":"app","portMappings":[{"containerPortRange":"57-55"}]}]}`,
			want: "HostConfigError: error retrieving docker port map: invalid port range \"57-55\": want two ports from 0 to 65535, the lower one first"},
		{name: "link with two aliases",
			task: `{"Containers":[{"Name":"app","Links":["a:b:c"]}]}`,
			want: "HostConfigError: Invalid link format"},
		{name: "link to a container that the task does not have",
			task: `{"Containers":[{"Name":"app","Links":["db:database"]}]}`,
			want: "HostConfigError: Link target not available: db"},
		{name: "volumes from a container that the task does not have",
			task: `{"Containers":[{"Name":"app","volumesFrom":[{"sourceContainer":"x"}]}]}`,
			want: "HostConfigError: Volume target not available: x"},
		{name: "task limits with an ARN that has no task id",
			task: `{"Arn":"nonsense","MemoryCPULimitsEnabled":true,"Containers":[{"Name":"app"}]}`,
			want: "HostConfigError: task cgroup override: unable to obtain cgroup root for task: nonsense: task arn format invalid: nonsense"},
		{name: "GPUs without a runtime for them",
			task: `{"associations":[{"type":"gpu","name":"1","containers":["app"]}],"Containers":[{"Name":"app","GPUIDs":["1"]}]}`,
			want: "HostConfigError: Runtime is not set for GPU containers"},
		{name: "GPUs asked for by variable without a runtime for them",
			task: `{"associations":[{"type":"gpu","name":"1","containers":["other"]}],"Containers":[{"Name":"app","environment":{"NVIDIA_VISIBLE_DEVICES":"all"}}]}`,
			want: "HostConfigError: Runtime is not set for GPU containers"},
		{name: "shared PID namespace without its pause container",
			task: `{"PidMode":"task","Containers":[{"Name":"app"}]}`,
			want: "HostConfigError: namespace pause container not available"},
		{name: "shared IPC namespace whose pause container was not created",
			task: `{"IpcMode":"task","Containers":[{"Name":"app"},{"Name":"pause","IsInternal":"NAMESPACE_PAUSE"}]}`,
			want: "HostConfigError: namespace pause container not available"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.ports == (task.PortRange{}) {
				tt.ports = task.PortRange{First: 40000, Last: 40100}
			}
			facts := goldenFacts{}.facts()
			facts.Ports = poolWithout(tt.ports, tt.busy...)
			tsk := decodeTask(t, tt.task)
			request, err := Create(tsk, tsk.Containers[0], facts)
			if request != nil || err == nil || err.Error() != tt.want {
				t.Errorf("Create: %v\nwant error %q", err, tt.want)
			}
			var named *task.Error
			if !errors.As(err, &named) {
				t.Errorf("error is a %T, want *task.Error", err)
			}
		})
	}
}

func TestAFailedMappingHoldsNoPorts(t *testing.T) {
	facts := goldenFacts{}.facts()
	facts.Ports = poolWithout(task.PortRange{First: 40000, Last: 40000})
	broken := decodeTask(t, `{"Containers":[{"Name":"app","portMappings":[{"containerPort":80}],"dockerConfig":{"hostConfig":"{"}}]}`)
	if _, err := Create(broken, broken.Containers[0], facts); err == nil {
		t.Fatal("the broken task was mapped")
	}
	if _, err := facts.Ports.Reserve("other", 1, task.TCP); err != nil {
		t.Errorf("the only port is still held: %v", err)
	}
}

func TestCredentialsThatAreExpectedAfterARestartAreEnoughForTheTaskRole(t *testing.T) {
	facts := goldenFacts{}.facts()
	facts.Credentials = &credentials.Store{}
	facts.Credentials.Expect("id")
	tsk := decodeTask(t, `{"credentialsID":"id","Containers":[{"Name":"app"}]}`)
	request, err := Create(tsk, tsk.Containers[0], facts)
	if err != nil {
		t.Fatal(err)
	}
	if got := variable(request, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); got != "/v2/credentials/id" {
		t.Errorf("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=%q", got)
	}
}

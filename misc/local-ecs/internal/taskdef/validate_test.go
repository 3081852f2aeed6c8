package taskdef

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

func parse(t *testing.T, text string) *ecs.TaskDefinition {
	t.Helper()
	d := new(ecs.TaskDefinition)
	if err := json.Unmarshal([]byte(text), d); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

// one makes a definition with one container: name c, image i, memory 64, and more members.
func one(container, more string) string {
	if container != "" {
		container = "," + container
	}
	if more != "" {
		more = "," + more
	}
	return `{"family":"f","containerDefinitions":[{"name":"c","image":"i","memory":64` + container + `}]` + more + `}`
}

// two makes a definition with containers a and b.
func two(a, b, more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"family":"f","containerDefinitions":[{"name":"a","image":"i","memory":64` + a + `},{"name":"b","image":"i","memory":64` + b + `}]` + more + `}`
}

func TestValid(t *testing.T) {
	for _, text := range []string{
		one("", ""),
		one(`"cpu":0,"portMappings":[{"containerPort":80},{"containerPort":53,"hostPort":53,"protocol":"udp"},{"containerPort":53,"hostPort":53}]`, ""),
		one(`"portMappings":[{"containerPort":80,"hostPort":80}]`, `"networkMode":"host"`),
		one(`"portMappings":[{"containerPortRange":"8000-8099"}]`, ""),
		one(`"memoryReservation":32`, `"cpu":"1 vCPU","memory":"0.5 GB"`),
		one(`"healthCheck":{"command":["CMD-SHELL","true"],"interval":5,"timeout":2,"retries":1,"startPeriod":0}`, ""),
		one(`"healthCheck":{"command":["NONE"]}`, ""),
		one(`"mountPoints":[{"sourceVolume":"v","containerPath":"/v"}]`, `"volumes":[{"name":"v","host":{}},{"name":"w","dockerVolumeConfiguration":{"scope":"shared","autoprovision":true}}]`),
		one(`"restartPolicy":{"enabled":true,"ignoredExitCodes":[0],"restartAttemptPeriod":60}`, ""),
		one(`"secrets":[{"name":"n","valueFrom":"v"}]`, `"executionRoleArn":"arn:aws:iam::1:role/x"`),
		one(`"linuxParameters":{"maxSwap":10,"swappiness":50,"tmpfs":[{"containerPath":"/t","size":1}],"devices":[{"hostPath":"/dev/null","permissions":["read","mknod"]}]}`, ""),
		two(`,"essential":false`, `,"dependsOn":[{"containerName":"a","condition":"SUCCESS"}],"links":["a:alias"]`, ""),
		two(`,"firelensConfiguration":{"type":"fluentbit"}`, `,"logConfiguration":{"logDriver":"awsfirelens"}`, ""),
	} {
		if err := Validate(parse(t, text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Every text names the field and, where there is one, the container.
func TestInvalid(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"containerDefinitions":[{"name":"c"}]}`, "family should not be null"},
		{`{"family":"a b","containerDefinitions":[{"name":"c"}]}`, "Family contains invalid characters"},
		{`{"family":"f"}`, "'containerDefinitions' needs at least one"},
		{`{"family":"f","containerDefinitions":[` + strings.Repeat(`{"name":"c"},`, 10) + `{"name":"c"}]}`, "'containerDefinitions' has 11"},
		{`{"family":"f","containerDefinitions":[{"image":"i"}]}`, "Container.name should not be null"},
		{`{"family":"f","containerDefinitions":[{"name":"a b","image":"i"}]}`, "Container.name contains invalid characters: 'a b'"},
		{`{"family":"f","containerDefinitions":[{"name":"c"}]}`, "Container.image should not be null or empty: container 'c'"},
		{`{"family":"f","containerDefinitions":[{"name":"c","image":"i i","memory":64}]}`, "Container.image contains invalid characters"},
		{`{"family":"f","containerDefinitions":[{"name":"c","image":"i"}]}`, "Invalid setting for container 'c'. At least one of 'memory' or 'memoryReservation' must be specified."},
		{two("", `,"name":"a"`, ""), "Container.name must be unique: 'a'"},
		{one(`"essential":false`, ""), "at least one essential container"},
		{one("", `"networkMode":"bus"`), "Invalid 'networkMode' setting: 'bus'"},
		{one("", `"pidMode":"x"`), "'pidMode'"},
		{one("", `"ipcMode":"x"`), "'ipcMode'"},
		{one("", `"cpu":"lots"`), "Invalid 'cpu' setting for task: 'lots'"},
		{one("", `"cpu":"1"`), "Invalid 'cpu' setting for task: 1 units"},
		{one("", `"memory":"big"`), "Invalid 'memory' setting for task: 'big'"},
		{one("", `"memory":"5"`), "Invalid 'memory' setting for task"},
		{one("", `"memory":"63"`), "'memory' setting for container 'c'"},
		{two("", "", `"memory":"100"`), "total of container memory (128 MiB)"},
		{one("", `"requiresCompatibilities":["LAMBDA"]`), "'requiresCompatibilities'"},
		{one("", `"requiresCompatibilities":["FARGATE"]`), "networkMode"},
		{one("", `"requiresCompatibilities":["FARGATE"],"networkMode":"awsvpc"`), "'cpu' and 'memory'"},
		{one("", `"placementConstraints":[{"type":"distinctInstance"}]`), "'placementConstraints' type 'distinctInstance'"},
		{one("", `"placementConstraints":[{"type":"memberOf","expression":"x"}]`), "Invalid expression in 'placementConstraints': 'x'"},
		{one("", `"placementConstraints":[{"type":"memberOf"}]`), "Invalid expression in 'placementConstraints'"},
		{one("", `"proxyConfiguration":{"containerName":"envoy"}`), "'proxyConfiguration.containerName'"},
		{one(`"cpu":-1`, ""), "Invalid 'cpu' setting for container 'c'"},
		{one(`"memory":5`, ""), "Invalid 'memory' setting for container 'c'. 5 MiB"},
		{one(`"memoryReservation":5`, ""), "Invalid 'memoryReservation' setting for container 'c'"},
		{one(`"memoryReservation":65`, ""), "'memory' (64) must be greater than 'memoryReservation' (65)"},
		{one(`"startTimeout":-1`, ""), "'startTimeout'"},
		{one(`"stopTimeout":-1`, ""), "'stopTimeout'"},
		{one(`"portMappings":[{"containerPort":80,"hostPort":70000}]`, ""), "Invalid 'hostPort' setting for container 'c'. 70000"},
		{one(`"portMappings":[{"containerPort":80,"hostPort":-1}]`, ""), "'hostPort'"},
		{one(`"portMappings":[{"containerPort":70000}]`, ""), "Invalid 'containerPort' setting for container 'c'. 70000"},
		{one(`"portMappings":[{"containerPort":0}]`, ""), "'containerPort'"},
		{one(`"portMappings":[{"hostPort":80}]`, ""), "'containerPort' should not be null"},
		{one(`"portMappings":[{"containerPort":80,"protocol":"sctp"}]`, ""), "'portMappings.protocol'"},
		{one(`"portMappings":[{"containerPort":80,"hostPort":81}]`, `"networkMode":"host"`), "When networkMode=host, the host ports and container ports in port mappings must match."},
		{one(`"portMappings":[{"containerPort":80}]`, `"networkMode":"none"`), "not supported when networkMode=none"},
		{one(`"portMappings":[{"containerPort":80,"hostPort":80},{"containerPort":81,"hostPort":80}]`, ""), "Host port 80/tcp is used more than once"},
		{one(`"portMappings":[{"containerPortRange":"9-8"}]`, ""), "'containerPortRange'"},
		{one(`"portMappings":[{"containerPortRange":"8000-8100"}]`, ""), "more than 100 ports"},
		{one(`"portMappings":[{"containerPortRange":"8000-8001","containerPort":1}]`, ""), "'containerPortRange' must not be given together"},
		{one(`"mountPoints":[{"sourceVolume":"v","containerPath":"/v"}]`, ""), "Unknown volume 'v'"},
		{one(`"mountPoints":[{"sourceVolume":"v"}]`, `"volumes":[{"name":"v"}]`), "'containerPath'"},
		{one("", `"volumes":[{}]`), "Volume.name"},
		{one("", `"volumes":[{"name":"a/b"}]`), "Volume.name contains invalid characters"},
		{one("", `"volumes":[{"name":"v"},{"name":"v"}]`), "Duplicate volume name 'v'"},
		{one("", `"volumes":[{"name":"v","host":{},"efsVolumeConfiguration":{"fileSystemId":"fs"}}]`), "Volume 'v' has more than one configuration"},
		{one("", `"volumes":[{"name":"v","dockerVolumeConfiguration":{"scope":"all"}}]`), "'dockerVolumeConfiguration.scope'"},
		{one("", `"volumes":[{"name":"v","dockerVolumeConfiguration":{"autoprovision":true}}]`), "'autoprovision'"},
		{one("", `"volumes":[{"name":"v","efsVolumeConfiguration":{}}]`), "'efsVolumeConfiguration.fileSystemId'"},
		{one("", `"volumes":[{"name":"v","efsVolumeConfiguration":{"fileSystemId":"fs","authorizationConfig":{"iam":"ENABLED"}}}]`), "'transitEncryption' must be ENABLED"},
		{one(`"volumesFrom":[{"sourceContainer":"x"}]`, ""), "'volumesFrom' setting for container 'c'"},
		{one(`"links":["x"]`, ""), "'links' setting for container 'c'"},
		{two("", `,"links":["a"]`, `"networkMode":"host"`), "Links are not supported when networkMode=host"},
		{one(`"healthCheck":{"command":[]}`, ""), "'healthCheck' setting for container 'c'"},
		{one(`"healthCheck":{"command":["true"]}`, ""), "must start with CMD or CMD-SHELL"},
		{one(`"healthCheck":{"command":["CMD"]}`, ""), "nothing after CMD"},
		{one(`"healthCheck":{"command":["CMD","x"],"interval":4}`, ""), "'healthCheck.interval'"},
		{one(`"healthCheck":{"command":["CMD","x"],"retries":11}`, ""), "'healthCheck.retries'"},
		{one(`"restartPolicy":{}`, ""), "'restartPolicy'"},
		{one(`"restartPolicy":{"enabled":true,"restartAttemptPeriod":59}`, ""), "'restartPolicy.restartAttemptPeriod'"},
		{one(`"logConfiguration":{}`, ""), "'logDriver'"},
		{one(`"logConfiguration":{"logDriver":"paper"}`, ""), "'logConfiguration.logDriver' setting for container 'c'. 'paper'"},
		{one(`"logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"g"}}`, ""), "awslogs requires options: awslogs-region"},
		{one(`"logConfiguration":{"logDriver":"awsfirelens"}`, ""), "firelensConfiguration"},
		{one(`"firelensConfiguration":{"type":"x"}`, ""), "'firelensConfiguration.type'"},
		{one(`"secrets":[{"name":"n","valueFrom":"v"}]`, ""), "you must also specify a value for 'executionRoleArn'"},
		{one(`"secrets":[{"name":"n"}]`, ""), "'secrets'"},
		{one(`"linuxParameters":{"devices":[{}]}`, ""), "'linuxParameters.devices'"},
		{one(`"linuxParameters":{"devices":[{"hostPath":"/d","permissions":["x"]}]}`, ""), "'linuxParameters.devices.permissions'"},
		{one(`"linuxParameters":{"tmpfs":[{"containerPath":"/t"}]}`, ""), "'linuxParameters.tmpfs'"},
		{one(`"linuxParameters":{"swappiness":101}`, ""), "'linuxParameters.swappiness'"},
		{one(`"linuxParameters":{"maxSwap":-1}`, ""), "'linuxParameters.maxSwap'"},
		{one(`"linuxParameters":{"sharedMemorySize":0}`, ""), "'linuxParameters.sharedMemorySize'"},
		{one(`"ulimits":[{"name":"x","softLimit":1,"hardLimit":1}]`, ""), "'ulimits'"},
		{one(`"ulimits":[{"name":"core","softLimit":2,"hardLimit":1}]`, ""), "soft limit of 'core'"},
		{one(`"environment":[{"value":"v"}]`, ""), "'environment'"},
		{one(`"environmentFiles":[{"value":"v","type":"http"}]`, `"executionRoleArn":"arn:aws:iam::1:role/x"`), "'environmentFiles'"},
		{one(`"environmentFiles":[{"value":"v","type":"s3"}]`, ""), "you must also specify a value for 'executionRoleArn'"},
		{one(`"repositoryCredentials":{"credentialsParameter":"v"}`, ""), "you must also specify a value for 'executionRoleArn'"},
		{one(`"extraHosts":[{"hostname":"h"}]`, ""), "'extraHosts'"},
		{one(`"hostname":"h"`, `"networkMode":"awsvpc"`), "networkMode=awsvpc"},
		{one(`"resourceRequirements":[{"type":"GPU","value":"0"}]`, ""), "'resourceRequirements'"},
		{one(`"resourceRequirements":[{"type":"TPU","value":"1"}]`, ""), "Type 'TPU'"},
		{one(`"dependsOn":[{"containerName":"x","condition":"START"}]`, ""), "'dependsOn' setting for container 'c'. There is no container 'x'"},
		{one(`"dependsOn":[{"containerName":"c","condition":"START"}]`, ""), "cannot depend on itself"},
		{two("", `,"dependsOn":[{"containerName":"a","condition":"RUNNING"}]`, ""), "Condition 'RUNNING'"},
		{two("", `,"dependsOn":[{"containerName":"a","condition":"HEALTHY"}]`, ""), "needs a 'healthCheck' in container 'a'"},
		{two("", `,"dependsOn":[{"containerName":"a","condition":"COMPLETE"}]`, ""), "COMPLETE cannot be set on the essential container 'a'"},
		{two(`,"dependsOn":[{"containerName":"b","condition":"START"}]`, `,"dependsOn":[{"containerName":"a","condition":"START"}]`, ""), "Circular dependency in 'dependsOn'"},
		{two(`,"links":["b"]`, `,"volumesFrom":[{"sourceContainer":"a"}]`, ""), "Circular dependency"},
	} {
		err := Validate(parse(t, c.text))
		if e, ok := err.(*ecs.Error); !ok || e.Type != "ClientException" || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s:\n got %v\nwant ClientException with %q", c.text, err, c.want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int{"": 0, "256": 256, "1 vCPU": 1024, ".5 vcpu": 512, "0.25vCPU": 256} {
		if got, err := ParseCPU(text); got != want || err != nil {
			t.Errorf("cpu %q: %d, %v", text, got, err)
		}
	}
	for text, want := range map[string]int{"": 0, "512": 512, "1GB": 1024, "0.5 GB": 512} {
		if got, err := ParseMemory(text); got != want || err != nil {
			t.Errorf("memory %q: %d, %v", text, got, err)
		}
	}
}

func TestRequiredAttributes(t *testing.T) {
	const classic, modern = "com.amazonaws.ecs.capability.", "ecs.capability."
	exec := `"executionRoleArn":"arn:aws:iam::1:role/x"`
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"plain", one("", ""), []string{classic + "docker-remote-api.1.17"}},
		{"network mode", one("", `"networkMode":"bridge"`), []string{classic + "docker-remote-api.1.18"}},
		{"role on the host network", one("", `"networkMode":"host","taskRoleArn":"r"`), []string{classic + "task-iam-role", classic + "task-iam-role-network-host"}},
		{"task size", one("", `"cpu":"256"`), []string{modern + "task-cpu-mem-limit"}},
		{"log driver", one(`"logConfiguration":{"logDriver":"syslog"}`, ""), []string{classic + "docker-remote-api.1.19", classic + "logging-driver.syslog"}},
		{"awslogs with execution role", one(`"logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"g","awslogs-region":"r"}}`, exec), []string{modern + "execution-role-awslogs"}},
		{"health check", one(`"healthCheck":{"command":["CMD","x"]}`, ""), []string{classic + "docker-remote-api.1.24", modern + "container-health-check"}},
		{"order", one(`"stopTimeout":1`, ""), []string{modern + "container-ordering"}},
		{"private", one(`"privileged":true`, ""), []string{classic + "privileged-container"}},
		{"namespaces", one("", `"pidMode":"task"`), []string{modern + "pid-ipc-namespace-sharing"}},
		{"docker volume", one("", `"volumes":[{"name":"v","dockerVolumeConfiguration":{"driver":"rexray/ebs:0.11"}}]`), []string{modern + "docker-plugin.rexray/ebs.0.11"}},
		{"efs", one("", `"volumes":[{"name":"v","efsVolumeConfiguration":{"fileSystemId":"fs","transitEncryption":"ENABLED"}}]`), []string{modern + "efs", modern + "efsAuth"}},
		{"secrets", one(`"secrets":[{"name":"a","valueFrom":"arn:aws:secretsmanager:r:1:secret:x"},{"name":"b","valueFrom":"/p"}]`, exec), []string{modern + "secrets.asm.environment-variables", modern + "secrets.ssm.environment-variables"}},
		{"restart", one(`"restartPolicy":{"enabled":true}`, ""), []string{modern + "container-restart-policy"}},
		{"port range", one(`"portMappings":[{"containerPortRange":"1-2"}]`, ""), []string{modern + "network.container-port-range"}},
		{"ECR image", strings.Replace(one("", exec), `"image":"i"`, `"image":"123456789012.dkr.ecr.us-west-2.amazonaws.com/x:1"`, 1), []string{classic + "ecr-auth", modern + "execution-role-ecr-pull"}},
		{"init", one(`"linuxParameters":{"initProcessEnabled":true}`, ""), []string{classic + "docker-remote-api.1.25"}},
	} {
		have := map[string]bool{}
		for _, a := range Attributes(parse(t, c.text)) {
			have[a.Name] = true
		}
		for _, w := range c.want {
			if !have[w] {
				t.Errorf("%s: no %s in %v", c.name, w, have)
			}
		}
	}
}

func TestDefaultsAndDemand(t *testing.T) {
	d := parse(t, one(`"cpu":10,"memoryReservation":32,"portMappings":[{"containerPort":80,"hostPort":8080},{"containerPort":53,"hostPort":53,"protocol":"udp"},{"containerPort":81}],"healthCheck":{"command":["CMD","x"]}`, ""))
	Complete(d)
	c := d.ContainerDefinitions[0]
	if !*c.Essential || c.PortMappings[0].Protocol != "tcp" || *c.PortMappings[2].HostPort != 0 || *c.HealthCheck.Interval != 30 || d.Status != ecs.Active {
		t.Errorf("%+v", c)
	}
	want := "{CPU:10 Memory:32 TCPPorts:[8080] UDPPorts:[53] GPUs:0}"
	if got := fmt.Sprintf("%+v", Demand(d)); got != want {
		t.Errorf("demand %s, want %s", got, want)
	}
	e := Effective(d, &ecs.TaskOverride{CPU: "512", Memory: "1 GB", TaskRoleArn: "r", ContainerOverrides: []ecs.ContainerOverride{
		{Name: "c", CPU: new(20), Environment: []ecs.KeyValue{{Name: "A", Value: "1"}}}}})
	if got := Demand(e); got.CPU != 512 || got.Memory != 1024 || e.TaskRoleArn != "r" || e.ContainerDefinitions[0].CPU != 20 || len(e.ContainerDefinitions[0].Environment) != 1 {
		t.Errorf("effective %+v, demand %+v", e, got)
	}
	if c := d.ContainerDefinitions[0]; c.CPU != 10 || len(c.Environment) != 0 || d.TaskRoleArn != "" {
		t.Error("the override changed the definition itself")
	}
	host := parse(t, one(`"portMappings":[{"containerPort":80}]`, `"networkMode":"host"`))
	Complete(host)
	if got := Demand(host).TCPPorts; len(got) != 1 || got[0] != 80 {
		t.Errorf("host ports %v", got)
	}
}

func FuzzValidate(f *testing.F) {
	f.Add([]byte(one(`"dependsOn":[{"containerName":"c","condition":"START"}]`, `"cpu":"1 vCPU"`)))
	f.Add([]byte(two(`,"links":["b"]`, "", "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := new(ecs.TaskDefinition)
		if json.Unmarshal(data, d) != nil || Validate(d) != nil {
			return
		}
		Complete(d)
		Demand(d)
		if err := Validate(d); err != nil {
			t.Errorf("valid, but not any more once completed: %v", err)
		}
	})
}

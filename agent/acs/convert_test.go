package acs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// wireOf is a task with some members of its own.
func wireOf(t *testing.T, members map[string]any) *wireTask {
	t.Helper()
	all := map[string]any{"arn": taskPrefix + "t1", "desiredStatus": "RUNNING"}
	for k, v := range members {
		all[k] = v
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var w wireTask
	if err := json.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	return &w
}

func TestVolumes(t *testing.T) {
	var golden struct {
		Cases []struct {
			Volume         json.RawMessage
			TaskAttachment *struct{ AttachmentType, VolumeName string }
			Kind, Source   string
			Error          string
		}
	}
	goldenfile.Read(t, "testdata/volumes.json", &golden)
	for _, c := range golden.Cases {
		t.Run(string(c.Volume), func(t *testing.T) {
			members := map[string]any{"volumes": []any{c.Volume}}
			if a := c.TaskAttachment; a != nil {
				members["attachments"] = []any{map[string]any{"attachmentType": a.AttachmentType, "attachmentProperties": []any{
					map[string]string{"name": "volumeName", "value": a.VolumeName},
					map[string]string{"name": "volumeId", "value": "vol-1"},
					map[string]string{"name": "sourceVolumeHostPath", "value": "p"},
				}}}
			}
			in, err := convert(wireOf(t, members))
			if c.Error != "" {
				if err == nil || err.Error() != c.Error {
					t.Errorf("%v, want %s", err, c.Error)
				}
				return
			}
			if err != nil || len(in.task.Volumes) != 1 {
				t.Fatal(in.task, err)
			}
			if kind := kindOf(in.task.Volumes[0]); kind != c.Kind {
				t.Errorf("%s, want %s", kind, c.Kind)
			}
			if in.task.Volumes[0].HostPath != c.Source {
				t.Errorf("source %q, want %q", in.task.Volumes[0].HostPath, c.Source)
			}
		})
	}
}

func kindOf(v task.Volume) string {
	switch {
	case v.Type == task.VolumeHost && v.HostPath != "" && v.Docker == nil:
		return "host bind"
	case v.Type == task.VolumeHost && v.HostPath == "" && v.Docker.Driver == "local" && v.Docker.Scope == "task":
		return "agent-named local docker volume"
	case v.Type == task.VolumeEBS:
		return "replaced by the EBS volume"
	}
	return v.Type
}

// Only a volume without a type is left to an attachment.
func TestTypedVolumeIsNotClaimed(t *testing.T) {
	_, err := convert(wireOf(t, map[string]any{
		"volumes":     json.RawMessage(`[{"name":"v","type":"efs"}]`),
		"attachments": json.RawMessage(`[{"attachmentType":"s3files","attachmentProperties":[{"name":"volumeName","value":"v"},{"name":"volumeId","value":"i"}]}]`),
	}))
	if err == nil || err.Error() != "invalid volume: empty volume configuration" {
		t.Error(err)
	}
}

// A volume that is only a place for an attachment's has to have one.
func TestVolumesThatAttachmentsDescribe(t *testing.T) {
	attachment := json.RawMessage(`[{"attachmentType":"s3files","attachmentProperties":[{"name":"volumeName","value":"v"},{"name":"volumeId","value":"i"}]}]`)
	for _, kind := range []string{"", `,"type":"attachment"`} {
		in, err := convert(wireOf(t, map[string]any{"volumes": json.RawMessage(`[{"name":"v"` + kind + `}]`), "attachments": attachment}))
		if err != nil || len(in.task.Volumes) != 1 || in.task.Volumes[0].Type != task.VolumeS3Files {
			t.Errorf("%q: %v", kind, err)
		}
	}
	for kind, want := range map[string]string{
		"attachment": `invalid volume: no attachment of the task describes volume "w"`,
		"s3files":    "invalid volume: empty s3files volume configuration",
	} {
		_, err := convert(wireOf(t, map[string]any{"volumes": json.RawMessage(`[{"name":"w","type":"` + kind + `"}]`), "attachments": attachment}))
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", kind, err)
		}
		var saved task.Volume
		if err := json.Unmarshal([]byte(`{"name":"w","type":"`+kind+`"}`), &saved); kind == "s3files" && (err == nil || err.Error() != want) {
			t.Errorf("%s in agent.db: %v", kind, err)
		}
	}
}

// What the payload says about a volume, and what agent.db says about it, are read alike.
func TestVolumesAreThoseOfTheModel(t *testing.T) {
	for _, text := range []string{
		`{"name":"v","host":{"sourcePath":"/p"}}`,
		`{"name":"v","host":{}}`,
		`{"name":"v","type":"docker","dockerVolumeConfiguration":{"scope":"shared","autoprovision":true,"driver":"d","driverOpts":{"o":"x"},"labels":{"a":"b"}}}`,
	} {
		var wire wireVolume
		var model task.Volume
		if err := json.Unmarshal([]byte(text), &wire); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), &model); err != nil {
			t.Fatal(err)
		}
		got, err := volume(&wire)
		if err != nil {
			t.Fatal(err)
		}
		same(t, text, got, model)
	}
}

func TestContainerOverrides(t *testing.T) {
	var golden struct {
		Cases []struct {
			Absent                  bool
			Overrides               json.RawMessage
			Command                 []string
			Error                   string // part of its text
			WholeMessageUndecodable bool
			StoredRecord            bool
		}
	}
	goldenfile.Read(t, "testdata/container_overrides.json", &golden)
	for _, c := range golden.Cases {
		t.Run(string(c.Overrides), func(t *testing.T) {
			if c.StoredRecord { // the model reads it
				var stored task.Container
				if err := json.Unmarshal([]byte(`{"overrides":`+string(c.Overrides)+`}`), &stored); err != nil {
					t.Fatal(err)
				}
				same(t, "command", *stored.Overrides.Command, c.Command)
				return
			}
			member := ""
			if !c.Absent {
				member = `,"overrides":` + string(c.Overrides)
			}
			message := `{"messageId":"m","tasks":[{"arn":"a","containers":[{"command":["x"]` + member + `}]}]}`
			r, err := decode(frame("PayloadMessage", message))
			if c.WholeMessageUndecodable {
				if err == nil {
					t.Error("was decoded")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			in, err := convert(r.body.(*payloadMessage).Tasks[0])
			if c.Error != "" {
				if err == nil || !strings.Contains(err.Error(), c.Error) {
					t.Errorf("error %v, want one with %q", err, c.Error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			same(t, "command", in.task.Containers[0].Command, c.Command)
		})
	}
}

func TestENIChecks(t *testing.T) {
	var golden struct {
		Cases []struct {
			ENI   *wireENI
			Error *string
		}
	}
	goldenfile.Read(t, "testdata/eni_validation.json", &golden)
	for i, c := range golden.Cases {
		want := ""
		if c.Error != nil {
			want = *c.Error
		}
		got := ""
		if err := c.ENI.check(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("case %d: %q, want %q", i, got, want)
		}
	}
}

func TestENIRecord(t *testing.T) {
	w := wireOf(t, map[string]any{"elasticNetworkInterfaces": json.RawMessage(`[
		{"attachmentArn":"x","ec2Id":"eni-1","macAddress":"02:22:33:44:55:66","ipv4Addresses":[{"primary":true,"privateAddress":"10.0.1.42"}],
		 "subnetGatewayIpv4Address":"10.0.1.1/24","domainNameServers":["10.0.0.2"],"domainName":["internal"],"privateDnsName":"ip.internal"},
		{"ec2Id":"eni-2","macAddress":"m","ipv6Addresses":[{"address":"2600::10"}],"subnetGatewayIpv6Address":"fe80::1/64",
		 "interfaceAssociationProtocol":"vlan","interfaceVlanProperties":{"vlanId":"12","trunkInterfaceMacAddress":"t"}}]`)})
	in, err := convert(w)
	if err != nil {
		t.Fatal(err)
	}
	record, err := json.Marshal(in.task.ENIs)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "ENI", string(record), `[{"ec2Id":"eni-1","LinkName":"","MacAddress":"02:22:33:44:55:66","IPV4Addresses":[{"Primary":true,"Address":"10.0.1.42"}],`+
		`"IPV6Addresses":null,"SubnetGatewayIPV4Address":"10.0.1.1/24","DomainNameServers":["10.0.0.2"],"DomainNameSearchList":["internal"],"PrivateDNSName":"ip.internal",`+
		`"InterfaceAssociationProtocol":"default"},{"ec2Id":"eni-2","LinkName":"","MacAddress":"m","IPV4Addresses":null,"IPV6Addresses":[{"Primary":false,"Address":"2600::10"}],`+
		`"SubnetGatewayIPV6Address":"fe80::1/64","InterfaceAssociationProtocol":"vlan","InterfaceVlanProperties":{"VlanID":"12","TrunkInterfaceMacAddress":"t"}}]`)
}

func TestProxyConfiguration(t *testing.T) {
	var golden struct {
		Cases []struct {
			ProxyConfiguration *wireProxy
			Expect             *task.AppMesh
			Error              string
		}
	}
	goldenfile.Read(t, "testdata/proxy_configuration.json", &golden)
	for _, c := range golden.Cases {
		got, err := appMesh(c.ProxyConfiguration)
		if c.Error != "" {
			if err == nil || err.Error() != c.Error {
				t.Errorf("%v, want %s", err, c.Error)
			}
			continue
		}
		same(t, "proxy", got, c.Expect)
	}
}

func TestTaskAttachments(t *testing.T) {
	var golden struct {
		Cases []struct {
			Name, NetworkMode string
			Containers        []string
			Attachment        json.RawMessage
			Volumes           []json.RawMessage
			VolumesAfter      []map[string]string
			Error             *string
		}
	}
	goldenfile.Read(t, "testdata/task_attachments.json", &golden)
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			containers := []any{}
			for _, name := range c.Containers {
				containers = append(containers, map[string]string{"name": name})
			}
			in, err := convert(wireOf(t, map[string]any{
				"networkMode": c.NetworkMode, "containers": containers, "attachments": []any{c.Attachment}, "volumes": c.Volumes,
			}))
			if c.Error != nil {
				if err == nil || err.Error() != *c.Error {
					t.Errorf("got  %v\nwant %s", err, *c.Error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if connects := strings.Contains(c.Name, "service connect"); connects != (in.task.ServiceConnect != nil) {
				t.Errorf("Service Connect: %s", in.task.ServiceConnect)
			}
			after := []map[string]string{}
			for _, v := range in.task.Volumes {
				after = append(after, volumeSummary(t, v))
			}
			if len(after) > 0 || len(c.VolumesAfter) > 0 {
				same(t, "volumes", after, c.VolumesAfter)
			}
		})
	}
}

// volumeSummary describes a volume in the words of the test data.
func volumeSummary(t *testing.T, v task.Volume) map[string]string {
	t.Helper()
	out := map[string]string{"name": v.Name}
	switch v.Type {
	case task.VolumeEBS:
		out["type"] = v.Type
		var e ebsVolume
		if err := json.Unmarshal(v.Config, &e); err != nil {
			t.Fatal(err)
		}
		out["volumeId"], out["sourceVolumeHostPath"], out["fileSystem"] = e.VolumeID, e.SourceVolumeHostPath, e.FileSystem
		out["deviceName"], out["volumeSizeGib"] = e.DeviceName, e.VolumeSizeGiB
	case task.VolumeS3Files:
		out["type"] = v.Type
		var e efsVolume
		if err := json.Unmarshal(v.Config, &e); err != nil {
			t.Fatal(err)
		}
		port, _ := json.Marshal(e.TransitEncryptionPort)
		out["volumeId"], out["rootDirectory"], out["port"], out["accessPointId"] = e.FileSystemID, e.RootDirectory, string(port), e.Authorization.AccessPointID
	default:
		out["kind"] = kindOf(v)
	}
	return out
}

func TestServiceConnectChecks(t *testing.T) {
	const collision = "service connect config validation failed: "
	cases := []struct{ name, mode, container, config, want string }{
		{"bridge with host port", "bridge", "sc", `{"ingressConfig":[{"listenerName":"l","listenerPort":1,"hostPort":8080}]}`, ""},
		{"ports left to the agent", "awsvpc", "sc", `{"ingressConfig":[{"listenerName":"l"},{"listenerName":"m"}]}`, ""},
		{"no container name", "bridge", "", `{}`, collision + "missing service connect container name"},
		{"two containers of the name", "bridge", "dup", `{}`, collision + "found 2 duplicate service connect container name=dup in the task"},
		{"egress without a name", "bridge", "sc", `{"egressConfig":{"listenerPort":1}}`, collision + "missing listener name in the egress config"},
		{"IPv4 CIDR", "bridge", "sc", `{"egressConfig":{"listenerName":"e","vip":{"ipv4Cidr":" ::1/64 "}}}`, collision + "CIDR=::1/64 is not a valid IPv4 CIDR"},
		{"IPv6 CIDR", "bridge", "sc", `{"egressConfig":{"listenerName":"e","vip":{"ipv6Cidr":"127.0.0.0/8"}}}`, collision + "CIDR=127.0.0.0/8 is not a valid IPv6 CIDR"},
		{"no host name", "bridge", "sc", `{"dnsConfig":[{"address":"a"}]}`, collision + "missing hostname in the DNS config with hostname=, and address=a"},
		{"no address", "bridge", "sc", `{"dnsConfig":[{"hostName":"h"}]}`, collision + "missing address in the DNS config with hostname=h, and address="},
		{"bad address", "bridge", "sc", `{"dnsConfig":[{"hostName":"h","address":"a"}]}`, collision + "hostname=h, address=a in the DNS config is not valid: address=a is not a valid IP address"},
		{"intercept port 0", "awsvpc", "sc", `{"ingressConfig":[{"interceptPort":0,"listenerName":"l"}]}`,
			collision + "intercept port=0 in the ingress config is not valid: port=0 is not a valid port. A valid port ranges from 1 through 65535"},
		{"intercept port without a name", "awsvpc", "sc", `{"ingressConfig":[{"interceptPort":80}]}`, collision + "missing listener name in the ingress config with intercept port=80"},
		{"listener takes an intercept port", "awsvpc", "sc", `{"ingressConfig":[{"interceptPort":80,"listenerName":"l","listenerPort":80}]}`,
			collision + "listener port collision detected in the ingress config with listener port=80, and listener name=l"},
		{"host port 0", "bridge", "sc", `{"ingressConfig":[{"hostPort":0,"listenerName":"l"}]}`,
			collision + "host port=0 in the ingress config is not valid: port=0 is not a valid port. A valid port ranges from 1 through 65535"},
		{"host port twice", "bridge", "sc", `{"ingressConfig":[{"hostPort":1,"listenerName":"l"},{"hostPort":1,"listenerName":"m"}]}`,
			collision + "host port collision detected in the ingress config with host port=1, and listener name=m"},
		{"host and listener ports are apart", "bridge", "sc", `{"ingressConfig":[{"hostPort":1,"listenerPort":1,"listenerName":"l"}]}`, ""},
		{"bad JSON", "bridge", "sc", `{`, "error parsing service connect config value from the service connect attachment: failed to unmarshal service connect attachment property value: unexpected end of JSON input"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in, err := convert(wireOf(t, map[string]any{
				"networkMode": c.mode,
				"containers":  []any{map[string]string{"name": "sc"}, map[string]string{"name": "dup"}, map[string]string{"name": "dup"}},
				"attachments": []any{map[string]any{"attachmentType": "serviceconnectdetail", "attachmentProperties": []any{
					map[string]string{"name": "ServiceConnectConfig", "value": c.config}, map[string]string{"name": "ContainerName", "value": c.container},
				}}},
			}))
			if c.want == "" && (err != nil || in.task.ServiceConnect == nil) {
				t.Error(err)
			}
			if c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// A task that nothing can be made of is invalid, whatever the member.
func TestInvalidTasks(t *testing.T) {
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	cases := []struct {
		name  string
		tasks map[string]any
		want  string
	}{
		{"no ARN", map[string]any{"arn": ""}, "task ARN is empty"},
		{"status", map[string]any{"desiredStatus": "PAUSED"}, `Unrecognized TaskStatus "PAUSED"`},
		{"cpu", map[string]any{"containers": raw(`[{"name":"c","cpu":-1}]`)}, `container "c": cpu is negative: -1`},
		{"memory", map[string]any{"containers": raw(`[{"name":"c","memory":-1}]`)}, `container "c": memory is negative: -1`},
		{"stop timeout", map[string]any{"containers": raw(`[{"name":"c","stopTimeout":-1}]`)}, `container "c": stopTimeout is negative: -1`},
		{"container port", map[string]any{"containers": raw(`[{"name":"c","portMappings":[{"containerPort":65536}]}]`)}, `container "c": port 65536 is not in the range 0 to 65535`},
		{"host port", map[string]any{"containers": raw(`[{"name":"c","portMappings":[{"hostPort":-1}]}]`)}, `container "c": port -1 is not in the range 0 to 65535`},
		{"protocol", map[string]any{"containers": raw(`[{"portMappings":[{"protocol":"sctp"}]}]`)}, `TransportProtocol must be "tcp" or "udp"; Got "sctp"`},
		{"null container", map[string]any{"containers": raw(`[null]`)}, "entry 0 of the container list is null"},
		{"null volume", map[string]any{"volumes": raw(`[null]`)}, "invalid Volume; must include a name"},
		{"null ENI", map[string]any{"elasticNetworkInterfaces": raw(`[null]`)}, "eni message validation: empty eni in the message"},
		{"null attachment", map[string]any{"attachments": raw(`[null]`)}, "a task attachment has no attachmentType"},
		{"attachment type", map[string]any{"attachments": raw(`[{"attachmentProperties":[]}]`)}, "a task attachment has no attachmentType"},
		{"null property", map[string]any{"attachments": raw(`[{"attachmentType":"s3files","attachmentProperties":[null]}]`)},
			"unable to parse and validate S3 Files volume: failed to parse s3files attachment, encountered nil property"},
		{"S3 Files port", map[string]any{"attachments": raw(`[{"attachmentType":"s3files","attachmentProperties":[{"name":"volumeId","value":"i"},{"name":"volumeName","value":"n"},{"name":"s3FilesTransitEncryptionPort","value":"x"}]}]`)},
			`unable to parse and validate S3 Files volume: s3FilesTransitEncryptionPort "x" is not a number`},
		{"role", map[string]any{"roleCredentials": raw(`{"accessKeyId":"x"}`)}, "CredentialsId is empty"},
		{"execution role", map[string]any{"executionRoleCredentials": raw(`{}`)}, "CredentialsId is empty"},
		{"proxy", map[string]any{"proxyConfiguration": raw(`{}`)}, "agent does not support proxy type other than app mesh"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := convert(wireOf(t, c.tasks)); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestDesiredStatusWords(t *testing.T) {
	for word, want := range map[string]task.Status{
		"": task.None, "NONE": task.None, "UNKNOWN": task.None, "MANIFEST_PULLED": task.ManifestPulled, "CREATED": task.Created,
		"RUNNING": task.Running, "STOPPED": task.Stopped, "DEAD": task.Stopped,
	} {
		in, err := convert(wireOf(t, map[string]any{"desiredStatus": word}))
		if err != nil || in.task.Desired != want {
			t.Errorf("%q: %v, %v", word, in.task, err)
		}
	}
}

func TestNetworkModes(t *testing.T) {
	for mode, want := range map[string]string{"": "bridge", "bridge": "bridge", "host": "host", "none": "none", "awsvpc": "awsvpc", "other": "other"} {
		in, err := convert(wireOf(t, map[string]any{"networkMode": mode}))
		if err != nil || in.task.NetworkMode != want {
			t.Errorf("%q: %q, %v", mode, in.task.NetworkMode, err)
		}
	}
}

// Every member of a container that the agent uses arrives, and nulls are harmless.
func TestContainerMembers(t *testing.T) {
	w := wireOf(t, map[string]any{"containers": []any{json.RawMessage(`{
		"name":"n","image":"i","containerArn":"arn","essential":true,"cpu":1,"memory":2,"command":[],"entryPoint":["e"],
		"environment":{"A":"1","B":null},"environmentFiles":[{"value":"v","type":"s3"}],"links":["l"],
		"portMappings":[{"containerPort":1,"hostPort":2,"protocol":null},{"containerPortRange":"3-4","protocol":"udp"}],
		"mountPoints":[{"sourceVolume":"s","containerPath":"p","readOnly":true}],"volumesFrom":[{"sourceContainer":"c","readOnly":true}],
		"dockerConfig":{"version":"1.2","config":"{ }","hostConfig":"{\"a\":1}"},
		"registryAuthentication":{"type":"asm","asmAuthData":{"credentialsParameter":"cp","region":"r"},"ecrAuthData":{"registryId":"id","region":"r","endpointOverride":"eo","useExecutionRole":true}},
		"logsAuthStrategy":"ExecutionRole","healthCheckType":"docker",
		"secrets":[{"name":"n","valueFrom":"vf","containerPath":"cp","type":"t","region":"r","provider":"p","target":"ta"}],
		"dependsOn":[{"containerName":"d","condition":"HEALTHY"}],"startTimeout":5,"stopTimeout":6,
		"firelensConfiguration":{"type":"fluentbit","options":{"o":"p"}},"managedAgents":[{"name":"ExecuteCommandAgent","properties":{"k":"v"}}],
		"credentialSpecs":["cs"],"restartPolicy":{"enabled":true,"ignoredExitCodes":[1],"restartAttemptPeriod":60},
		"overrides":null,"privileged":true,"linuxParameters":{"initProcessEnabled":true}}`),
		json.RawMessage(`{"name":null,"environment":null,"portMappings":null,"dockerConfig":null,"essential":null,"cpu":null,"secrets":null,"restartPolicy":null}`),
	}})
	in, err := convert(w)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) *string { return &s }
	same(t, "container", in.task.Containers[0], &task.Container{
		Name: "n", TaskARN: taskPrefix + "t1", Image: "i", ARN: "arn", Essential: true, CPU: 1, Memory: 2, EntryPoint: []string{"e"},
		Environment: map[string]string{"A": "1", "B": ""}, EnvironmentFiles: []task.EnvironmentFile{{Value: "v", Type: "s3"}}, Links: []string{"l"},
		Ports:       []task.PortMapping{{ContainerPort: 1, HostPort: 2}, {ContainerPortRange: "3-4", Protocol: task.UDP}},
		MountPoints: []task.MountPoint{{SourceVolume: "s", ContainerPath: "p", ReadOnly: true}}, VolumesFrom: []task.VolumeFrom{{SourceContainer: "c", ReadOnly: true}},
		DockerConfig: task.DockerConfig{Version: text("1.2"), Config: text("{ }"), HostConfig: text(`{"a":1}`)},
		RegistryAuth: &task.RegistryAuth{Type: "asm", ASM: &task.ASMAuthData{CredentialsParameter: "cp", Region: "r"},
			ECR: &task.ECRAuthData{RegistryID: "id", Region: "r", EndpointOverride: "eo", UseExecutionRole: true}},
		LogsAuthStrategy: "ExecutionRole", HealthCheckType: "docker",
		Secrets:   []task.Secret{{Name: "n", ValueFrom: "vf", ContainerPath: "cp", Type: "t", Region: "r", Provider: "p", Target: "ta"}},
		DependsOn: []task.Dependency{{Container: "d", Condition: task.ConditionHealthy}}, StartTimeout: 5, StopTimeout: 6,
		Firelens:        &task.FirelensConfig{Type: "fluentbit", Options: map[string]string{"o": "p"}},
		ManagedAgents:   []task.ManagedAgent{{Name: "ExecuteCommandAgent", Properties: map[string]string{"k": "v"}}},
		CredentialSpecs: []string{"cs"}, RestartPolicy: &task.RestartPolicy{Enabled: true, IgnoredExitCodes: []int{1}, AttemptPeriod: 60},
	})
	same(t, "container of nulls", in.task.Containers[1], &task.Container{TaskARN: taskPrefix + "t1"})
}

// What was converted survives being saved and loaded.
func TestConvertedTasksCanBeSaved(t *testing.T) {
	var golden struct{ Receive envelope }
	goldenfile.Read(t, "testdata/payload_full.json", &golden)
	var m payloadMessage
	if err := json.Unmarshal(golden.Receive.Message, &m); err != nil {
		t.Fatal(err)
	}
	in, err := convert(m.Tasks[0])
	if err != nil {
		t.Fatal(err)
	}
	saved, err := json.Marshal(in.task)
	if err != nil {
		t.Fatal(err)
	}
	var loaded task.Task
	if err := json.Unmarshal(saved, &loaded); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&loaded)
	if err != nil || string(again) != string(saved) {
		t.Errorf("%v\n%s\n%s", err, saved, again)
	}
}

package network

import (
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// call is a plug-in call as it is written down in the test data.
type call struct {
	Plugin, Ifname string
	Config         any
}

func calls(t *testing.T, list []plugin) []call {
	t.Helper()
	var out []call
	for _, p := range list {
		out = append(out, oneCall(t, p))
	}
	return out
}

func oneCall(t *testing.T, p plugin) call {
	t.Helper()
	text, err := p.config()
	if err != nil {
		t.Fatal(err)
	}
	c := call{Plugin: p.name, Ifname: p.ifname}
	if err := json.Unmarshal(text, &c.Config); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfigurations(t *testing.T) {
	data, err := os.ReadFile("testdata/awsvpc.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name    string
		Task    task.Task
		Options struct {
			BlockMetadata bool
			LocalRoutes   []netip.Prefix
			LocalAddress  netip.Prefix
		}
		SetUp, TearDown []call
		Release         call
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			c.Task.NetworkMode = task.NetworkAWSVPC
			up, err := setUp(&c.Task, nil, Options(c.Options))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.SetUp, calls(t, up)); diff != "" {
				t.Errorf("set-up (-want +got):\n%s", diff)
			}
			down, err := tearDown(&c.Task, nil, Options(c.Options))
			if err != nil {
				t.Fatal(err)
			}
			slices.Reverse(down)
			if diff := cmp.Diff(c.TearDown, calls(t, down)); diff != "" {
				t.Errorf("tear-down (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.Release, oneCall(t, release(&c.Task))); diff != "" {
				t.Errorf("release (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	v6 := []task.ENIAddress{{Address: "2600::5"}}
	v4 := []task.ENIAddress{{Address: "10.0.0.5"}}
	const prefix = "engine: failed to build cni configuration from task: "
	cases := []struct {
		task *task.Task
		want string
	}{
		{&task.Task{ENIs: task.ENIs{{IPv6: v6}}}, prefix + "task ENI is IPv6-only but has no IPv6 subnet gateway address"},
		{&task.Task{ENIs: task.ENIs{{IPv4: v4, Protocol: "tunnel"}}}, prefix + "task config: unknown interface association type: tunnel"},
		{&task.Task{ENIs: task.ENIs{{IPv4: v4, Protocol: task.ENIVLAN}}}, prefix + "vlan interface properties missing"},
		{&task.Task{ServiceConnect: json.RawMessage(`{"ingressConfig":1}`)}, prefix + "service connect configuration: json: "},
	}
	for _, c := range cases {
		c.task.NetworkMode = task.NetworkAWSVPC
		if _, err := setUp(c.task, nil, Options{}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v\nwant %s", err, c.want)
		}
	}
}

func TestMembersWithoutAValue(t *testing.T) {
	got := oneCall(t, appMesh(&task.AppMesh{IgnoredGID: "5", ProxyEgressPort: "15001", AppPorts: []string{}, EgressIgnoredIPs: []string{"169.254.170.2"}, EgressIgnoredPorts: []string{}}))
	want := call{"aws-appmesh", "aws-appmesh", map[string]any{"cniVersion": "0.3.0", "name": "network-name", "type": "aws-appmesh", "ignoredGID": "5",
		"proxyIngressPort": "", "proxyEgressPort": "15001", "appPorts": nil, "egressIgnoredIPs": []any{"169.254.170.2"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	connect, err := serviceConnectOf(&task.Task{ServiceConnect: json.RawMessage(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	got = oneCall(t, connect.inOwnNetwork(&task.ENI{IPv4: []task.ENIAddress{{Address: "10.0.0.1"}}}))
	want = call{"ecs-serviceconnect", "ecs-sc", map[string]any{"cniVersion": "0.3.0", "name": "network-name", "type": "ecs-serviceconnect", "enableIPv4": true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestServiceConnectOnTheBridge(t *testing.T) {
	const config = `{"containerName":"proxy","ingressConfig":[{"listenerName":"http","listenerPort":15000}],` +
		`"egressConfig":{"listenerName":"egress","listenerPort":32769,"vip":{"ipv4Cidr":"127.255.0.0/16"}},"networkConfig":{"scPauseIPv4Addr":"172.17.0.3"}}`
	dual := strings.Replace(config, `"scPauseIPv4Addr":"172.17.0.3"`, `"scPauseIPv4Addr":"172.17.0.3","scPauseIPv6Addr":"2001:db8:1::3"`, 1)
	ipv6 := strings.Replace(config, `"scPauseIPv4Addr":"172.17.0.3"`, `"scPauseIPv6Addr":"2001:db8:1::3"`, 1)
	const head = `"cniVersion":"0.3.0","name":"network-name","type":"ecs-serviceconnect","ingressConfig":[{"listenerPort":15000}],`
	for _, c := range []struct{ name, config, pause, want string }{
		{"the proxy's own pause container", config, "proxy",
			`{` + head + `"egressConfig":{"listenerPort":32769,"redirectIP":null,"redirectMode":"tproxy","vip":{"ipv4Cidr":"127.255.0.0/16"}},"enableIPv4":true}`},
		{"that of another container sends to the proxy's", config, "app",
			`{` + head + `"egressConfig":{"listenerPort":0,"redirectIP":{"ipv4":"172.17.0.3"},"redirectMode":"tproxy","vip":{"ipv4Cidr":"127.255.0.0/16"}},"enableIPv4":true}`},
		{"dual stack", dual, "app",
			`{` + head + `"egressConfig":{"listenerPort":0,"redirectIP":{"ipv4":"172.17.0.3","ipv6":"2001:db8:1::3"},"redirectMode":"tproxy","vip":{"ipv4Cidr":"127.255.0.0/16"}},"enableIPv4":true,"enableIPv6":true}`},
		{"IPv6 only", ipv6, "app",
			`{` + head + `"egressConfig":{"listenerPort":0,"redirectIP":{"ipv6":"2001:db8:1::3"},"redirectMode":"tproxy","vip":{"ipv4Cidr":"127.255.0.0/16"}},"enableIPv6":true}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tk := &task.Task{NetworkMode: "bridge", ServiceConnect: json.RawMessage(c.config)}
			list, err := setUp(tk, &task.Container{Name: task.NetworkPauseName + "-" + c.pause}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			want := call{Plugin: "ecs-serviceconnect", Ifname: "ecs-sc"}
			if err := json.Unmarshal([]byte(c.want), &want.Config); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]call{want}, calls(t, list)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

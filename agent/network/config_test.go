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
			up, err := setUp(&c.Task, Options(c.Options))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.SetUp, calls(t, up)); diff != "" {
				t.Errorf("set-up (-want +got):\n%s", diff)
			}
			down, err := tearDown(&c.Task, Options(c.Options))
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
		if _, err := setUp(c.task, Options{}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
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

package ecsapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestNetworkBindings(t *testing.T) {
	var cases []struct {
		Name     string
		Filter   []string
		Single   []uint16
		Ranges   map[string]string
		Observed []struct {
			ContainerPort, HostPort uint16
			BindIP, Protocol        string
		}
		Want []networkBinding
		Wire string
	}
	b, err := os.ReadFile("testdata/network_bindings.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			client := newTestClient(t, &fakeECS{}, func(o *Options) {
				o.ExcludeIPv6Bindings, o.ExcludeIPv4Bindings = false, false
				for _, f := range c.Filter {
					o.ExcludeIPv6Bindings = o.ExcludeIPv6Bindings || f == "::"
					o.ExcludeIPv4Bindings = o.ExcludeIPv4Bindings || f == "0.0.0.0"
				}
			})
			p := Ports{Single: task.PortSet{}, HostRanges: c.Ranges, HasRange: len(c.Ranges) > 0}
			for _, s := range c.Single {
				p.Single[s] = struct{}{}
			}
			for _, o := range c.Observed {
				protocol, err := task.ParseProtocol(o.Protocol)
				if err != nil {
					t.Fatal(err)
				}
				p.Observed = append(p.Observed, task.PortMapping{ContainerPort: o.ContainerPort, HostPort: o.HostPort, BindIP: o.BindIP, Protocol: protocol})
			}
			got := client.networkBindings(testTask, "c", p)
			if c.Wire == "" {
				less := func(a, b networkBinding) bool { return key(a) < key(b) }
				if diff := cmp.Diff(c.Want, got, cmpopts.EquateEmpty(), cmpopts.SortSlices(less)); diff != "" {
					t.Error(diff)
				}
				return
			}
			body, err := json.Marshal(containerBody{NetworkBindings: got})
			if err != nil {
				t.Fatal(err)
			}
			wire := "absent"
			if strings.Contains(string(body), `"networkBindings":[]`) {
				wire = "[]"
			}
			if wire != c.Wire {
				t.Errorf("networkBindings %s, want %s in %s", wire, c.Wire, body)
			}
		})
	}
}

func key(b networkBinding) string { j, _ := json.Marshal(b); return string(b.BindIP) + string(j) }

func TestTooManyBindingsAreCutAndLogged(t *testing.T) {
	var log bytes.Buffer
	logger.Setup(logger.Options{Driver: &log})
	defer func() { logger.Setup(logger.Options{Driver: io.Discard}) }()

	p := Ports{Single: task.PortSet{}}
	for i := range uint16(101) {
		p.Single[i] = struct{}{}
		p.Observed = append(p.Observed, task.PortMapping{ContainerPort: i, HostPort: i, BindIP: "0.0.0.0"})
	}
	client := newTestClient(t, &fakeECS{})
	if got := client.networkBindings(testTask, "web", p); len(got) != 101 || log.Len() != 0 {
		t.Errorf("without a range the limit does not count: %d bindings, log %s", len(got), &log)
	}
	p.HasRange = true
	if got := client.networkBindings(testTask, "web", p); len(got) != 100 {
		t.Errorf("%d bindings", len(got))
	}
	want := fmt.Sprintf("no. of network bindings 101 is more than the maximum supported no. 100, container: web task: %s", testTask)
	if !strings.Contains(log.String(), want) {
		t.Errorf("log %s", &log)
	}
}

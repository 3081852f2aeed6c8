//go:build unix

package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const pauseID = "5d1c8a1f3b7e4a6f9c0d2e1b4a5968778695a4b3c2d1e0f0f1e2d3c4b5a69788"

// plugins are programs in a directory of their own that write down how they were called.
type programs struct {
	t   *testing.T
	dir string
}

const bridgeResult = `{"cniVersion":"0.3.0","interfaces":[{"name":"ecs-bridge"},{"name":"veth1"},{"name":"ecs-eth0"}],` +
	`"ips":[{"version":"4","interface":2,"address":"169.254.172.2/22","gateway":"169.254.172.1"}],"dns":{}}`

// newPrograms gives plug-ins that work.
func newPrograms(t *testing.T) *programs {
	p := &programs{t, t.TempDir()}
	p.write(pluginENI, `echo '{"interfaces":[{"name":"eth0"}]}'`)
	p.write(pluginBridge, "echo '"+bridgeResult+"'")
	p.write(pluginIPAM, "true")
	return p
}

// write makes a plug-in of a shell script.
func (p *programs) write(name, script string) {
	p.t.Helper()
	text := "#!/bin/sh\necho \"$CNI_COMMAND ${0##*/} $CNI_IFNAME $CNI_CONTAINERID $CNI_NETNS\" >> " + p.dir + "/calls\n" +
		"cat > " + p.dir + "/stdin-${0##*/}\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

// calls gives the commands and plug-ins called, in order.
func (p *programs) calls() string {
	p.t.Helper()
	data, err := os.ReadFile(p.dir + "/calls")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.t.Fatal(err)
	}
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 {
			out = append(out, fields[0]+" "+fields[1])
		}
	}
	return strings.Join(out, ", ")
}

func (p *programs) network() *Network {
	return &Network{Plugins: Plugins{Dir: p.dir, LogLevel: "info"}, ProcRoot: "/host/proc"}
}

func awsvpcTask() *task.Task {
	return &task.Task{ARN: "arn:aws:ecs:us-west-2:123456789012:task/default/t", NetworkMode: task.NetworkAWSVPC,
		ENIs: task.ENIs{{MAC: "02:99:ec:49:83:44", IPv4: []task.ENIAddress{{Primary: true, Address: "10.0.1.5"}}, GatewayIPv4: "10.0.1.1/24"}}}
}

var pauseContainer = &task.Container{Name: task.NetworkPauseName}

func pauseState() *task.ContainerState {
	return &task.ContainerState{RuntimeID: pauseID, PID: 4321, NetworkMode: "none"}
}

func TestConnect(t *testing.T) {
	p := newPrograms(t)
	t.Setenv("CNI_ARGS", "left=over")
	p.write(pluginENI, "env > "+p.dir+"/env; echo '{}'")
	got, err := p.network().Connect(t.Context(), awsvpcTask(), pauseContainer, pauseState())
	if err != nil {
		t.Fatal(err)
	}
	if want := (task.Connection{LocalIPAddress: "169.254.172.2", Namespace: "/host/proc/4321/ns/net", Interface: "eth0"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if want := "ADD vpc-eni, ADD ecs-bridge"; p.calls() != want {
		t.Errorf("called %s, want %s", p.calls(), want)
	}
	environment, err := os.ReadFile(p.dir + "/env")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(environment), "\n")
	for _, want := range []string{"CNI_COMMAND=ADD", "CNI_CONTAINERID=" + pauseID, "CNI_NETNS=/host/proc/4321/ns/net", "CNI_ARGS=", "CNI_IFNAME=eth0",
		"CNI_PATH=" + p.dir, "ECS_CNI_LOGLEVEL=info", "VPC_CNI_LOG_LEVEL=info", "VPC_CNI_LOG_FILE=/log/vpc-branch-eni.log", "PATH=" + os.Getenv("PATH")} {
		if !slices.Contains(lines, want) {
			t.Errorf("no %s in the environment", want)
		}
	}
	stdin, err := os.ReadFile(p.dir + "/stdin-vpc-eni")
	if want := `{"blockInstanceMetadata":false,"cniVersion":"0.3.0","dns":{},"eniIPAddresses":["10.0.1.5/24"],"eniMACAddress":"02:99:ec:49:83:44","eniName":"",` +
		`"gatewayIPAddresses":["10.0.1.1"],"name":"network-name","type":"vpc-eni","useExistingNetwork":false}`; err != nil || string(stdin) != want {
		t.Errorf("stdin %s, %v", stdin, err)
	}
}

func TestConnectFailures(t *testing.T) {
	const prefix = "ContainerNetworkingError: container resource provisioning: "
	const add = prefix + "failed to setup network namespace: add network failed: "
	const again = ", DEL ecs-bridge, DEL vpc-eni, DEL ecs-ipam, "
	cases := []struct {
		name  string
		spoil func(p *programs, t *task.Task, pause *task.ContainerState)
		want  string
		calls string
	}{
		{"an error of the plug-in", func(p *programs, _ *task.Task, _ *task.ContainerState) {
			p.write(pluginENI, `echo '{"code":100,"msg":"no such device","details":"02:99"}'; exit 1`)
		}, add + "no such device; 02:99", "ADD vpc-eni" + again + "ADD vpc-eni"},
		{"an error without details", func(p *programs, _ *task.Task, _ *task.ContainerState) {
			p.write(pluginBridge, `echo '{"code":100,"msg":"no bridge"}'; exit 1`)
		}, add + "no bridge", "ADD vpc-eni, ADD ecs-bridge" + again + "ADD vpc-eni, ADD ecs-bridge"},
		{"no word of the plug-in", func(p *programs, _ *task.Task, _ *task.ContainerState) { p.write(pluginENI, "exit 3") },
			add + "netplugin failed with no error message: exit status 3", ""},
		{"a complaint only", func(p *programs, _ *task.Task, _ *task.ContainerState) {
			p.write(pluginENI, "echo oh >&2; exit 3")
		}, add + `netplugin failed: "oh\n"`, ""},
		{"a missing plug-in is not tried again", func(p *programs, _ *task.Task, _ *task.ContainerState) {
			if err := os.Remove(p.dir + "/" + pluginBridge); err != nil {
				t.Fatal(err)
			}
		}, add + `failed to find plugin "ecs-bridge" in path [DIR]`, "ADD vpc-eni"},
		{"no address", func(p *programs, _ *task.Task, _ *task.ContainerState) { p.write(pluginBridge, "echo '{}'") },
			prefix + "empty result from network namespace setup", "ADD vpc-eni, ADD ecs-bridge"},
		{"no container id", func(_ *programs, _ *task.Task, pause *task.ContainerState) { pause.RuntimeID = "" }, add + "missing containerID", ""},
		{"another network", func(_ *programs, _ *task.Task, pause *task.ContainerState) { pause.NetworkMode = "bridge" },
			prefix + "unable to build cni configuration, engine: failed to build cni configuration from the task due to invalid container network namespace", ""},
		{"an interface without gateway", func(_ *programs, t *task.Task, _ *task.ContainerState) {
			t.ENIs = task.ENIs{{IPv6: []task.ENIAddress{{Address: "2600::1"}}}}
		}, prefix + "unable to build cni configuration, engine: failed to build cni configuration from task: task ENI is IPv6-only but has no IPv6 subnet gateway address", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPrograms(t)
			tk, pause := awsvpcTask(), pauseState()
			c.spoil(p, tk, pause)
			_, err := p.network().Connect(t.Context(), tk, pauseContainer, pause)
			if want := strings.ReplaceAll(c.want, "DIR", p.dir); err == nil || err.Error() != want {
				t.Errorf("%v\nwant %s", err, want)
			}
			if task.ErrorName(err) != task.ErrContainerNetworking {
				t.Errorf("named %q", task.ErrorName(err))
			}
			if c.calls != "" && p.calls() != c.calls {
				t.Errorf("called %s\nwant   %s", p.calls(), c.calls)
			}
		})
	}
}

// What an agent that was killed left behind is in the way of the next set-up, until it is undone.
func TestConnectAfterAnUnfinishedSetUp(t *testing.T) {
	p := newPrograms(t)
	p.write(pluginENI, `d=${0%/*}; case $CNI_COMMAND in DEL) rm -f $d/there;; ADD) if test -e $d/there; then echo '{"msg":"there already"}'; exit 1; fi; touch $d/there; echo '{}';; esac`)
	if err := os.WriteFile(p.dir+"/there", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := p.network().Connect(t.Context(), awsvpcTask(), pauseContainer, pauseState()); err != nil || got.LocalIPAddress == "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPluginsThatHangAreEnded(t *testing.T) {
	p := newPrograms(t)
	// A child that outlives the shell and holds its output.
	p.write(pluginENI, "sleep 300 & echo $! > "+p.dir+"/child; wait")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := p.network().Connect(ctx, awsvpcTask(), pauseContainer, pauseState())
	if want := "ContainerNetworkingError: container resource provisioning: failed to setup network namespace: add network failed: vpc-eni did not end in time: context deadline exceeded"; err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	child, err := os.ReadFile(p.dir + "/child")
	if err != nil {
		t.Fatal(err)
	}
	gone := func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%s/stat", strings.TrimSpace(string(child))))
		return err != nil || strings.Contains(string(status), ") Z ")
	}
	for deadline := time.Now().Add(10 * time.Second); !gone(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what the plug-in started still runs")
		}
	}
}

func TestDisconnect(t *testing.T) {
	p := newPrograms(t)
	if err := p.network().Disconnect(t.Context(), awsvpcTask(), pauseContainer, pauseState()); err != nil {
		t.Error(err)
	}
	if want := "DEL ecs-bridge, DEL vpc-eni"; p.calls() != want {
		t.Errorf("called %s, want %s", p.calls(), want)
	}
	p = newPrograms(t)
	p.write(pluginBridge, `echo '{"msg":"no namespace"}'; exit 1`)
	if err := p.network().Disconnect(t.Context(), awsvpcTask(), pauseContainer, pauseState()); err == nil || err.Error() != "delete network failed: no namespace" {
		t.Error(err)
	}
	if want := "DEL ecs-bridge, DEL vpc-eni"; p.calls() != want {
		t.Errorf("after an error, called %s, want %s", p.calls(), want)
	}
}

func TestRelease(t *testing.T) {
	p := newPrograms(t)
	if err := p.network().Release(t.Context(), awsvpcTask()); err != nil {
		t.Error(err)
	}
	line, err := os.ReadFile(p.dir + "/calls")
	if want := "DEL ecs-ipam ecs-eth0  /host/proc//ns/net\n"; err != nil || string(line) != want {
		t.Errorf("called %q, %v, want %q", line, err, want)
	}
	p.write(pluginIPAM, `echo '{"code":100,"msg":"release ipstore: no ip address associated with the given id: 02:99:ec:49:83:44"}'; exit 1`)
	if err := p.network().Release(t.Context(), awsvpcTask()); err != nil {
		t.Errorf("released before: %v", err)
	}
	p.write(pluginIPAM, `echo '{"code":100,"msg":"locked"}'; exit 1`)
	if err := p.network().Release(t.Context(), awsvpcTask()); err == nil || err.Error() != "locked" {
		t.Error(err)
	}
}

func TestProbe(t *testing.T) {
	const good = `{"capabilities":["awsvpc-network-mode"]}`
	all := func(p *programs) {
		for _, name := range []string{pluginENI, pluginBridge, pluginIPAM, pluginBranchENI} {
			p.write(name, "echo '"+good+"'")
		}
		p.write(pluginAppMesh, "echo '{}'")
	}
	cases := []struct {
		name     string
		spoil    func(p *programs)
		trunking bool
		want     string // with DIR for the directory
	}{
		{"all there", func(*programs) {}, true, ""},
		{"a plug-in for trunks is needed with trunks only", func(p *programs) { os.Remove(p.dir + "/" + pluginBranchENI) }, false, ""},
		{"none for trunks", func(p *programs) { os.Remove(p.dir + "/" + pluginBranchENI) }, true,
			"ecscni: unable to describe file info for 'DIR/vpc-branch-eni': stat DIR/vpc-branch-eni: no such file or directory"},
		{"capability absent", func(p *programs) { p.write(pluginIPAM, `echo '{"capabilities":[]}'`) }, true,
			"plugin 'ecs-ipam' doesn't support the capability: awsvpc-network-mode"},
		{"failing", func(p *programs) { p.write(pluginBridge, "exit 1") }, true, "ecscni: failed invoking capabilities command for 'ecs-bridge': exit status 1"},
		{"no JSON", func(p *programs) { p.write(pluginBridge, "printf x") }, true,
			"ecscni: failed to unmarshal capabilities for 'ecs-bridge' from string: x: invalid character 'x' looking for beginning of value"},
		{"App Mesh has to answer", func(p *programs) { p.write(pluginAppMesh, "exit 1") }, true, "ecscni: failed invoking capabilities command for 'aws-appmesh': exit status 1"},
	}
	for _, c := range cases {
		p := newPrograms(t)
		all(p)
		c.spoil(p)
		err := p.network().Plugins.Probe(t.Context(), c.trunking)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if want := strings.ReplaceAll(c.want, "DIR", p.dir); text != want {
			t.Errorf("%s: %q, want %q", c.name, text, want)
		}
	}
}

func TestVersions(t *testing.T) {
	p := newPrograms(t)
	p.write(pluginENI, `echo '{"version":"1.5","gitShortHash":"5a5a3d1","built":"2025-01-01T00:00:00Z"}'`)
	p.write(pluginBranchENI, `echo '{"version":"2026.01.0","dirty":true,"gitShortHash":"226db36"}'`)
	if v, err := p.network().Plugins.Versions(t.Context(), true); err != nil || v != (Versions{"5a5a3d1-1.5", "@226db36-2026.01.0"}) {
		t.Errorf("%+v, %v", v, err)
	}
	p.write(pluginENI, "printf 'not json'")
	v, err := p.network().Plugins.Versions(t.Context(), true)
	if want := "ecscni: unmarshal version from string: not json: invalid character 'o' in literal null (expecting 'u')"; err == nil || err.Error() != want || v.ENI != "" || v.BranchENI == "" {
		t.Errorf("%+v, %v", v, err)
	}
	if v, _ := p.network().Plugins.Versions(t.Context(), false); v.BranchENI != "" {
		t.Errorf("asked for a version that nobody needs: %+v", v)
	}
}

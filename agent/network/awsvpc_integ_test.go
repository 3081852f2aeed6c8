//go:build integration

package network_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/container"
	rolecredentials "github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/engine/enginetest"
	"github.com/aws/amazon-ecs-agent/agent/image"
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/network"
	"github.com/aws/amazon-ecs-agent/agent/store"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// host is an agent's engine on real Docker, with the plug-ins of the lab.
type host struct {
	*lab
	*engine.Engine
	options network.Options
	image   string
	prefix  string // of families
	data    string
	end     func()
}

func newHost(t *testing.T, options network.Options) *host {
	t.Helper()
	h := &host{lab: newLab(t), options: options, image: dockertest.Image(t), prefix: dockertest.Name("awsvpc"), data: t.TempDir()}
	dockertest.RemoveContainers(t, h.prefix)
	h.loadPauseImage()
	h.boot()
	return h
}

func (h *host) loadPauseImage() {
	h.t.Helper()
	file := filepath.Join(h.t.TempDir(), "pause.tar")
	h.lab.host("../../misc/pause-container/build.sh", file)
	client, err := docker.Connect(h.t.Context(), dockertest.Endpoint())
	if err != nil {
		h.t.Fatal(err)
	}
	defer client.Close()
	if err := image.LoadTar(h.t.Context(), client, file, task.PauseImage); err != nil {
		h.t.Fatal(err)
	}
}

// boot starts the engine on what one before it has saved.
func (h *host) boot() {
	h.t.Helper()
	client, err := docker.Connect(h.t.Context(), dockertest.Endpoint())
	if err != nil {
		h.t.Fatal(err)
	}
	saved, err := store.Open(h.data)
	if err != nil {
		h.t.Fatal(err)
	}
	state, err := saved.Load()
	if err != nil {
		h.t.Fatal(err)
	}
	saved.SaveMetadata(store.Metadata{AgentVersion: "test"})
	cfg := &config.Config{
		Cluster: "real", AWSRegion: "us-west-2", DynamicHostPortRange: "42400-42499", DockerStopTimeout: 2 * time.Second,
		ContainerCreateTimeout: time.Minute, ContainerStartTimeout: time.Minute,
		ImagePullBehavior: config.ImagePullPreferCached, ImagePullTimeout: time.Minute, ManifestPullTimeout: time.Minute, ImagePullInactivityTimeout: time.Minute,
	}
	roles := &rolecredentials.Store{}
	connecting := &network.Network{Plugins: network.Plugins{Dir: h.plugins, LogLevel: "info"}, Options: h.options, ProcRoot: network.ProcRoot()}
	runner, err := container.New(cfg, client, image.New(cfg, client, saved, image.Auth{}), roles, container.Host{Network: connecting})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Engine = engine.New(engine.Config{
		Rules: engine.Rules{CleanupWait: time.Hour}, Host: engine.HostResources{CPU: 1 << 20, Memory: 1 << 20},
		Resources: enginetest.NoResources{}, ContainerName: mapping.ContainerName, Credentials: roles,
	}, runner, saved, enginetest.NoSink{})
	h.Restore(state.Tasks)
	h.end = enginetest.Run(h.t, h.Engine, func() {
		client.Close()
		if err := saved.Close(); err != nil {
			h.t.Error(err)
		}
	})
}

func (h *host) arn(name string) string {
	return "arn:aws:ecs:us-west-2:123456789012:task/real/" + h.prefix + name
}

// start starts a task with an interface; its container runs until it is stopped.
func (h *host) start(name string, eni task.ENI) {
	h.t.Helper()
	c := &task.Container{Name: "c", Essential: true, Image: h.image, Desired: task.ContainerRunning}
	err := h.Accept(h.t.Context(), &task.Task{ARN: h.arn(name), Family: h.prefix + "-" + name, Revision: "1", Desired: task.Running,
		NetworkMode: task.NetworkAWSVPC, ENIs: task.ENIs{eni}, Containers: []*task.Container{c}})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) await(name string, status task.Status) *task.Task {
	h.t.Helper()
	var t *task.Task
	err := until(2*time.Minute, func() error {
		known := false
		if t, known = h.Task(h.arn(name)); !known || t.Known != status {
			return fmt.Errorf("task %s is not %s, but %+v", name, status, t)
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return t
}

// awaitNothingLeft waits until the lab is as it was and no address is leased.
func (h *host) awaitNothingLeft(before []string) {
	h.t.Helper()
	err := until(30*time.Second, func() error {
		if diff := cmp.Diff(before, h.view()); diff != "" {
			return errors.New(diff)
		}
		if owners := h.owners(); len(owners) > 0 {
			return fmt.Errorf("leases %q", owners)
		}
		return nil
	})
	if err != nil {
		h.t.Errorf("left behind (-before +after):\n%v", err)
	}
}

// bridged gives the lab the bridge to the agent, which stays for good, and says what there is then.
func (h *host) bridged() []string {
	h.t.Helper()
	h.start("first", h.attach(250))
	h.await("first", task.Running)
	h.Stop(h.arn("first"))
	h.await("first", task.Stopped)
	err := until(10*time.Second, func() error {
		if owners := h.owners(); len(owners) > 0 {
			return fmt.Errorf("leases %q", owners)
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return h.view()
}

func TestTasksWithInterfacesOfTheirOwn(t *testing.T) {
	h := newHost(t, network.Options{BlockMetadata: true})
	enis := map[string]task.ENI{"plain": h.attach(11), "only6": h.attach(12), "other": h.attach(13)}
	only6 := enis["only6"]
	only6.IPv4, only6.GatewayIPv4 = nil, ""
	enis["only6"] = only6
	if h.trunk(133) {
		enis["other"] = task.ENI{MAC: mac(14), IPv4: []task.ENIAddress{{Address: "10.9.0.13"}}, GatewayIPv4: gateway + "/24",
			Protocol: task.ENIVLAN, VLAN: &task.ENIVlan{ID: "133", TrunkMAC: trunkMAC}}
	}
	before := h.bridged()
	for name, eni := range enis {
		h.start(name, eni)
	}
	tasks := map[string]*task.Task{}
	for name := range enis {
		tasks[name] = h.await(name, task.Running)
	}
	ns := func(name string) string { return tasks[name].NetworkNamespace }
	h.serve(ns("plain"), "10.9.0.11:8080")
	h.serve(ns("plain"), "[fd00:9::11]:8080")
	h.serve(ns("other"), "10.9.0.13:8080")

	check := func() {
		t.Helper()
		for _, c := range []struct{ from, to, seen string }{
			{"plain", "10.9.0.13:8080", "10.9.0.11"},
			{"other", "10.9.0.11:8080", "10.9.0.13"},
			{"only6", "[fd00:9::11]:8080", "fd00:9::12"},
			{"only6", "[" + gateway6 + "]:80", "fd00:9::12"},
			{"plain", credentials + ":80", tasks["plain"].LocalIPAddress},
			{"only6", credentials + ":80", tasks["only6"].LocalIPAddress},
			{"other", credentials + ":80", tasks["other"].LocalIPAddress},
		} {
			err := until(10*time.Second, func() error {
				seen, err := dial(ns(c.from), c.to)
				if err == nil && seen != c.seen {
					err = fmt.Errorf("seen as %s, want %s", seen, c.seen)
				}
				return err
			})
			if err != nil {
				t.Errorf("%s to %s: %v", c.from, c.to, err)
			}
		}
		for name := range tasks {
			if seen, err := dial(ns(name), instanceData+":80"); err == nil {
				t.Errorf("%s reaches the instance metadata, as %s", name, seen)
			}
		}
	}
	check()
	if seen, err := dial(h.path(), instanceData+":80"); err != nil {
		t.Errorf("the host does not reach the instance metadata: %s, %v", seen, err)
	}
	h.checkFiles(tasks["plain"])

	h.end()
	h.boot()
	for name, before := range tasks {
		after := h.await(name, task.Running)
		for i, c := range after.Containers {
			if c.RuntimeID != before.Containers[i].RuntimeID || !c.StartedAt.Equal(before.Containers[i].StartedAt) {
				t.Errorf("%s: container %s is another one after the restart", name, c.Name)
			}
		}
		if after.LocalIPAddress != before.LocalIPAddress || after.NetworkNamespace != before.NetworkNamespace {
			t.Errorf("%s: network %q %q after the restart", name, after.LocalIPAddress, after.NetworkNamespace)
		}
	}
	check()

	for name := range tasks {
		h.Stop(h.arn(name))
	}
	for name := range tasks {
		h.await(name, task.Stopped)
	}
	h.awaitNothingLeft(before)
}

// checkFiles looks at the files that Docker writes for the pause container and the others share.
func (h *host) checkFiles(tk *task.Task) {
	h.t.Helper()
	c, _ := tk.Container("c")
	answer, err := dockertest.SDK(h.t).ContainerInspect(h.t.Context(), c.RuntimeID)
	if err != nil {
		h.t.Fatal(err)
	}
	for file, want := range map[string][]string{
		answer.HostsPath:      {"10.9.0.11\tip-10-9-0-11.lab.internal"},
		answer.ResolvConfPath: {"nameserver 10.9.0.2", "search lab.internal"},
		answer.HostnamePath:   {"ip-10-9-0-11.lab.internal"},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, line := range want {
			if !slices.Contains(strings.Split(string(text), "\n"), line) {
				h.t.Errorf("%s has no line %q:\n%s", file, line, text)
			}
		}
	}
}

func TestManyTasksWithInterfacesAtOnce(t *testing.T) {
	const many = 6
	h := newHost(t, network.Options{})
	enis := map[string]task.ENI{}
	for n := range many {
		enis[fmt.Sprintf("t%d", n)] = h.attach(100 + n)
	}
	before := h.bridged()
	for name, eni := range enis {
		h.start(name, eni)
	}
	addresses := map[string]bool{}
	for name := range enis {
		tk := h.await(name, task.Running)
		addresses[tk.LocalIPAddress] = true
		if seen, err := dial(tk.NetworkNamespace, credentials+":80"); err != nil || seen != tk.LocalIPAddress {
			t.Errorf("%s is seen as %s at the credentials endpoint, %v; want %s", name, seen, err, tk.LocalIPAddress)
		}
		if seen, err := dial(tk.NetworkNamespace, instanceData+":80"); err != nil || seen != enis[name].IPv4[0].Address {
			t.Errorf("%s is seen as %s at the instance metadata, %v", name, seen, err)
		}
	}
	if len(addresses) != many {
		t.Errorf("%d addresses for %d tasks", len(addresses), many)
	}
	for name := range enis {
		h.Stop(h.arn(name))
	}
	for name := range enis {
		h.await(name, task.Stopped)
	}
	h.awaitNothingLeft(before)
}

func TestTasksWithoutTheirInterface(t *testing.T) {
	h := newHost(t, network.Options{})
	const prefix = "ContainerNetworkingError: container resource provisioning: failed to setup network namespace: add network failed: "
	absent := h.attach(21)
	h.run("ip link del eni21")
	begun := time.Now()
	h.start("absent", absent)
	if tk := h.await("absent", task.Stopped); !strings.HasPrefix(tk.TerminalReason, prefix) || !strings.Contains(tk.TerminalReason, absent.MAC) {
		t.Errorf("reason %q", tk.TerminalReason)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	present := h.attach(22)
	if err := os.Remove(filepath.Join(h.plugins, "ecs-bridge")); err != nil {
		t.Fatal(err)
	}
	h.start("missing", present)
	if tk, want := h.await("missing", task.Stopped), prefix+`failed to find plugin "ecs-bridge" in path [`+h.plugins+"]"; tk.TerminalReason != want {
		t.Errorf("reason %q, want %q", tk.TerminalReason, want)
	}
	// The interface came back under the name its plug-in chose.
	if err := until(10*time.Second, func() error {
		if !strings.Contains(h.run("ip link"), present.MAC) {
			return errors.New("the interface is not back")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if owners := h.owners(); len(owners) > 0 {
		t.Errorf("leases %q", owners)
	}
}

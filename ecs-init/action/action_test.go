package action

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/download"
	"github.com/aws/amazon-ecs-agent/ecs-init/hosttest"
	"github.com/aws/amazon-ecs-agent/ecs-init/release"
)

const agentImage = "amazon/amazon-ecs-agent:latest"

// fakeDocker is a daemon with one bridge, the agent's image or not, and an agent that ends with 0.
type fakeDocker struct {
	image     string // content of the archive it came from; empty: none
	bridge    string
	bridgeErr error
	loadErr   error
	calls     []string
	running   bool
}

func (d *fakeDocker) call(format string, args ...any) {
	d.calls = append(d.calls, fmt.Sprintf(format, args...))
}

func (d *fakeDocker) CreateNewest(_ context.Context, name string, _ *container.Config, host *container.HostConfig, _ time.Duration) (string, error) {
	d.call("create %s init %t", name, host.Init != nil)
	return "id", nil
}

func (d *fakeDocker) Start(context.Context, string, string, time.Duration) (*task.ContainerState, error) {
	d.call("start")
	return nil, nil
}

func (d *fakeDocker) Wait(context.Context, string) (int, error) { return 0, nil }

func (d *fakeDocker) Inspect(context.Context, string) (*task.ContainerState, error) {
	if d.running {
		return &task.ContainerState{RuntimeID: "id", Status: task.ContainerRunning}, nil
	}
	return nil, errdefs.ErrNotFound
}

func (d *fakeDocker) Stop(context.Context, string, time.Duration) (*task.ContainerState, error) {
	d.call("stop")
	return nil, nil
}

func (d *fakeDocker) RemoveForced(context.Context, string) error {
	d.call("remove")
	return nil
}

func (d *fakeDocker) LogTail(context.Context, string, int) (string, error) { return "", nil }

func (d *fakeDocker) InspectImage(_ context.Context, name string) (docker.Image, error) {
	if name == agentImage && d.image != "" {
		return docker.Image{ID: d.image}, nil
	}
	return docker.Image{}, errdefs.ErrNotFound
}

func (d *fakeDocker) LoadImage(_ context.Context, tar io.Reader) error {
	content, _ := io.ReadAll(tar)
	d.call("load %s", content)
	if d.loadErr == nil {
		d.image = string(content)
	}
	return d.loadErr
}

func (d *fakeDocker) TagImage(context.Context, string, string) error { return nil }
func (d *fakeDocker) RemoveImage(context.Context, string) error      { return errdefs.ErrNotFound }
func (d *fakeDocker) DefaultBridge(context.Context) (string, error)  { return d.bridge, d.bridgeErr }
func (d *fakeDocker) Supports(string) bool                           { return true }

// rig is a host made of a directory, a fake daemon and programs that only succeed.
type rig struct {
	t      *testing.T
	Host   Host
	docker *fakeDocker
	env    map[string]string
	ran    []string
	fail   func(line string) error
	log    *bytes.Buffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, docker: &fakeDocker{bridge: "docker0"}, env: map[string]string{}, log: &bytes.Buffer{}}
	root := t.TempDir()
	r.Host = Host{
		Root:    root,
		Process: func(name string) string { return r.env[name] },
		Run:     r.run,
		Connect: func(context.Context) (Docker, error) { return r.docker, nil },
		HTTP:    download.NewHTTP(),
	}
	// The host has IPv4, so its routes are left alone.
	r.put("/proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\n")
	r.put("/var/cache/ecs/keep", "")
	bin := t.TempDir()
	for _, program := range []string{"iptables", "ip6tables"} {
		if err := os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	logger.Setup(logger.Options{Driver: r.log})
	t.Cleanup(func() { logger.Setup(logger.Options{DriverLevel: logger.LevelInfo}) })
	return r
}

func (r *rig) run(_ context.Context, name string, args ...string) (string, error) {
	line := name + " " + strings.Join(args, " ")
	r.ran = append(r.ran, line)
	if r.fail != nil {
		if err := r.fail(line); err != nil {
			return "", err
		}
	}
	switch {
	case strings.Contains(line, " -C ") || strings.Contains(line, " -S "):
		return "", &command.Error{Cause: errors.New("no such rule")} // an error, and no exit status
	case line == "sysctl net.ipv4.conf.default.route_localnet":
		return "net.ipv4.conf.default.route_localnet = 0\n", nil
	}
	return "", nil
}

func (r *rig) put(name, content string) {
	r.t.Helper()
	hosttest.Put(r.t, r.Host.Root, name, content)
}

func (r *rig) content(name string) string {
	content, _ := os.ReadFile(filepath.Join(r.Host.Root, name))
	return string(content)
}

// allRulesThere makes the fake iptables say that every rule exists, so that none is added.
func (r *rig) allRulesThere() {
	plain := r.Host.Run
	r.Host.Run = func(ctx context.Context, name string, args ...string) (string, error) {
		if slices.Contains(args, "-C") {
			r.ran = append(r.ran, name+" "+strings.Join(args, " "))
			return "", nil
		}
		return plain(ctx, name, args...)
	}
}

func (r *rig) logged(text string) bool { return strings.Contains(r.log.String(), `msg="`+text+`"`) }

func TestPreStartDoesItsStepsInOrder(t *testing.T) {
	r := newRig(t)
	r.allRulesThere()
	r.put("/var/cache/ecs/ecs-agent.tar", "image")
	r.put("/var/cache/ecs/state", "2")
	if err := PreStart(t.Context(), r.Host); err != nil {
		t.Fatal(err)
	}
	if len(r.ran) < 3 || r.ran[0] != "sysctl -w net.ipv4.conf.all.route_localnet=1" || r.ran[1] != "sysctl -e -w net.ipv6.conf.docker0.accept_ra=0" || !strings.HasPrefix(r.ran[2], "iptables -w -t nat -C PREROUTING") {
		t.Errorf("ran %q", r.ran)
	}
	if r.docker.image != "image" || r.content("/var/cache/ecs/state") != "1" {
		t.Errorf("image %q, state %q", r.docker.image, r.content("/var/cache/ecs/state"))
	}
	if info, err := os.Stat(filepath.Join(r.Host.Root, ebsDirectory)); err != nil || !info.IsDir() {
		t.Errorf("%v", err)
	}
	at := 0
	for _, line := range []string{
		"pre-start: enabling loopback routing", "pre-start: disabling ipv6 router advertisements",
		"pre-start: adding routes for TMDS access on IPv6-only host if applicable", "pre-start: creating credentials proxy route",
		"pre-start: checking ecs agent container image loaded presence", "pre-start: ecs agent container image loaded presence: false",
		"pre-start: reloading agent",
	} {
		next := strings.Index(r.log.String()[at:], `msg="`+line+`"`)
		if next < 0 {
			t.Errorf("not logged, or too early: %s\n%s", line, r.log)
			continue
		}
		at += next
	}
	for line := range strings.Lines(r.log.String()) {
		if !strings.HasPrefix(line, "level=") || strings.Contains(line, "module=") {
			t.Errorf("line %q", line)
		}
	}
}

func TestPreStartTellsWhichStepFailed(t *testing.T) {
	boom := errors.New("boom")
	on := func(part string) func(string) error {
		return func(line string) error {
			if strings.Contains(line, part) {
				return boom
			}
			return nil
		}
	}
	cases := []struct {
		name string
		make func(r *rig)
		want string
	}{
		{"loopback routing", func(r *rig) { r.fail = on("route_localnet") }, "could not enable loopback routing: boom"},
		{"router advertisements", func(r *rig) { r.fail = on("accept_ra") }, "could not disable ipv6 router advertisements: boom"},
		{"rules", func(r *rig) { r.fail = on("PREROUTING") }, "could not create route to the credentials proxy: boom"},
		{"the daemon", func(r *rig) { r.Host.Connect = func(context.Context) (Docker, error) { return nil, boom } }, "boom"},
		{"its networks", func(r *rig) { r.docker.bridgeErr = boom }, "boom"},
		{"state of the cache", func(r *rig) { r.put("/var/cache/ecs/ecs-agent.tar", "x"); r.put("/var/cache/ecs/state", "7") }, "could not handle cache state"},
		{"GPUs", func(r *rig) {
			r.put("/etc/ecs/ecs.config", "ECS_ENABLE_GPU_SUPPORT=true\n")
			r.put("/dev/nvidia0", "")
			r.fail = on("nvidia-smi")
		}, "Nvidia GPU Manager: setup failed: error initializing nvidia nvml: boom"},
		{"AppArmor", func(r *rig) {
			r.put("/sys/kernel/security/apparmor/profiles", "")
			r.put("/sbin/apparmor_parser", "")
			r.put("/sys/module/apparmor/parameters/enabled", "Y")
			r.fail = on("apparmor_parser")
		}, "error loading apparmor profile /etc/apparmor.d/ecs-agent-default: running `apparmor_parser -Kr /etc/apparmor.d/ecs-agent-default` failed with output: \nerror: boom"},
		{"loading", func(r *rig) {
			r.put("/var/cache/ecs/ecs-agent.tar", "x")
			r.put("/var/cache/ecs/state", "1")
			r.docker.loadErr = boom
		}, "could not load Amazon Elastic Container Service Agent into Docker: boom"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.name != "rules" {
				r.allRulesThere()
			}
			c.make(r)
			if err := PreStart(t.Context(), r.Host); err == nil || err.Error() != c.want {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestPreStartWithoutADefaultBridge(t *testing.T) {
	r := newRig(t)
	r.allRulesThere()
	r.docker.bridge, r.docker.image = "", "x"
	r.put("/var/cache/ecs/ecs-agent.tar", "x")
	r.put("/var/cache/ecs/state", "1")
	if err := PreStart(t.Context(), r.Host); err != nil {
		t.Fatal(err)
	}
	if !r.logged("No docker bridge network found, skipping bridge-specific iptables rules") {
		t.Error(r.log)
	}
	for _, line := range r.ran {
		if strings.Contains(line, "ACCEPT") {
			t.Error(line)
		}
	}
}

func TestPreStartForgetsGPUsThatAreGone(t *testing.T) {
	r := newRig(t)
	r.allRulesThere()
	r.docker.image = "x"
	r.put("/var/cache/ecs/ecs-agent.tar", "x")
	r.put("/var/cache/ecs/state", "1")
	r.put("/var/lib/ecs/gpu/nvidia-gpu-info.json", "{}")
	if err := PreStart(t.Context(), r.Host); err != nil || r.content("/var/lib/ecs/gpu/nvidia-gpu-info.json") != "" {
		t.Errorf("%v", err)
	}
}

func TestEBSDirectoryIsNotEssential(t *testing.T) {
	r := newRig(t)
	r.allRulesThere()
	r.docker.image = "x"
	r.put("/mnt", "a file")
	r.put("/var/cache/ecs/ecs-agent.tar", "x")
	r.put("/var/cache/ecs/state", "1")
	if err := PreStart(t.Context(), r.Host); err != nil {
		t.Error(err)
	}
}

// published serves the image of the agent for this architecture.
func published(t *testing.T, r *rig, image string) {
	t.Helper()
	release.Version = "1.2.3"
	t.Cleanup(func() { release.Version = "" })
	key := map[string]string{"amd64": "/ecs-agent-v1.2.3.tar", "arm64": "/ecs-agent-arm64-v1.2.3.tar"}[runtime.GOARCH]
	sum := sha256.Sum256([]byte("downloaded"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case key:
			_, _ = io.WriteString(w, image)
		case key + ".sha256":
			_, _ = io.WriteString(w, hex.EncodeToString(sum[:]))
		default:
			http.NotFound(w, req)
		}
	}))
	t.Cleanup(server.Close)
	r.env["ECS_INIT_DOWNLOAD_URL"] = server.URL
}

func TestWhatPreStartDoesWithTheCache(t *testing.T) {
	cases := []struct {
		state, cached, loaded string
		published             string
		image, calls, err     string
	}{
		{"1", "c", "l", "", "l", "[]", ""},
		{"1", "c", "", "", "c", "[load c]", ""},
		{"2", "c", "l", "", "c", "[load c]", ""},
		{"2", "c", "", "", "c", "[load c]", ""},
		{"0", "c", "", "downloaded", "downloaded", "[load downloaded]", ""},
		{"0", "c", "l", "downloaded", "downloaded", "[load downloaded]", ""},
		{"1", "", "", "downloaded", "downloaded", "[load downloaded]", ""},
		{"0", "c", "", "tampered", "", "[]", "does not match expected checksum"},
		{"0", "c", "l", "tampered", "l", "[]", ""}, // the host has an agent, and keeps it
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("state %s, cached %q, loaded %q, published %q", c.state, c.cached, c.loaded, c.published), func(t *testing.T) {
			r := newRig(t)
			r.allRulesThere()
			published(t, r, c.published)
			r.docker.image = c.loaded
			r.put("/var/cache/ecs/state", c.state)
			if c.cached != "" {
				r.put("/var/cache/ecs/ecs-agent.tar", c.cached)
			}
			err := PreStart(t.Context(), r.Host)
			if (c.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v", err)
			}
			if r.docker.image != c.image || fmt.Sprint(r.docker.calls) != c.calls {
				t.Errorf("image %q, calls %v", r.docker.image, r.docker.calls)
			}
			wantState := "1"
			if c.published == "tampered" {
				wantState = c.state
			}
			if got := r.content("/var/cache/ecs/state"); got != wantState {
				t.Errorf("state %q", got)
			}
		})
	}
}

// silence is a network that swallows every packet.
type silence struct{}

func (silence) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestAHostWithoutANetworkSoonUsesTheImageItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.allRulesThere()
		release.Version = "1.2.3"
		defer func() { release.Version = "" }()
		r.env["ECS_INIT_DOWNLOAD_URL"] = "http://mirror.example"
		r.Host.HTTP = &http.Client{Transport: silence{}}
		r.docker.image = "l"
		begin := time.Now()
		err := PreStart(t.Context(), r.Host)
		if took := time.Since(begin); err != nil || took > time.Minute {
			t.Errorf("%v after %s", err, took)
		}
		if r.docker.image != "l" || !r.logged("going on with the image of the agent that Docker has") {
			t.Errorf("image %q, log\n%s", r.docker.image, r.log)
		}
	})
}

func TestReloadCache(t *testing.T) {
	for _, c := range []struct{ state, want string }{{"0", "downloaded"}, {"1", "c"}, {"2", "c"}, {"7", "c"}} {
		r := newRig(t)
		published(t, r, "downloaded")
		r.docker.image = "running"
		r.put("/var/cache/ecs/ecs-agent.tar", "c")
		r.put("/var/cache/ecs/state", c.state)
		if err := ReloadCache(t.Context(), r.Host); err != nil || r.docker.image != c.want || r.content("/var/cache/ecs/state") != "1" {
			t.Errorf("state %s: %v, image %q", c.state, err, r.docker.image)
		}
		if slices.Contains(r.docker.calls, "stop") || len(r.ran) > 0 {
			t.Errorf("calls %v, ran %v", r.docker.calls, r.ran)
		}
	}
}

func TestStart(t *testing.T) {
	r := newRig(t)
	code, err := Start(t.Context(), r.Host)
	if want := "[remove create ecs-agent init true start]"; code != 0 || err != nil || fmt.Sprint(r.docker.calls) != want {
		t.Errorf("code %d, %v, calls %v", code, err, r.docker.calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.Host.Connect = func(ctx context.Context) (Docker, error) { cancel(); return nil, ctx.Err() }
	if code, err := Start(ctx, r.Host); code != 0 || err != nil {
		t.Errorf("told to end while it connects: code %d, %v", code, err)
	}
}

func TestStop(t *testing.T) {
	r := newRig(t)
	if err := Stop(t.Context(), r.Host); err != nil || len(r.docker.calls) > 0 || !r.logged("No running Agent to stop") {
		t.Errorf("%v, calls %v", err, r.docker.calls)
	}
	r.docker.running = true
	if err := Stop(t.Context(), r.Host); err != nil || fmt.Sprint(r.docker.calls) != "[stop]" {
		t.Errorf("%v, calls %v", err, r.docker.calls)
	}
	if len(r.ran) > 0 {
		t.Errorf("stop ran %v", r.ran)
	}
}

func TestPostStopNeedsNoDaemon(t *testing.T) {
	r := newRig(t)
	r.Host.Connect = nil
	if err := PostStop(t.Context(), r.Host); err != nil {
		t.Error(err)
	}
	if len(r.ran) < 3 || r.ran[0] != "sysctl net.ipv4.conf.default.route_localnet" || r.ran[1] != "sysctl -w net.ipv4.conf.all.route_localnet=0" || !strings.HasPrefix(r.ran[2], "iptables") {
		t.Errorf("ran %v", r.ran)
	}
}

func TestPostStopGoesOnAfterAFailure(t *testing.T) {
	r := newRig(t)
	r.fail = func(line string) error {
		if strings.HasPrefix(line, "sysctl") {
			return errors.New("boom")
		}
		return nil
	}
	if err := PostStop(t.Context(), r.Host); err == nil || err.Error() != "could not restore loopback routing: boom" {
		t.Errorf("%v", err)
	}
	if !slices.ContainsFunc(r.ran, func(line string) bool { return strings.HasPrefix(line, "iptables") }) {
		t.Errorf("ran %v", r.ran)
	}
	t.Setenv("PATH", t.TempDir())
	r = &rig{t: t, Host: r.Host, log: r.log}
	if err := PostStop(t.Context(), r.Host); err == nil {
		t.Error("no error")
	}
}

func TestRegion(t *testing.T) {
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "100")
			_, _ = io.WriteString(w, "token")
			return
		}
		_, _ = io.WriteString(w, `{"region":"ap-south-1"}`)
	}))
	defer metadata.Close()
	cases := []struct {
		name       string
		env, files map[string]string
		want       string
	}{
		{"configured for ecs-init", map[string]string{"AWS_DEFAULT_REGION": "eu-west-1", "ECS_EXTERNAL": "true"}, nil, "eu-west-1"},
		{"configured for the agent", nil, map[string]string{"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"},
		{"outside EC2 without one", map[string]string{"ECS_EXTERNAL": "true"}, nil, "us-east-1"},
		{"of the instance", map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.URL}, nil, "ap-south-1"},
		{"without metadata", map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, nil, "us-east-1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := Host{Process: func(name string) string { return c.env[name] }}
			if got := h.region(t.Context(), c.files); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

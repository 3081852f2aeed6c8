package settings

import (
	"encoding/json"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/ecs-init/hosttest"
)

// hostWith makes a file system with the given files.
func hostWith(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		hosttest.Put(t, root, name, content)
	}
	return root
}

func TestLoadMergesTheFiles(t *testing.T) {
	content, err := os.ReadFile("testdata/files.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Instance, User string
		Variables      Files
	}
	if err := json.Unmarshal(content, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		root := hostWith(t, map[string]string{instanceFile: c.Instance, userFile: c.User})
		if diff := cmp.Diff(c.Variables, Load(root)); diff != "" {
			t.Errorf("%q and %q: %s", c.Instance, c.User, diff)
		}
	}
}

func TestParseReadsLikeSystemd(t *testing.T) {
	cases := []struct {
		name, text string
		want       map[string]string
	}{
		{"blanks around = belong to name and value", "A = b", map[string]string{"A ": " b"}},
		{"quotes around the whole value go", "A=\"b c\"\nB='d'\nC=\"\"", map[string]string{"A": "b c", "B": "d", "C": ""}},
		{"other quotes stay", "A=\"b\nB={\"x\":\"y\"}\nC=\"d'", map[string]string{"A": "\"b", "B": `{"x":"y"}`, "C": "\"d'"}},
		{"comments are skipped", "# A=b\n  #C=d\nE=#f", map[string]string{"E": "#f"}},
		{"no expansion, no export", "A=$B\nexport C=d", map[string]string{"A": "$B", "export C": "d"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, _ := parse(c.text)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseNotesNoValues(t *testing.T) {
	_, notes := parse(`SECRET="swordfish"`)
	if diff := cmp.Diff([]string{"removed the quotes around the value of SECRET"}, notes); diff != "" {
		t.Error(diff)
	}
}

func TestGPUSupportNeedsADevice(t *testing.T) {
	for _, name := range []string{instanceFile, userFile} {
		root := hostWith(t, map[string]string{name: "ECS_ENABLE_GPU_SUPPORT=true\nECS_CLUSTER=a\n"})
		if files := Load(root); files.GPU() || files["ECS_CLUSTER"] != "a" {
			t.Errorf("%s without a device: %v", name, files)
		}
		hosttest.Put(t, root, "/dev/nvidiactl", "")
		if files := Load(root); !files.GPU() {
			t.Errorf("%s with a device: %v", name, files)
		}
	}
	if (Files{"ECS_ENABLE_GPU_SUPPORT": "True"}).GPU() {
		t.Error("only the exact word true counts")
	}
}

func TestLoadWaitingGivesDevicesTimeToAppear(t *testing.T) {
	root := hostWith(t, map[string]string{instanceFile: "ECS_ENABLE_GPU_SUPPORT=true\n"})
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if LoadWaiting(t.Context(), root).GPU() {
			t.Error("GPU support without a device")
		}
		if waited := time.Since(begin); waited != 30*time.Second {
			t.Errorf("waited %s", waited)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		time.AfterFunc(7*time.Second, func() { hosttest.Put(t, root, "/dev/nvidia0", "") })
		if !LoadWaiting(t.Context(), root).GPU() {
			t.Error("no GPU support although a device appeared")
		}
		if waited := time.Since(begin); waited != 9*time.Second {
			t.Errorf("waited %s", waited)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		LoadWaiting(t.Context(), hostWith(t, map[string]string{userFile: "A=b"}))
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("waited %s without GPU support", waited)
		}
	})
}

func TestProcess(t *testing.T) {
	env := map[string]string{}
	p := Process(func(name string) string { return env[name] })
	if p.External() || p.Privileged() || p.GMSA() || p.HostPID() || p.SkipLocalhostFilter() || p.AllowOffhostIntrospection() {
		t.Error("something is on by default")
	}
	if path, explicit := p.DockerSocket(); path != defaultDockerSocket || explicit {
		t.Errorf("socket %q %t", path, explicit)
	}
	if p.AppArmorProfile() != "ecs-agent-default" || p.GMSASocket() != "/var/credentials-fetcher/socket/credentials_fetcher.sock" {
		t.Errorf("defaults %q %q", p.AppArmorProfile(), p.GMSASocket())
	}

	env = map[string]string{"ECS_EXTERNAL": "True", "ECS_AGENT_RUN_PRIVILEGED": "1", "ECS_GMSA_SUPPORTED": "TRUE",
		"ECS_SKIP_LOCALHOST_TRAFFIC_FILTER": "yes", "ECS_AGENT_APPARMOR_PROFILE": "  "}
	if p.External() || p.Privileged() || p.GMSA() || p.SkipLocalhostFilter() || p.AppArmorProfile() != "ecs-agent-default" {
		t.Error("a value of the wrong form counts")
	}
	env = map[string]string{"ECS_EXTERNAL": "true", "ECS_AGENT_RUN_PRIVILEGED": "true", "ECS_GMSA_SUPPORTED": "true",
		"ECS_AGENT_PID_NAMESPACE_HOST": "t", "ECS_SKIP_LOCALHOST_TRAFFIC_FILTER": "1", "ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS": "TRUE",
		"ECS_AGENT_APPARMOR_PROFILE": "unconfined", "CREDENTIALS_FETCHER_HOST": "unix:///run/cf.sock", "DOCKER_HOST": "unix:///run/d.sock"}
	if !p.External() || !p.Privileged() || !p.GMSA() || !p.HostPID() || !p.SkipLocalhostFilter() || !p.AllowOffhostIntrospection() {
		t.Error("something is off")
	}
	if path, explicit := p.DockerSocket(); path != "/run/d.sock" || !explicit {
		t.Errorf("socket %q %t", path, explicit)
	}
	if p.AppArmorProfile() != "unconfined" || p.GMSASocket() != "/run/cf.sock" {
		t.Errorf("values %q %q", p.AppArmorProfile(), p.GMSASocket())
	}
}

func FuzzParse(f *testing.F) {
	f.Add("ECS_CLUSTER=prod\n#x=y\nA=\"b\"\r\n=\n==")
	f.Fuzz(func(t *testing.T, text string) {
		variables, _ := parse(text)
		for name := range variables {
			if name != "" && name[0] == '#' {
				t.Errorf("a comment became the variable %q", name)
			}
		}
	})
}

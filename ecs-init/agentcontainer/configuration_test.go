package agentcontainer

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/ecs-init/hosttest"
	"github.com/aws/amazon-ecs-agent/ecs-init/settings"
)

// hostWith makes a file system; paths that end in / are directories.
func hostWith(t *testing.T, files map[string]string, paths ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, path := range paths {
		dir := path
		if !strings.HasSuffix(path, "/") {
			dir = filepath.Dir(path)
		}
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if dir != path {
			if err := os.WriteFile(filepath.Join(root, path), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, content := range files {
		hosttest.Put(t, root, name, content)
	}
	return root
}

func processOf(env map[string]string) settings.Process {
	return func(name string) string { return env[name] }
}

// realm is a host that is joined to a domain or not.
func realm(joined bool) func(context.Context, string, ...string) (string, error) {
	return func(_ context.Context, name string, args ...string) (string, error) {
		if name != "realm" || !slices.Equal(args, []string{"list"}) {
			return "", errors.New("unexpected command " + name)
		}
		if joined {
			return "example.com\n  realm-name: EXAMPLE.COM\n", nil
		}
		return "", nil
	}
}

func TestConfigurationOfWholeHosts(t *testing.T) {
	var cases []struct {
		Name           string
		Process, Files map[string]string
		Paths          []string
		DockerAPI      string
		Realm          bool
		Create         map[string]any
	}
	goldenfile.Read(t, "testdata/create.json", &cases)
	if len(cases) < 7 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			root := hostWith(t, c.Files, c.Paths...)
			config, host := Configuration(t.Context(), Situation{
				Root: root, Process: processOf(c.Process), Files: settings.Load(root), TaskENI: c.DockerAPI >= "1.25", Run: realm(c.Realm),
			})
			got := map[string]any{}
			for _, part := range []any{config, map[string]any{"HostConfig": host}} {
				content, err := json.Marshal(part)
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(content, &got); err != nil {
					t.Fatal(err)
				}
			}
			unordered := cmpopts.SortSlices(func(a, b any) bool { return a.(string) < b.(string) })
			if diff := cmp.Diff(c.Create, prune(got), unordered); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// prune drops what Docker takes for not given: nulls, zeros, empty strings, lists and objects.
func prune(object map[string]any) map[string]any {
	pruned := map[string]any{}
	for key, value := range object {
		switch v := value.(type) {
		case nil:
			continue
		case bool:
			if !v {
				continue
			}
		case float64:
			if v == 0 {
				continue
			}
		case string:
			if v == "" {
				continue
			}
		case []any:
			if len(v) == 0 || key == "ConsoleSize" {
				continue
			}
		case map[string]any:
			if v = prune(v); len(v) == 0 {
				continue
			}
			value = v
		}
		pruned[key] = value
	}
	return pruned
}

func TestWhatIsMissingOnTheHostIsNotBound(t *testing.T) {
	root := hostWith(t, nil, "/lib/", "/lib64", "/sbin/")
	_, host := Configuration(t.Context(), Situation{
		Root: root, Process: processOf(nil), Files: settings.Files{"ECS_GMSA_SUPPORTED": "true", "ECS_ENABLE_GPU_SUPPORT": "true"}, TaskENI: true, Run: realm(false)})
	want := []string{
		"/var/run:/var/run", "/var/log/ecs:/log", "/var/lib/ecs/data:/data", "/etc/ecs:/etc/ecs", "/var/cache/ecs:/var/cache/ecs",
		"/sys/fs/cgroup:/sys/fs/cgroup", "/var/lib/ecs:/var/lib/ecs", "/var/log/ecs/exec:/log/exec",
		"/run/docker/plugins:/run/docker/plugins:ro", "/proc:/host/proc:ro", "/lib:/lib:ro", "/sbin:/host/sbin:ro",
	}
	if diff := cmp.Diff(want, host.Binds); diff != "" {
		t.Error(diff)
	}
}

func TestDockerSocketBind(t *testing.T) {
	var cases []struct {
		Process string `json:"process_DOCKER_HOST"`
		File    string `json:"file_DOCKER_HOST"`
		Bind    string
	}
	goldenfile.Read(t, "testdata/docker-socket.json", &cases)
	for _, c := range cases {
		source, target := dockerSocket(processOf(map[string]string{"DOCKER_HOST": c.Process}), settings.Files{"DOCKER_HOST": c.File})
		if got := source + ":" + target; got != c.Bind {
			t.Errorf("process %q, file %q: %s, want %s", c.Process, c.File, got, c.Bind)
		}
	}
}

func TestLogConfig(t *testing.T) {
	var cases []struct {
		Env    map[string]string
		Type   string
		Config map[string]string
	}
	goldenfile.Read(t, "testdata/log-config.json", &cases)
	for _, c := range cases {
		got := logConfig(processOf(c.Env))
		if diff := cmp.Diff(c.Config, got.Config); got.Type != c.Type || diff != "" {
			t.Errorf("%v: %s %s", c.Env, got.Type, diff)
		}
	}
	if got := logConfig(processOf(map[string]string{"ECS_LOG_OPTS": "null"})); got.Config["max-size"] != "16m" {
		t.Errorf("null options: %v", got)
	}
}

func TestOSFamily(t *testing.T) {
	var cases []struct {
		Release *string `json:"os_release"`
		Family  string
	}
	goldenfile.Read(t, "testdata/os-family.json", &cases)
	for _, c := range cases {
		files := map[string]string{}
		if c.Release != nil {
			files["/etc/os-release"] = *c.Release
		}
		if got := (host{hostWith(t, files)}).system().family; got != c.Family {
			t.Errorf("%v: %s, want %s", c.Release, got, c.Family)
		}
	}
}

func TestCertificatesByOperatingSystem(t *testing.T) {
	cases := map[string]string{
		"ID=\"amzn\"\nVERSION_ID=\"2023\"":             "/etc/pki/tls/certs",
		"ID=debian":                                    "/etc/ssl/certs",
		"ID=linuxmint\nID_LIKE=\"ubuntu debian\"":      "/etc/ssl/certs",
		"ID=\"opensuse-leap\"\nID_LIKE=\"suse linux\"": "/etc/ssl/certs",
		"ID=chainguard":                                "/etc/ssl/certs",
		"ID=fedora":                                    "",
		"ID=\"rhel\"\nID_LIKE=\"fedora\"":              "",
	}
	for release, want := range cases {
		if got := (host{hostWith(t, map[string]string{"/etc/os-release": release})}).system().certificates; got != want {
			t.Errorf("%q: %q, want %q", release, got, want)
		}
	}
}

func TestCgroupsAreFoundWhereTheyAre(t *testing.T) {
	for _, c := range []struct {
		want  string
		paths []string
	}{
		{"/sys/fs/cgroup", nil},
		{"/sys/fs/cgroup", []string{"/sys/fs/cgroup/cpu/", "/cgroup/cpu/"}},
		{"/cgroup", []string{"/sys/fs/cgroup/", "/cgroup/cpu/"}},
		{"/sys/fs/cgroup", []string{"/sys/fs/cgroup/", "/cgroup/"}},
	} {
		if got := (host{hostWith(t, nil, c.paths...)}).cgroups(); got != c.want {
			t.Errorf("%v: %s", c.paths, got)
		}
	}
}

func TestLabels(t *testing.T) {
	for text, want := range map[string]map[string]string{
		"": nil, "{}": nil, "null": nil, `{"a":1}`: nil, "junk": nil, `{"a":"b"}`: {"a": "b"},
	} {
		if diff := cmp.Diff(want, labels(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestTheDomainIsOnlyAskedForWithGMSA(t *testing.T) {
	env := func(process map[string]string, run func(context.Context, string, ...string) (string, error)) []string {
		config, _ := Configuration(t.Context(), Situation{Root: t.TempDir(), Process: processOf(process), Run: run})
		return config.Env
	}
	const joined = "ECS_DOMAIN_JOINED_LINUX_INSTANCE=true"
	on := map[string]string{"ECS_GMSA_SUPPORTED": "true"}
	fails := func(context.Context, string, ...string) (string, error) { return "realm-name", errors.New("no realmd") }
	if !slices.Contains(env(on, realm(true)), joined) {
		t.Error("not recognised")
	}
	if slices.Contains(env(on, realm(false)), joined) || slices.Contains(env(on, fails), joined) || slices.Contains(env(nil, realm(true)), joined) {
		t.Error("wrongly recognised")
	}
}

func FuzzParseRelease(f *testing.F) {
	f.Add("ID=\"a\"\nVERSION_ID='1'\nID_LIKE=b c\n")
	f.Fuzz(func(_ *testing.T, text string) { parseRelease(text).is("debian") })
}

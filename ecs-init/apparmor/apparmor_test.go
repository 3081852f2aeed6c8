package apparmor

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/hosttest"
)

func supportingHost(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	hosttest.Put(t, root, "/sys/kernel/security/apparmor/profiles", "docker-default (enforce)\n")
	hosttest.Put(t, root, "/sbin/apparmor_parser", "")
	hosttest.Put(t, root, "/sys/module/apparmor/parameters/enabled", "Y\n")
	return root
}

func none(string) string { return "" }

func TestSupported(t *testing.T) {
	if !Supported(supportingHost(t), none) {
		t.Error("not supported")
	}
	inContainer := func(name string) string { return map[string]string{"container": "lxc"}[name] }
	if Supported(supportingHost(t), inContainer) {
		t.Error("supported inside a container")
	}
	for _, missing := range []string{"/sys/kernel/security/apparmor", "/sbin/apparmor_parser", "/sys/module/apparmor/parameters/enabled"} {
		root := supportingHost(t)
		if err := os.RemoveAll(filepath.Join(root, missing)); err != nil {
			t.Fatal(err)
		}
		if Supported(root, none) {
			t.Errorf("supported without %s", missing)
		}
	}
	root := supportingHost(t)
	hosttest.Put(t, root, "/sys/module/apparmor/parameters/enabled", "N\n")
	if Supported(root, none) {
		t.Error("supported although off")
	}
}

// ruleLines are the rules of a profile without comments, blanks at the ends and commas.
func ruleLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(strings.TrimSpace(line), ",")
		if line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestProfile(t *testing.T) {
	var want struct{ Flags, Rules []string }
	content, err := os.ReadFile("testdata/profile.json")
	if err == nil {
		err = json.Unmarshal(content, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	bare := profile(root)
	head, body, _ := strings.Cut(bare, "{\n")
	body, _, closed := strings.Cut(body, "\n}")
	if wantHead := "@{PROC}=/proc/\n\nprofile ecs-agent-default flags=(" + strings.Join(want.Flags, ",") + ") "; head != wantHead || !closed {
		t.Errorf("head %q", head)
	}
	if diff := cmp.Diff(want.Rules, ruleLines(body)); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(bare, "#include") {
		t.Error("includes what the host does not have")
	}

	hosttest.Put(t, root, "/etc/apparmor.d/tunables/global", "")
	hosttest.Put(t, root, "/etc/apparmor.d/abstractions/base", "")
	full := profile(root)
	if !strings.HasPrefix(full, "#include <tunables/global>\n") || !strings.Contains(full, "{\n  #include <abstractions/base>\n") || strings.Contains(full, "@{PROC}=") {
		t.Error(full)
	}
}

func TestTheParserTakesTheProfile(t *testing.T) {
	parser, err := exec.LookPath("apparmor_parser")
	if err != nil {
		t.Skip("apparmor_parser is not installed")
	}
	roots := []string{t.TempDir(), "/"} // without and with the includes of this host
	for _, root := range roots {
		file := filepath.Join(t.TempDir(), ProfileName)
		if err := os.WriteFile(file, []byte(profile(root)), 0o644); err != nil {
			t.Fatal(err)
		}
		// -Q: do not load, -K: no cache.
		if out, err := exec.Command(parser, "-QK", file).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

func TestLoad(t *testing.T) {
	root := supportingHost(t)
	var ran []string
	run := func(_ context.Context, name string, args ...string) (string, error) {
		ran = append(ran, name+" "+strings.Join(args, " "))
		return "", nil
	}
	for range 2 {
		if err := Load(t.Context(), root, run); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"apparmor_parser -Kr /etc/apparmor.d/ecs-agent-default", "apparmor_parser -Kr /etc/apparmor.d/ecs-agent-default"}, ran); diff != "" {
		t.Error(diff)
	}
	if content, err := os.ReadFile(filepath.Join(root, "/etc/apparmor.d/ecs-agent-default")); err != nil || string(content) != profile(root) {
		t.Errorf("%q, %v", content, err)
	}
}

func TestLoadFails(t *testing.T) {
	root := supportingHost(t)
	run := func(context.Context, string, ...string) (string, error) {
		return "some ", &command.Error{Stdout: "some ", Stderr: "syntax error", Cause: errors.New("exit status 1")}
	}
	want := "error loading apparmor profile /etc/apparmor.d/ecs-agent-default: running `apparmor_parser -Kr /etc/apparmor.d/ecs-agent-default` failed with output: some syntax error\nerror: exit status 1"
	if err := Load(t.Context(), root, run); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if err := os.Remove(filepath.Join(root, "/sys/kernel/security/apparmor/profiles")); err != nil {
		t.Fatal(err)
	}
	if err := Load(t.Context(), root, run); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

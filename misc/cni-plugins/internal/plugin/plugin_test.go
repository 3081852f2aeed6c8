package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	types040 "github.com/containernetworking/cni/pkg/types/040"
	"github.com/google/go-cmp/cmp"
)

// run runs a plugin of a family that fails, panics or succeeds as its configuration says.
func run(t *testing.T, family Family, env map[string]string, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	act := func(call *Call) error {
		switch {
		case bytes.Contains(call.Stdin, []byte("fail")):
			return errors.New("it failed")
		case bytes.Contains(call.Stdin, []byte("panic")):
			panic("lost")
		}
		return nil
	}
	p := &Plugin{
		Name: "test", Family: family, Capabilities: []string{CapabilityAWSVPC}, LogFile: filepath.Join(t.TempDir(), "no", "log"),
		Add: func(_ context.Context, call *Call) (*types040.Result, error) {
			address := &net.IPNet{IP: net.IPv4(10, 0, 0, 5).To4(), Mask: net.CIDRMask(24, 32)}
			return &types040.Result{
				Interfaces: []*types040.Interface{{Name: call.IfName}}, IPs: []*types040.IPConfig{IPConfig(address, net.IPv4(10, 0, 0, 1), 0)},
			}, act(call)
		},
		Del: func(_ context.Context, call *Call) error { return act(call) },
	}
	var out, errs bytes.Buffer
	code = p.Run(Process{Args: args, Getenv: func(n string) string { return env[n] }, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

func command(name string) map[string]string {
	return map[string]string{"CNI_COMMAND": name, "CNI_NETNS": "/n", "CNI_IFNAME": "eth0", "CNI_PATH": "/p"}
}

func TestCommands(t *testing.T) {
	failed := func(msg string) string { return `{"code":100,"msg":"` + msg + `"}` }
	for _, c := range []struct {
		name   string
		family Family
		env    map[string]string
		stdin  string
		code   int
		want   string // JSON, empty for nothing
		stderr string
	}{
		{name: "ADD prints the result", family: ECS, env: command("ADD"), stdin: `{"cniVersion":"0.3.0"}`,
			want: `{"interfaces":[{"name":"eth0"}],"ips":[{"version":"4","interface":0,"address":"10.0.0.5/24","gateway":"10.0.0.1"}],"dns":{}}`},
		{name: "ADD of a newer version", family: VPC, env: command("ADD"), stdin: `{"cniVersion":"1.0.0"}`,
			want: `{"cniVersion":"1.0.0","interfaces":[{"name":"eth0"}],"ips":[{"interface":0,"address":"10.0.0.5/24","gateway":"10.0.0.1"}]}`},
		{name: "ADD of a version between", family: VPC, env: command("ADD"), stdin: `{"cniVersion":"0.3.1"}`,
			want: `{"cniVersion":"0.3.1","interfaces":[{"name":"eth0"}],"ips":[{"version":"4","interface":0,"address":"10.0.0.5/24","gateway":"10.0.0.1"}],"dns":{}}`},
		{name: "DEL prints nothing", family: ECS, env: command("DEL"), stdin: `{"cniVersion":"0.3.0"}`},
		{name: "DEL needs no namespace", family: ECS, env: map[string]string{"CNI_COMMAND": "DEL", "CNI_IFNAME": "e", "CNI_PATH": "/"}, stdin: `{"cniVersion":"0.3.0"}`},
		{name: "an error", family: ECS, env: command("ADD"), stdin: `{"cniVersion":"0.3.0","x":"fail"}`, code: 1, want: failed("it failed")},
		{name: "a panic is an error", family: ECS, env: command("DEL"), stdin: `{"cniVersion":"0.3.0","x":"panic"}`, code: 1, want: failed("test: internal error: lost")},
		{name: "no version", family: ECS, env: command("ADD"), stdin: `{}`, code: 1,
			want: `{"code":1,"msg":"incompatible CNI versions","details":"config is \"0.1.0\", plugin supports [\"0.3.0\"]"}`},
		{name: "a version of the other family", family: ECS, env: command("ADD"), stdin: `{"cniVersion":"0.4.0"}`, code: 1,
			want: `{"code":1,"msg":"incompatible CNI versions","details":"config is \"0.4.0\", plugin supports [\"0.3.0\"]"}`},
		{name: "no JSON", family: ECS, env: command("ADD"), stdin: `{`, code: 1, want: failed("decoding version from network config: unexpected end of JSON input")},
		{name: "VERSION", family: ECS, env: map[string]string{"CNI_COMMAND": "VERSION"}, want: `{"cniVersion":"0.3.0","supportedVersions":["0.3.0"]}`},
		{name: "VERSION of the newer family", family: VPC, env: map[string]string{"CNI_COMMAND": "VERSION"},
			want: `{"cniVersion":"1.0.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0"]}`},
		{name: "an unknown command", family: ECS, env: command("CHECK"), code: 1, want: failed("unknown CNI_COMMAND: CHECK")},
		{name: "no command", family: ECS, code: 1, want: failed("required env variables missing"), stderr: "CNI_COMMAND env variable missing\n"},
		{name: "missing variables are all named", family: ECS, env: map[string]string{"CNI_COMMAND": "ADD"}, code: 1, want: failed("required env variables missing"),
			stderr: "CNI_NETNS env variable missing\nCNI_IFNAME env variable missing\nCNI_PATH env variable missing\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := run(t, c.family, c.env, c.stdin)
			if code != c.code || stderr != c.stderr {
				t.Errorf("exit code %d, stderr %q, want %d, %q", code, stderr, c.code, c.stderr)
			}
			if c.want == "" {
				if stdout != "" {
					t.Errorf("printed %q, want nothing", stdout)
				}
				return
			}
			if diff := cmp.Diff(value(t, c.want), value(t, stdout)); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			if !strings.Contains(stdout, "\n    \"") {
				t.Errorf("output is not indented by 4: %q", stdout)
			}
		})
	}
}

func value(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

func TestProbes(t *testing.T) {
	for _, c := range []struct {
		name   string
		family Family
		args   []string
		code   int
		want   string
	}{
		{"capabilities", ECS, []string{"--capabilities"}, 0, `{"capabilities":["awsvpc-network-mode"]}` + "\n"},
		{"version of the strict family", ECS, []string{"--version"}, 0, `{"version":"1.0.0","dirty":false,"gitShortHash":"unknown"}` + "\n"},
		{"version of the other", VPC, []string{"--version"}, 0, `{"version":"1.0.0","gitShortHash":"unknown","built":""}` + "\n"},
		{"an unknown flag", VPC, []string{"--color"}, 2, ""},
		{"help", VPC, []string{"--help"}, 0, ""},
		{"no flag at all", VPC, []string{"version"}, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Variables of a call do not matter then.
			if code, stdout, _ := run(t, c.family, command("ADD"), "", c.args...); code != c.code || stdout != c.want {
				t.Errorf("exit code %d, output %q, want %d, %q", code, stdout, c.code, c.want)
			}
		})
	}
}

func TestLogLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openLog(path, "/nowhere", "warn")
	l.Info("not this")
	l.Warn("first")
	l.With("netns", "/n", "ifname", "eth0")
	l.Error(`second "quoted"`)
	l.close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, want := range []string{"[WARN] first", `[ERROR] msg="second \"quoted\"" netns=/n ifname=eth0`, ""} {
		stamp, rest, _ := strings.Cut(lines[i], " ")
		if _, err := time.Parse(time.RFC3339, stamp); rest != want || want != "" && err != nil {
			t.Errorf("line %q, want a time and %q", lines[i], want)
		}
	}
}

// A log that cannot be opened is no reason to fail.
func TestNoLog(t *testing.T) {
	env := command("ADD")
	env["ECS_CNI_LOG_FILE"] = "/dev/null/log"
	if code, stdout, stderr := run(t, ECS, env, `{"cniVersion":"0.3.0"}`); code != 0 || stderr != "" || !strings.HasPrefix(stdout, "{") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
}

func TestLogsOfPastHours(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	now := time.Date(2026, 5, 4, 3, 30, 0, 0, time.UTC)
	for hour := range 30 {
		touch(t, path, now.Add(time.Duration(hour-30)*time.Hour))
		(&Log{path: path}).rotate(now)
		(&Log{path: path}).rotate(now) // another process: nothing left to do
	}
	touch(t, path, now.Add(-20*time.Minute))
	(&Log{path: path}).rotate(now)
	kept, err := filepath.Glob(path + ".*")
	if err != nil || len(kept) != keptHours || kept[0] != path+".2026-05-03-03" || kept[23] != path+".2026-05-04-02" {
		t.Errorf("kept %d: %v (%v)", len(kept), kept, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the log of this hour is gone: %v", err)
	}
}

func touch(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

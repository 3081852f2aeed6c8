package hostnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/settings"
)

// fakeTables behaves like iptables and ip6tables, as far as it is used here.
type fakeTables struct {
	rules   map[string][]string // by program, table and chain
	changes []string            // as typed, without -w
	fail    func(line string) error
}

func (f *fakeTables) run(_ context.Context, program string, args ...string) (string, error) {
	if args[0] != "-w" || args[1] != "-t" {
		return "", fmt.Errorf("unexpected arguments %v", args)
	}
	table, operation, chain, spec := args[2], args[3], args[4], strings.Join(args[5:], " ")
	line := program + " " + strings.Join(args[1:], " ")
	if f.fail != nil {
		if err := f.fail(line); err != nil {
			return "", err
		}
	}
	key := program + " " + table + " " + chain
	rules := f.rules[key]
	at := slices.Index(rules, spec)
	switch operation {
	case "-C":
		if at < 0 {
			return "", absent()
		}
		return "", nil
	case "-S":
		var b strings.Builder
		for _, r := range rules {
			b.WriteString("-A " + chain + " " + normal(r) + "\n")
		}
		return b.String(), nil
	case "-A":
		f.rules[key] = append(rules, spec)
	case "-I":
		f.rules[key] = slices.Insert(rules, 0, spec)
	case "-D":
		if at < 0 {
			return "", absent()
		}
		f.rules[key] = slices.Delete(rules, at, at+1)
	}
	f.changes = append(f.changes, line)
	return "", nil
}

// normal is how iptables lists the rule for a bridge.
func normal(spec string) string {
	rest, bridge, ok := strings.Cut(spec, "-p tcp --dport 51678 -i ")
	if !ok || rest != "" {
		return spec
	}
	return "-i " + strings.TrimSuffix(bridge, " -j ACCEPT") + " -p tcp -m tcp --dport 51678 -j ACCEPT"
}

// absent is how a program with exit status 1 looks.
func absent() error {
	return &command.Error{Command: "iptables", Stderr: "Bad rule", Cause: exec.Command("/bin/sh", "-c", "exit 1").Run()}
}

func newTables() *fakeTables { return &fakeTables{rules: map[string][]string{}} }

// tablesHost is a host with or without IPv6 whose tables are f.
func tablesHost(t *testing.T, f *fakeTables, ipv6 bool) Firewall {
	t.Helper()
	root := t.TempDir()
	dirs := []string{"/sys/class/net/docker0/bridge", "/sys/class/net/eth0"}
	if ipv6 {
		dirs = append(dirs, "/proc/sys/net/ipv6")
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, ipv6Program), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return Firewall{Root: root, Run: f.run, Loopback: "lo"}
}

func filterOf(env map[string]string) Filter {
	p := settings.Process(func(name string) string { return env[name] })
	return Filter{SkipLocalhost: p.SkipLocalhostFilter(), AllowOffhostIntrospection: p.AllowOffhostIntrospection()}
}

func TestCommands(t *testing.T) {
	content, err := os.ReadFile("testdata/commands.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name         string
		Remove, IPv6 bool
		Env          map[string]string
		Bridge       string
		Commands     []string
	}
	if err := json.Unmarshal(content, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			tables := newTables()
			firewall := tablesHost(t, tables, c.IPv6)
			if !c.Remove {
				for range 2 { // the second time there is nothing to do
					if err := firewall.Protect(t.Context(), filterOf(c.Env), c.Bridge); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(c.Commands, tables.changes); diff != "" {
					t.Error(diff)
				}
				return
			}
			// Every rule in the list of deletions exists, twice.
			for _, line := range c.Commands {
				words := strings.Fields(strings.Replace(line, " -D ", " -I ", 1))
				for range 2 {
					if _, err := tables.run(t.Context(), words[0], append([]string{"-w"}, words[1:]...)...); err != nil {
						t.Fatal(err)
					}
				}
			}
			firewall.Remove(t.Context())
			for key, rules := range tables.rules {
				if len(rules) > 0 {
					t.Errorf("left in %s: %v", key, rules)
				}
			}
		})
	}
}

func TestProtectCompletesAPartInOrder(t *testing.T) {
	tables := newTables()
	firewall := tablesHost(t, tables, true)
	if err := firewall.Protect(t.Context(), Filter{}, "docker0"); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for key, rules := range tables.rules {
		want[key] = slices.Clone(rules)
	}
	// Somebody removed the rule in the middle of the chain.
	const chain = "iptables filter INPUT"
	tables.rules[chain] = slices.Delete(tables.rules[chain], 1, 2)
	if err := firewall.Protect(t.Context(), Filter{}, "docker0"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, tables.rules); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(tables.rules[chain][0], "ACCEPT") {
		t.Errorf("%v", tables.rules[chain])
	}
}

func TestRemoveLeavesRulesOfOthers(t *testing.T) {
	tables := newTables()
	firewall := tablesHost(t, tables, false)
	const chain = "iptables filter INPUT"
	others := []string{"-p tcp --dport 51678 -i eth0 -j ACCEPT", "-p tcp --dport 22 -j ACCEPT"}
	// The interface br-old is gone, so the rule for it can only be an old one of ecs-init.
	tables.rules[chain] = append(slices.Clone(others), "-p tcp --dport 51678 -i br-old -j ACCEPT", "-p tcp --dport 51678 -i docker0 -j ACCEPT")
	firewall.Remove(t.Context())
	if diff := cmp.Diff(others, tables.rules[chain]); diff != "" {
		t.Error(diff)
	}
}

func TestProtectStopsAtTheFirstFailure(t *testing.T) {
	tables := newTables()
	firewall := tablesHost(t, tables, false)
	boom := errors.New("boom")
	tables.fail = func(line string) error {
		if strings.Contains(line, "-I INPUT --dst") {
			return boom
		}
		return nil
	}
	if err := firewall.Protect(t.Context(), Filter{}, "docker0"); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
	if len(tables.changes) != 1 {
		t.Errorf("changes %v", tables.changes)
	}
	tables.fail = nil
	firewall.Remove(t.Context())
	if left := tables.rules["iptables nat PREROUTING"]; len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestRemoveGoesOnAfterAFailure(t *testing.T) {
	tables := newTables()
	firewall := tablesHost(t, tables, true)
	if err := firewall.Protect(t.Context(), Filter{}, "docker0"); err != nil {
		t.Fatal(err)
	}
	tables.fail = func(line string) error {
		if strings.HasPrefix(line, "iptables -t filter") {
			return errors.New("broken")
		}
		return nil
	}
	firewall.Remove(t.Context())
	for key, rules := range tables.rules {
		if broken := key == "iptables filter INPUT"; (len(rules) > 0) != broken {
			t.Errorf("%s: %v", key, rules)
		}
	}
}

func TestRemoveGivesUpOnEndlessCopies(t *testing.T) {
	tables := newTables()
	firewall := tablesHost(t, tables, false)
	deletions := 0
	firewall.Run = func(ctx context.Context, program string, args ...string) (string, error) {
		if args[3] == "-D" {
			deletions++
		}
		return "", nil
	}
	firewall.Remove(t.Context())
	if deletions != 4*mostCopies {
		t.Errorf("%d deletions", deletions)
	}
}

func TestWithoutIP6tables(t *testing.T) {
	tables := newTables()
	firewall := tablesHost(t, tables, true)
	t.Setenv("PATH", t.TempDir())
	if err := firewall.Protect(t.Context(), Filter{}, ""); err != nil {
		t.Fatal(err)
	}
	for _, line := range tables.changes {
		if strings.HasPrefix(line, "ip6tables") {
			t.Error(line)
		}
	}
}

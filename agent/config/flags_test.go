package config

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		args string
		want Flags
	}{
		{"", Flags{}},
		{"-license", Flags{License: true}},
		{"--version", Flags{Version: true}},
		{"--healthcheck", Flags{HealthCheck: true}},
		{"-ecs-attributes", Flags{ECSAttributes: true}},
		{"-windows-service", Flags{WindowsService: true}},
		{"-k -blackhole-ec2-metadata", Flags{InsecureSkipVerify: true, BlackholeEC2Metadata: true}},
		{"-loglevel debug -loglevel-driver=warn --loglevel-on-instance none", Flags{LogLevel: "debug", LogLevelDriver: "warn", LogLevelOnInstance: "none"}},
	} {
		got, err := ParseFlags(strings.Fields(c.args), io.Discard)
		if err != nil || got != c.want {
			t.Errorf("%q: got %+v, %v", c.args, got, err)
		}
	}
}

func TestBadFlagsPrintTheUsage(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"--help"}, {"-nonsense"}, {"-loglevel"}, {"-k=perhaps"}} {
		var usage bytes.Buffer
		_, err := ParseFlags(args, &usage)
		if err == nil {
			t.Errorf("%v: no error", args)
		}
		if help := args[0] == "-h" || args[0] == "--help"; errors.Is(err, flag.ErrHelp) != help {
			t.Errorf("%v: error %v", args, err)
		}
		for _, name := range []string{"-license", "-version", "-healthcheck", "-loglevel", "-loglevel-driver", "-loglevel-on-instance", "-k",
			"-blackhole-ec2-metadata", "-ecs-attributes", "-windows-service"} {
			if !strings.Contains(usage.String(), "  "+name) {
				t.Errorf("%v: usage without %s:\n%s", args, name, usage.String())
			}
		}
	}
}

func TestHealthCheckURL(t *testing.T) {
	for host, want := range map[string]string{
		"":          "http://localhost:51678/v1/metadata",
		"[::1]":     "http://[::1]:51678/v1/metadata",
		"127.0.0.1": "http://127.0.0.1:51678/v1/metadata",
	} {
		got := HealthCheckURL(func(name string) (string, bool) { return host, name == "ECS_AGENT_HEALTHCHECK_HOST" })
		if got != want {
			t.Errorf("%q: got %s", host, got)
		}
	}
}

func TestCheckDataDir(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&Config{Checkpoint: true, DataDir: dir}).CheckDataDir(os.Stat); err != nil {
		t.Error(err)
	}
	if err := (&Config{Checkpoint: true, DataDir: file}).CheckDataDir(os.Stat); err == nil || err.Error() != "path "+file+" is not a valid directory" {
		t.Errorf("file: %v", err)
	}
	if err := (&Config{Checkpoint: true, DataDir: file + "x"}).CheckDataDir(os.Stat); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if err := (&Config{DataDir: file + "x"}).CheckDataDir(os.Stat); err != nil {
		t.Errorf("without checkpointing: %v", err)
	}
}

//go:build e2e

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

func TestBadConfigurationEndsTheAgentWithAClearMessage(t *testing.T) {
	h := newHost(t)
	file := filepath.Join(h.dir, "config.json")
	h.must(os.WriteFile(file, []byte(`{"Cluster": 7}`), 0o600))
	tests := []struct {
		name string
		env  map[string]string
		args []string
		code int
		says []string
	}{
		{"no region", map[string]string{"AWS_DEFAULT_REGION": ""}, nil, 1, []string{"AWS_DEFAULT_REGION"}},
		{"odd Docker address", map[string]string{"DOCKER_HOST": "ftp://nowhere"}, nil, 1, []string{"DOCKER_HOST", "ftp://nowhere"}},
		{"missing data directory", map[string]string{"ECS_DATADIR": "/no/such/directory"}, nil, 1, []string{"/no/such/directory"}},
		{"data directory that is a file", map[string]string{"ECS_DATADIR": file}, nil, 1, []string{"path " + file + " is not a valid directory"}},
		{"odd settings file", map[string]string{"ECS_AGENT_CONFIG_FILE_PATH": file}, nil, 1, []string{file, "Cluster"}},
		{"attributes that are no JSON", map[string]string{"ECS_INSTANCE_ATTRIBUTES": "{not json"}, nil, 1, []string{"ECS_INSTANCE_ATTRIBUTES"}},
		{"unknown flag", nil, []string{"-surprise"}, 5, []string{"-surprise"}},
		{"Windows service on Linux", nil, []string{"-windows-service"}, 1, []string{"Windows"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := h.within(t)
			o := h.options()
			o.Dir, o.Env, o.Args = t.TempDir(), tc.env, tc.args
			agent, err := rig.StartAgent(o)
			h.must(err)
			defer agent.Kill()
			code, err := agent.Wait(h.ctx())
			h.must(err)
			log, err := os.ReadFile(agent.Log)
			h.must(err)
			words := string(log)
			if code != tc.code {
				t.Errorf("exit code %d, want %d; it says:\n%s", code, tc.code, words)
			}
			for _, part := range tc.says {
				if !strings.Contains(words, part) {
					t.Errorf("it does not say %q:\n%s", part, words)
				}
			}
		})
	}
}

// TestSuspiciousSettingsAreNamed has settings the agent can do without: it goes on and names them.
func TestSuspiciousSettingsAreNamed(t *testing.T) {
	h := newHost(t)
	h.env = map[string]string{
		"ECS_RESERVED_MEMORY":         "lots",
		"ECS_CONTAINER_STOP_TIMEOUT":  "1ms",
		"ECS_CONTAINER_START_TIMEOUT": "soon",
		"ECS_IMAGE_CLEANUP_INTERVAL":  "1s",
		"ECS_EBSTA_SUPPORTED":         "true",
	}
	h.start()
	for name, value := range h.env {
		if !h.logged(name) {
			t.Errorf("the log does not name %s=%s", name, value)
		}
	}
	if !h.logged("not supported yet: ECS_EBSTA_SUPPORTED") {
		t.Error("a setting without its feature is ignored silently")
	}
}

func TestStateOfAnotherClusterIsRefused(t *testing.T) {
	h := newHost(t)
	h.start()
	h.terminate()
	h.must(h.Call(h.ctx(), "CreateCluster", map[string]any{"clusterName": h.Cluster + "-other"}, nil))
	h.env = map[string]string{"ECS_CLUSTER": h.Cluster + "-other"}
	h.launch()
	code, err := h.agent.Wait(h.ctx())
	h.must(err)
	words := h.agent.LastWords()
	if code != 5 || !strings.Contains(words, "Data mismatch; saved cluster '"+h.Cluster+"' does not match configured cluster '"+h.Cluster+"-other'") {
		t.Errorf("exit code %d, it says:\n%s", code, words)
	}
}

func TestInformationFlags(t *testing.T) {
	h := newHost(t)
	for flag, says := range map[string]string{"-version": "Version: 1.", "-help": "-loglevel", "-healthcheck": "health check [HEAD"} {
		o := h.options()
		o.Dir, o.Args = t.TempDir(), []string{flag}
		agent, err := rig.StartAgent(o)
		h.must(err)
		code, err := agent.Wait(h.ctx())
		h.must(err)
		if wantZero := flag == "-version"; wantZero != (code == 0) {
			t.Errorf("%s: exit code %d", flag, code)
		}
		if words := agent.LastWords(); !strings.Contains(words, says) {
			t.Errorf("%s says:\n%s", flag, words)
		}
	}
}

// TestServiceNamesWhatIsWrong has operators' mistakes: the API's error types, with messages that name the field.
func TestServiceNamesWhatIsWrong(t *testing.T) {
	h := newHost(t)
	bad := func(change func(container map[string]any)) any {
		d := oneContainer("serve")
		change(d["containerDefinitions"].([]any)[0].(map[string]any))
		return d
	}
	tests := []struct {
		name, operation string
		in              any
		kind, says      string
	}{
		{"port too large", "RegisterTaskDefinition", bad(func(c map[string]any) { c["portMappings"] = []any{map[string]any{"containerPort": 70000}} }), "ClientException", "ort"},
		{"no memory", "RegisterTaskDefinition", bad(func(c map[string]any) { delete(c, "memory") }), "ClientException", "memory"},
		{"no image", "RegisterTaskDefinition", bad(func(c map[string]any) { delete(c, "image") }), "ClientException", "image"},
		{"no family", "RegisterTaskDefinition", map[string]any{"containerDefinitions": []any{}}, "ClientException", "amily"},
		{"unknown cluster", "RunTask", map[string]any{"cluster": "nowhere", "taskDefinition": "e2e"}, "ClusterNotFoundException", "luster"},
		{"unknown task definition", "RunTask", map[string]any{"cluster": h.Cluster, "taskDefinition": "missing"}, "ClientException", "askDefinition"},
		{"unknown task", "StopTask", map[string]any{"cluster": h.Cluster, "task": "0123"}, "InvalidParameterException", "task"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			err := h.Call(h.ctx(), tc.operation, tc.in, nil)
			var refusal *rig.APIError
			if !errors.As(err, &refusal) || refusal.Status != 400 || !strings.HasSuffix(refusal.Type, tc.kind) || !strings.Contains(refusal.Message, tc.says) {
				t.Errorf("got %v, want a %s that mentions %q", err, tc.kind, tc.says)
			}
		})
	}
}

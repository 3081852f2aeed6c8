package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The agent's ports are fixed by contract.
const (
	Introspection = "http://127.0.0.1:51678"
	TaskAPI       = "http://127.0.0.1:51679"
)

// AgentOptions say how the agent is started.
type AgentOptions struct {
	Binary     string
	Dir        string // for state and log; a second start there is a restart
	Endpoint   string // of the ECS API
	Cluster    string
	DockerHost string
	Env        map[string]string // added to, or replacing, the usual settings; an empty value removes one
	Args       []string
}

// baseEnv is what any program needs.
func baseEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
}

// CheckPorts fails when something listens on the agent's ports: there can be one agent per host.
func CheckPorts() error {
	for _, port := range []string{"51678", "51679"} {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err == nil {
			c.Close()
			return fmt.Errorf("port %s is taken; the agent's ports 51678 and 51679 are fixed, so only one agent can run per host: stop the other one first (docker ps; ss -ltnp 'sport = :%s')", port, port)
		}
	}
	return nil
}

// StartAgent starts the agent. It does not wait for anything.
func StartAgent(o AgentOptions) (*Program, error) {
	data := filepath.Join(o.Dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	onHost, err := filepath.Abs(o.Dir) // Docker mounts what is below it
	if err != nil {
		return nil, err
	}
	settings := map[string]string{
		"ECS_BACKEND_HOST":  o.Endpoint,
		"ECS_CLUSTER":       o.Cluster,
		"ECS_EXTERNAL":      "true",
		"ECS_DATADIR":       data,
		"ECS_HOST_DATA_DIR": onHost,
		"ECS_AUDIT_LOGFILE": filepath.Join(o.Dir, "audit.log"),
		// The example images are on this machine only.
		"ECS_IMAGE_PULL_BEHAVIOR":               "prefer-cached",
		"ECS_ENABLE_TASK_IAM_ROLE":              "true",
		"ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST": "true",
		"AWS_DEFAULT_REGION":                    "us-east-1",
		"AWS_ACCESS_KEY_ID":                     "local",
		"AWS_SECRET_ACCESS_KEY":                 "local",
		"DOCKER_HOST":                           o.DockerHost,
	}
	maps.Copy(settings, o.Env)
	env := baseEnv()
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if value := settings[name]; value != "" {
			env = append(env, name+"="+value)
		}
	}
	return start("agent", o.Binary, filepath.Join(o.Dir, "agent.log"), env, o.Args...)
}

// Tasks lists the ARNs of the tasks the agent knows.
func Tasks(ctx context.Context) (arns []string, err error) {
	status, body, err := Get(ctx, Introspection+"/v1/tasks")
	if err != nil || status != 200 {
		return nil, fmt.Errorf("introspection: status %d: %w", status, err)
	}
	var out struct{ Tasks []struct{ Arn string } }
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	for _, t := range out.Tasks {
		arns = append(arns, t.Arn)
	}
	return arns, nil
}

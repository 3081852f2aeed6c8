package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/lab"
)

const runExamples = `  local-ecs run examples/web.json                    # until the task is RUNNING
  local-ecs run examples/batch.json --wait --logs    # until it is STOPPED; Ctrl-C stops the task
  local-ecs run examples/batch.json --wait --overrides @overrides.json
`

type runFlags struct {
	*client
	file         string
	overrides    string
	subnet       string
	count        int
	wait, logs   bool
	agentTimeout time.Duration
	timeout      time.Duration
}

func run(ctx context.Context, env *Env, args []string) (int, error) {
	f := &runFlags{}
	fs := flags(env, "run", "FILE.json [flags]", runExamples)
	f.client = clientFlags(fs, env)
	fs.StringVar(&f.overrides, "overrides", "", "task overrides as `JSON`, or @FILE")
	fs.StringVar(&f.subnet, "subnet", lab.SubnetIPv4, "`subnet` of tasks of network mode awsvpc; subnet-lab-dual and subnet-lab-ipv6 are the other two")
	fs.IntVar(&f.count, "count", 1, "number of tasks, up to 10")
	fs.BoolVar(&f.wait, "wait", false, "follow the task until it is STOPPED; the exit code is that of its first essential container")
	fs.BoolVar(&f.logs, "logs", false, "print the containers' output, read from the local Docker engine; implies --wait")
	fs.DurationVar(&f.agentTimeout, "agent-timeout", 15*time.Second, "how long to wait for a container instance to be there")
	fs.DurationVar(&f.timeout, "timeout", 0, "give up following after this time, 0 for never")
	positional, err := parse(fs, args)
	if err != nil {
		return exitUsage, err
	}
	if err := exactly(positional, "FILE.json"); err != nil {
		return exitUsage, err
	}
	f.file = positional[0]
	f.wait = f.wait || f.logs
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	return f.run(ctx, env)
}

func (f *runFlags) run(ctx context.Context, env *Env) (int, error) {
	status := newStatus(env.Out)
	d, err := f.register(ctx)
	if err != nil {
		return exitError, err
	}
	status.line("registered", fmt.Sprintf("%s:%d", d.Family, d.Revision))
	tasks, err := f.start(ctx, d, status)
	if err != nil {
		return exitError, err
	}
	follower := &follower{client: f.client, definition: d, status: status, wait: f.wait, interrupts: env.Interrupts}
	if f.logs {
		docker, err := newDocker(env.Getenv("DOCKER_HOST"))
		if err != nil {
			return exitError, err
		}
		follower.logs = newLogs(docker, env.Out, len(d.ContainerDefinitions) > 1 || len(tasks) > 1)
		defer follower.logs.close()
	}
	for _, t := range tasks {
		follower.arns = append(follower.arns, t.TaskArn)
	}
	return follower.follow(ctx)
}

// register registers the file's task definition.
func (f *runFlags) register(ctx context.Context) (*ecs.TaskDefinition, error) {
	data, err := os.ReadFile(f.file)
	if err != nil {
		return nil, err
	}
	if !json.Valid(data) {
		return nil, fmt.Errorf("%s is not valid JSON", f.file)
	}
	var out struct {
		TaskDefinition ecs.TaskDefinition `json:"taskDefinition"`
	}
	if err := f.call(ctx, "RegisterTaskDefinition", json.RawMessage(data), &out); err != nil {
		return nil, fmt.Errorf("%s: %w", f.file, err)
	}
	return &out.TaskDefinition, nil
}

// noInstances is part of the service's answer when no container instance is in the cluster.
const noInstances = "No Container Instances were found"

// start runs the tasks. An agent that is only just starting is waited for.
func (f *runFlags) start(ctx context.Context, d *ecs.TaskDefinition, status *status) ([]ecs.Task, error) {
	in := map[string]any{"cluster": f.cluster, "taskDefinition": d.TaskDefinitionArn, "count": f.count, "startedBy": "local-ecs run"}
	if d.NetworkMode == "awsvpc" {
		in["networkConfiguration"] = ecs.NetworkConfiguration{AWSVPC: &ecs.AWSVPCConfiguration{Subnets: []string{f.subnet}}}
	}
	if f.overrides != "" {
		data := []byte(f.overrides)
		if path, ok := strings.CutPrefix(f.overrides, "@"); ok {
			var err error
			if data, err = os.ReadFile(path); err != nil {
				return nil, fmt.Errorf("--overrides: %w", err)
			}
		}
		if !json.Valid(data) {
			return nil, errUsage{fmt.Errorf("--overrides is not valid JSON")}
		}
		in["overrides"] = json.RawMessage(data)
	}
	deadline := time.Now().Add(f.agentTimeout)
	for said := false; ; said = true {
		var out struct {
			Tasks    []ecs.Task    `json:"tasks"`
			Failures []ecs.Failure `json:"failures"`
		}
		err := f.call(ctx, "RunTask", in, &out)
		apiErr := (*ecs.Error)(nil)
		absent := errors.As(err, &apiErr) && strings.Contains(apiErr.Message, noInstances) || err == nil && onlyAgent(out.Failures)
		switch {
		case absent && len(out.Tasks) == 0 && time.Now().Before(deadline):
			if !said {
				status.line("waiting", "for a container instance in cluster "+f.cluster)
			}
			if err := sleep(ctx, 200*time.Millisecond); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		case len(out.Tasks) == 0:
			return nil, fmt.Errorf("no place for the task: %s", failureList(out.Failures))
		}
		for _, fail := range out.Failures {
			status.line("no place", fail.Reason+" "+fail.Detail)
		}
		return out.Tasks, nil
	}
}

// onlyAgent tells whether nothing but absent agents stood in the way.
func onlyAgent(failures []ecs.Failure) bool {
	for _, f := range failures {
		if f.Reason != "AGENT" {
			return false
		}
	}
	return len(failures) > 0
}

func failureList(failures []ecs.Failure) string {
	var parts []string
	for _, f := range failures {
		text := f.Reason
		if f.Detail != "" {
			text += " (" + f.Detail + ")"
		}
		parts = append(parts, "container instance "+shortID(f.Arn)+": "+text)
	}
	return strings.Join(parts, "; ")
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

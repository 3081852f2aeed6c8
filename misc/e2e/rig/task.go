package rig

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// Task is a task as DescribeTasks shows it.
type Task struct {
	ARN           string      `json:"taskArn"`
	Definition    string      `json:"taskDefinitionArn"`
	Instance      string      `json:"containerInstanceArn"`
	LastStatus    string      `json:"lastStatus"`
	DesiredStatus string      `json:"desiredStatus"`
	StopCode      string      `json:"stopCode"`
	StoppedReason string      `json:"stoppedReason"`
	CreatedAt     float64     `json:"createdAt"`
	PullStartedAt float64     `json:"pullStartedAt"`
	PullStoppedAt float64     `json:"pullStoppedAt"`
	StartedAt     float64     `json:"startedAt"`
	StoppedAt     float64     `json:"stoppedAt"`
	Containers    []Container `json:"containers"`
	Attachments   []struct {
		Status  string `json:"status"`
		Details []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"details"`
	} `json:"attachments"`
}

// ID is the last part of the ARN.
func (t *Task) ID() string { return t.ARN[strings.LastIndexByte(t.ARN, '/')+1:] }

// Container is a container of a Task.
type Container struct {
	Name       string `json:"name"`
	RuntimeID  string `json:"runtimeId"`
	LastStatus string `json:"lastStatus"`
	ExitCode   *int   `json:"exitCode"`
	Reason     string `json:"reason"`
	Bindings   []struct {
		BindIP        string `json:"bindIP"`
		ContainerPort int    `json:"containerPort"`
		HostPort      int    `json:"hostPort"`
		Protocol      string `json:"protocol"`
	} `json:"networkBindings"`
	Interfaces []struct {
		IPv4 string `json:"privateIpv4Address"`
		IPv6 string `json:"ipv6Address"`
	} `json:"networkInterfaces"`
}

// RegisterFile registers the task definition in a file and gives its "family:revision".
func (c *Control) RegisterFile(ctx context.Context, path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return c.Register(ctx, rawJSON(text))
}

type rawJSON []byte

func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

// Register registers a task definition and gives its "family:revision".
func (c *Control) Register(ctx context.Context, definition any) (string, error) {
	var out struct {
		TaskDefinition struct {
			Family   string `json:"family"`
			Revision int    `json:"revision"`
		} `json:"taskDefinition"`
	}
	if err := c.Call(ctx, "RegisterTaskDefinition", definition, &out); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s:%d", out.TaskDefinition.Family, out.TaskDefinition.Revision), nil
}

// Run starts a task and gives its ARN. Overrides may be nil.
func (c *Control) Run(ctx context.Context, definition string, overrides any) (string, error) {
	in := map[string]any{"cluster": c.Cluster, "taskDefinition": definition, "count": 1}
	if overrides != nil {
		in["overrides"] = overrides
	}
	arns, err := c.runTask(ctx, in)
	if err != nil {
		return "", err
	}
	return arns[0], nil
}

// RunMany starts up to 10 tasks at once.
func (c *Control) RunMany(ctx context.Context, definition string, n int) ([]string, error) {
	return c.runTask(ctx, map[string]any{"cluster": c.Cluster, "taskDefinition": definition, "count": n})
}

// RunInSubnet starts up to 10 tasks of network mode awsvpc.
func (c *Control) RunInSubnet(ctx context.Context, definition, subnet string, n int) ([]string, error) {
	network := map[string]any{"awsvpcConfiguration": map[string]any{"subnets": []string{subnet}}}
	return c.runTask(ctx, map[string]any{"cluster": c.Cluster, "taskDefinition": definition, "count": n, "networkConfiguration": network})
}

func (c *Control) runTask(ctx context.Context, in map[string]any) (arns []string, err error) {
	var out struct {
		Tasks    []Task `json:"tasks"`
		Failures []struct {
			Reason string `json:"reason"`
		} `json:"failures"`
	}
	if err := c.Call(ctx, "RunTask", in, &out); err != nil {
		return nil, err
	}
	if len(out.Tasks) != in["count"] {
		return nil, fmt.Errorf("RunTask %s: %d of %d placed: %+v", in["taskDefinition"], len(out.Tasks), in["count"], out.Failures)
	}
	for _, t := range out.Tasks {
		arns = append(arns, t.ARN)
	}
	return arns, nil
}

// Stop asks for the end of a task.
func (c *Control) Stop(ctx context.Context, arn, reason string) error {
	return c.Call(ctx, "StopTask", map[string]any{"cluster": c.Cluster, "task": arn, "reason": reason}, nil)
}

// Tasks describes tasks, up to 100.
func (c *Control) Tasks(ctx context.Context, arns ...string) ([]Task, error) {
	var out struct {
		Tasks []Task `json:"tasks"`
	}
	if err := c.Call(ctx, "DescribeTasks", map[string]any{"cluster": c.Cluster, "tasks": arns}, &out); err != nil {
		return nil, err
	}
	if len(out.Tasks) != len(arns) {
		return nil, fmt.Errorf("DescribeTasks: %d of %d tasks are known", len(out.Tasks), len(arns))
	}
	return out.Tasks, nil
}

// Task describes one task.
func (c *Control) Task(ctx context.Context, arn string) (*Task, error) {
	tasks, err := c.Tasks(ctx, arn)
	if err != nil {
		return nil, err
	}
	return &tasks[0], nil
}

// TaskARNs lists the tasks with a desired status, RUNNING or STOPPED.
func (c *Control) TaskARNs(ctx context.Context, desired string) ([]string, error) {
	var out struct {
		ARNs []string `json:"taskArns"`
	}
	err := c.Call(ctx, "ListTasks", map[string]any{"cluster": c.Cluster, "desiredStatus": desired}, &out)
	return out.ARNs, err
}

// TaskEnded is a task that stopped although something else was waited for.
type TaskEnded struct{ Task }

func (e *TaskEnded) Error() string {
	text := fmt.Sprintf("task %s is STOPPED: %s: %s", e.ID(), e.StopCode, e.StoppedReason)
	for _, c := range e.Containers {
		text += fmt.Sprintf("; container %s: %s", c.Name, c.Reason)
		if c.ExitCode != nil {
			text += fmt.Sprintf(" (exit code %d)", *c.ExitCode)
		}
	}
	return text
}

// AwaitStatus waits until every task has the status, and gives them.
func (c *Control) AwaitStatus(ctx context.Context, status string, arns ...string) (tasks []Task, err error) {
	err = Poll(ctx, fmt.Sprintf("%d tasks to be %s", len(arns), status), func() (bool, error) {
		if tasks, err = c.Tasks(ctx, arns...); err != nil {
			return false, err
		}
		for _, t := range tasks {
			if t.LastStatus == "STOPPED" && status != "STOPPED" {
				return false, &TaskEnded{t}
			}
			if t.LastStatus != status {
				return false, nil
			}
		}
		return true, nil
	})
	return tasks, err
}

// Instance is a container instance.
type Instance struct {
	ARN       string `json:"containerInstanceArn"`
	Connected bool   `json:"agentConnected"`
	Status    string `json:"status"`
}

// Instances lists the container instances of the cluster.
func (c *Control) Instances(ctx context.Context) ([]Instance, error) {
	var list struct {
		ARNs []string `json:"containerInstanceArns"`
	}
	in := map[string]any{"cluster": c.Cluster}
	if err := c.Call(ctx, "ListContainerInstances", in, &list); err != nil || len(list.ARNs) == 0 {
		return nil, err
	}
	var out struct {
		Instances []Instance `json:"containerInstances"`
	}
	in["containerInstances"] = list.ARNs
	err := c.Call(ctx, "DescribeContainerInstances", in, &out)
	return out.Instances, err
}

// AwaitAgent waits until an agent is connected and gives its container instance.
func (c *Control) AwaitAgent(ctx context.Context) (found Instance, err error) {
	err = Poll(ctx, "an agent to connect", func() (bool, error) {
		instances, err := c.Instances(ctx)
		for _, i := range instances {
			if i.Connected {
				found = i
				return true, nil
			}
		}
		return false, err
	})
	return found, err
}

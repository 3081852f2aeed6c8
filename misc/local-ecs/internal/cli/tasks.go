package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/telemetry"
)

func ps(ctx context.Context, env *Env, args []string) (int, error) {
	fs := flags(env, "ps", "[flags]", "  local-ecs ps\n  local-ecs ps --all --cluster staging\n")
	c := clientFlags(fs, env)
	all := fs.Bool("all", false, "stopped tasks too")
	positional, err := parse(fs, args)
	if err != nil {
		return exitUsage, err
	}
	if err := exactly(positional); err != nil {
		return exitUsage, err
	}
	wanted := []string{ecs.Running, ecs.Stopped}
	var tasks []ecs.Task
	for _, desired := range wanted {
		arns, err := c.list(ctx, desired)
		if err != nil {
			return exitError, err
		}
		found, err := c.tasks(ctx, arns)
		if err != nil {
			return exitError, err
		}
		for _, t := range found {
			if *all || t.LastStatus != ecs.Stopped {
				tasks = append(tasks, t)
			}
		}
	}
	slices.SortFunc(tasks, func(a, b ecs.Task) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt.Time), cmp.Compare(a.TaskArn, b.TaskArn))
	})
	usage := c.usage(ctx)
	w := tabwriter.NewWriter(env.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TASK\tDEFINITION\tSTATUS\tDESIRED\tAGE\tCPU\tMEMORY\tINSTANCE\tCONTAINERS")
	for i := range tasks {
		t := &tasks[i]
		cpu, memory := usageColumns(usage, t)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", shortID(t.TaskArn), id(t.TaskDefinitionArn), t.LastStatus, t.DesiredStatus,
			time.Since(t.CreatedAt.Time).Round(time.Second), cpu, memory, shortID(t.ContainerInstanceArn), containerColumn(t))
	}
	return exitOK, w.Flush()
}

// usageColumns tell what a running task uses, once its agent has reported that: CPU in percent of the host, and memory.
func usageColumns(usage map[string]telemetry.Usage, t *ecs.Task) (cpu, memory string) {
	u, known := usage[t.TaskArn]
	if !known || t.LastStatus != ecs.Running {
		return "-", "-"
	}
	return fmt.Sprintf("%.1f%%", u.CPU), fmt.Sprintf("%.0f MiB", u.Memory)
}

func containerColumn(t *ecs.Task) string {
	var parts []string
	for i := range t.Containers {
		c := &t.Containers[i]
		// The status word is in the task's column unless the container differs from it.
		text := strings.TrimSpace(strings.TrimPrefix(containerText(c), t.LastStatus))
		if text != "" {
			text = " " + text
		}
		parts = append(parts, c.Name+text)
	}
	return strings.Join(parts, ", ")
}

func stop(ctx context.Context, env *Env, args []string) (int, error) {
	fs := flags(env, "stop", "TASK [flags]", "  local-ecs stop 5f2c\n  local-ecs stop 5f2c --wait --reason 'not needed'\n")
	c := clientFlags(fs, env)
	reason := fs.String("reason", "", "`text` shown as the task's stopped reason")
	wait := fs.Bool("wait", false, "wait until the task is STOPPED")
	positional, err := parse(fs, args)
	if err != nil {
		return exitUsage, err
	}
	if err := exactly(positional, "TASK"); err != nil {
		return exitUsage, err
	}
	arn, err := c.find(ctx, positional[0])
	if err != nil {
		return exitError, err
	}
	in := map[string]string{"cluster": c.cluster, "task": arn}
	if *reason != "" {
		in["reason"] = *reason
	}
	var out struct {
		Task ecs.Task `json:"task"`
	}
	if err := c.call(ctx, "StopTask", in, &out); err != nil {
		return exitError, err
	}
	fmt.Fprintln(env.Out, arn)
	for *wait && out.Task.LastStatus != ecs.Stopped {
		if err := sleep(ctx, pollInterval); err != nil {
			return exitError, err
		}
		tasks, err := c.tasks(ctx, []string{arn})
		if err != nil {
			return exitError, err
		}
		if len(tasks) == 0 {
			break
		}
		out.Task = tasks[0]
	}
	return exitOK, nil
}

// find returns the ARN of the task that an ARN, an id or the beginning of one means.
func (c *client) find(ctx context.Context, ref string) (string, error) {
	if strings.HasPrefix(ref, "arn:") {
		return ref, nil
	}
	var found []string
	for _, desired := range []string{ecs.Running, ecs.Stopped} {
		arns, err := c.list(ctx, desired)
		if err != nil {
			return "", err
		}
		for _, a := range arns {
			if strings.HasPrefix(id(a), ref) {
				found = append(found, a)
			}
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no task %q in cluster %s", ref, c.cluster)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%q means %d tasks; give more of the id", ref, len(found))
}

// Package cgroup gives each task a control group above those of its containers, with the limits of the task as a whole.
package cgroup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Craft makes and removes the cgroups of tasks.
type Craft struct {
	Tree *Tree
	// Enabled gives new tasks a cgroup (ECS_ENABLE_TASK_CPU_MEM_LIMIT). The cgroups that older tasks have are removed anyway.
	Enabled bool
	// Period of CPU quotas (ECS_CGROUP_CPU_PERIOD).
	Period time.Duration
	// Pids is the number of processes a task may have; 0 is no limit (ECS_TASK_PIDS_LIMIT).
	Pids int
}

// spec is the object of a cgroup in agent.db.
type spec struct {
	Root   string `json:"cgroupRoot"`
	Mount  string `json:"cgroupMountPath"`
	Limits Limits `json:"resourceSpec"`
}

// errCannotMake is the reason users see, whatever went wrong.
var errCannotMake = errors.New("CgroupError: Agent could not create task's platform resources")

// Plan works out the limits of a new task, and marks the task so that its containers go below its cgroup.
func (k *Craft) Plan(t *task.Task) ([]task.Resource, error) {
	if !k.Enabled {
		if t.CPU > 0 || t.Memory > 0 {
			logger.Warn("The task's CPU and memory limits are ignored: limits of tasks are off (ECS_ENABLE_TASK_CPU_MEM_LIMIT)",
				logger.F("taskARN", t.ARN), logger.F("cpu", t.CPU), logger.F("memory", t.Memory))
		}
		return nil, nil
	}
	root, err := t.CgroupParent(k.Tree.Systemd)
	if err != nil {
		return nil, fmt.Errorf("cgroup resource: unable to determine cgroup root for task: %w", err)
	}
	limits, err := limitsOf(t, k.Period, k.Pids)
	if err != nil {
		return nil, fmt.Errorf("cgroup resource: unable to build resource spec for task: %w", err)
	}
	text, err := json.Marshal(spec{Root: root, Mount: k.Tree.Mount, Limits: limits})
	if err != nil {
		return nil, err
	}
	t.LimitsEnabled = true
	return []task.Resource{{Kind: task.ResourceCgroup, Name: task.ResourceCgroup, Spec: text}}, nil
}

// Create makes the task's cgroup and sets its limits. They are set too when it is there: Docker or systemd make it for a
// container that does not wait for it.
func (k *Craft) Create(ctx context.Context, t *task.Task, r *task.Resource) error {
	s, err := read(r)
	if err == nil {
		err = k.Tree.Make(ctx, s.Root, s.Limits)
	}
	if err != nil {
		logger.Error("Cannot make the cgroup of the task", logger.F("taskARN", t.ARN), logger.F("cgroup", s.Root), logger.Err(err))
		return errCannotMake
	}
	return nil
}

// Restore makes the cgroup of a task of a former run again, where it has gone: with a restart of the host, after which the
// task's containers may be started once more. One that is there stays as it is.
func (k *Craft) Restore(ctx context.Context, t *task.Task) {
	i := t.Resources.Find(task.ResourceCgroup, task.ResourceCgroup)
	if i < 0 || t.Known.Terminal() || t.Resources[i].Known != task.ResourceCreated {
		return
	}
	r := &t.Resources[i]
	if s, err := read(r); err != nil || k.Tree.has(s.Root) {
		return
	}
	_ = k.Create(ctx, t, r) // logged there; what runs goes on
}

// Remove removes the task's cgroup with what containers left in it. It must hold no process.
func (k *Craft) Remove(ctx context.Context, _ *task.Task, r *task.Resource) error {
	s, err := read(r)
	if err != nil {
		return err
	}
	return k.Tree.Remove(ctx, s.Root)
}

func read(r *task.Resource) (s spec, err error) {
	if err = json.Unmarshal(r.Spec, &s); err != nil {
		return s, fmt.Errorf("cgroup of a task: %w", err)
	}
	return s, nil
}

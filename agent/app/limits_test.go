package app

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/registration"
	"github.com/aws/amazon-ecs-agent/agent/resource/cgroup"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestLimitsOfTasksNeedCgroups(t *testing.T) {
	for _, c := range []struct {
		name    string
		setting config.Toggle
		fails   bool
	}{
		{"not asked for: off", config.Toggle{Enabled: true}, false},
		{"insisted on: the end", config.Toggle{Enabled: true, Explicit: true}, true},
		{"turned off: not looked at", config.Toggle{Explicit: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &agent{cfg: &config.Config{TaskCPUMemLimit: c.setting}, cgroups: &cgroup.Tree{Mount: t.TempDir()}}
			err := a.setUpLimits(t.Context())
			var exit *registration.ExitError
			if failed := errors.As(err, &exit) && exit.Code == exitTerminal && strings.HasPrefix(err.Error(), "unable to setup '/ecs' cgroup: "); failed != c.fails {
				t.Errorf("%v", err)
			}
			if err == nil && a.cfg.TaskCPUMemLimit.Enabled {
				t.Error("limits are on")
			}
		})
	}
}

func TestTasksWithoutLimits(t *testing.T) {
	refused := &task.Task{Containers: []*task.Container{{}}}
	old := &task.Task{Containers: []*task.Container{{Known: task.ContainerRunning}}}
	limited := &task.Task{LimitsEnabled: true, Containers: old.Containers}
	if anyUnlimited([]*task.Task{refused, limited}) || !anyUnlimited([]*task.Task{limited, old}) {
		t.Error("a task without limits that has come as far as its containers counts, no other")
	}
}

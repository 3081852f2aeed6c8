package acs

import (
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// missing are the features of a task that this agent lacks. A new task that needs one of them is refused; a task that is
// known already (taken over from another agent's data directory) is not, and every task can be stopped.
var missing = []struct {
	feature string
	needed  func(*task.Task) bool
}{
	{"Service Connect", func(t *task.Task) bool { return t.ServiceConnect != nil }},
	{"Amazon EBS volumes", hasVolume(task.VolumeEBS)},
	{"FSx for Windows File Server volumes", hasVolume(task.VolumeFSxWindows)},
	{"credential specs (gMSA)", anyContainer(func(c *task.Container) bool { return len(c.CredentialSpecs) > 0 })},
}

// unsupported names the first feature the task needs and this agent lacks; empty when there is none.
func unsupported(t *task.Task) string {
	for _, m := range missing {
		if m.needed(t) {
			return m.feature
		}
	}
	return ""
}

func hasVolume(kind string) func(*task.Task) bool {
	return func(t *task.Task) bool {
		return slices.ContainsFunc(t.Volumes, func(v task.Volume) bool { return v.Type == kind })
	}
}

func anyContainer(holds func(*task.Container) bool) func(*task.Task) bool {
	return func(t *task.Task) bool { return slices.ContainsFunc(t.Containers, holds) }
}

package mapping

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// ContainerName chooses a name in Docker for a new container. Each call gives another one.
func ContainerName(t *task.Task, c *task.Container) string {
	return agentName(t, cleanName(c.Name))
}

// VolumeName chooses a name in Docker for a volume of a new task: one of its own for volumes that live as long as the
// task (each call gives another one), the plain name for shared ones, empty for volumes that are not kept by Docker.
func VolumeName(t *task.Task, v *task.Volume) string {
	switch {
	case v.Docker == nil:
		return ""
	case v.Docker.Scope == task.ScopeTask:
		return agentName(t, v.Name)
	default:
		return v.Name
	}
}

func agentName(t *task.Task, name string) string {
	return "ecs-" + t.Family + "-" + t.Revision + "-" + name + "-" + hex20()
}

// cleanName drops what Docker does not take in names.
func cleanName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return -1
	}, name)
}

// hex20 makes names unique: 20 random hexadecimal digits.
func hex20() string {
	var b [10]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

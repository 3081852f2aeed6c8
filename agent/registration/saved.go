package registration

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Saved is the identity found in the data file. Members that were not saved are empty.
type Saved struct {
	InstanceID           string
	Cluster              string
	ContainerInstanceARN string
	AvailabilityZone     string
	// ManifestSequence is the number of the last task manifest, nil when none was saved.
	ManifestSequence *int64
}

// noManifest is the sequence number of an agent that has restored nothing: every task manifest is newer.
const noManifest = -1

// Identity is who the agent goes on as.
type Identity struct {
	InstanceID string
	// Cluster is empty when none is configured and none was restored.
	Cluster string
	// ContainerInstanceARN is empty when the host has to be registered anew.
	ContainerInstanceARN string
	AvailabilityZone     string
	ManifestSequence     int64
	// DropState says that everything in the data file belongs to another instance and has to be wiped.
	DropState bool
}

// Restore decides whether saved state belongs to this instance and its cluster. currentID is the EC2 instance id, empty
// when it could not be read: that never resets valid state. configured is the configured cluster, possibly empty. It is
// pure but for its log lines.
func Restore(s Saved, currentID, configured string) (Identity, error) {
	fresh := Identity{InstanceID: currentID, Cluster: configured, ManifestSequence: noManifest}
	if s == (Saved{}) {
		return fresh, nil
	}
	if currentID == "" && s.InstanceID != "" {
		logger.Warn("Could not get the instance id; going on with the saved one", logger.F("instanceID", s.InstanceID))
		currentID = s.InstanceID
	}
	if s.InstanceID != "" && s.InstanceID != currentID {
		// The usual cause is a machine image made from an instance that had run the agent.
		logger.Warn(fmt.Sprintf("Data mismatch; saved InstanceID '%s' does not match current InstanceID '%s'. Overwriting old datafile", s.InstanceID, currentID))
		fresh.DropState = true
		return fresh, nil
	}
	id := Identity{
		InstanceID:           currentID,
		Cluster:              configured,
		ContainerInstanceARN: s.ContainerInstanceARN,
		AvailabilityZone:     s.AvailabilityZone,
	}
	if s.ManifestSequence != nil {
		id.ManifestSequence = *s.ManifestSequence
	}
	if s.Cluster == "" {
		return id, nil
	}
	if configured == "" {
		id.Cluster = DefaultCluster
	}
	if !sameCluster(s.Cluster, id.Cluster) {
		//lint:ignore ST1005 users know this text
		return Identity{}, terminal(fmt.Errorf("Data mismatch; saved cluster '%s' does not match configured cluster '%s'. Perhaps you want to delete the configured checkpoint file?",
			s.Cluster, id.Cluster))
	}
	return id, nil
}

// sameCluster reports whether a and b name one cluster: equal strings, or the name and the ARN of it.
func sameCluster(a, b string) bool {
	nameA, arnA := clusterName(a)
	nameB, arnB := clusterName(b)
	return a == b || arnA != arnB && nameA == nameB
}

// clusterName returns the name in a cluster ARN, or the name itself.
func clusterName(s string) (name string, isARN bool) {
	if _, name, isARN = strings.Cut(s, ":cluster/"); isARN && strings.HasPrefix(s, "arn:") {
		return name, true
	}
	return s, false
}

// CheckTaskLimits compares restored tasks with the task limits setting. tasksWithoutLimits says that a restored task was
// made without the ECS cgroup hierarchy; such tasks cannot run beside tasks with it. It returns whether task limits stay
// on.
func CheckTaskLimits(setting config.Toggle, tasksWithoutLimits bool) (bool, error) {
	switch {
	case !setting.Enabled || !tasksWithoutLimits:
		return setting.Enabled, nil
	case setting.Explicit:
		//lint:ignore ST1005 users know this text
		return false, terminal(errors.New("App: unable to load old tasks because TaskCPUMemLimits setting is incompatible with old state."))
	}
	logger.Warn("Disabling TaskCPUMemLimit because restored tasks were created without it")
	return false, nil
}

package store

import (
	"errors"
	"fmt"
)

// ErrLimitsMismatch says that restored tasks were made without task limits while the operator asks for them.
//
//lint:ignore ST1005 the text is part of the contract
var ErrLimitsMismatch = errors.New("App: unable to load old tasks because TaskCPUMemLimits setting is incompatible with old state.")

// defaultCluster is the cluster of an agent without a configured one.
const defaultCluster = "default"

// WithoutLimits reports whether a task was prepared without task-level CPU and memory limits. Limits cannot be turned on
// for it any more: the agent fails (ErrLimitsMismatch) when they were asked for, or does without them in this run.
func (s *State) WithoutLimits() bool {
	for _, t := range s.Tasks {
		if !t.LimitsEnabled {
			return true
		}
	}
	return false
}

// OtherInstance compares the saved EC2 instance id with the current one. A non-empty answer is the warning to log: the
// state belongs to another host (a machine image made of a used one) and has to be wiped. An unknown current id is no
// reason to drop valid state.
func (s *State) OtherInstance(current string) string {
	saved := s.Metadata.EC2InstanceID
	if saved == "" || current == "" || saved == current {
		return ""
	}
	return fmt.Sprintf("Data mismatch; saved InstanceID '%s' does not match current InstanceID '%s'. Overwriting old datafile", saved, current)
}

// CheckCluster fails when the state belongs to another cluster than the configured one. Names and ARNs are not
// translated into each other.
func (s *State) CheckCluster(configured string) error {
	if configured == "" {
		configured = defaultCluster
	}
	saved := s.Metadata.Cluster
	if saved == "" || saved == configured {
		return nil
	}
	//lint:ignore ST1005 the text is part of the contract
	return fmt.Errorf("Data mismatch; saved cluster '%s' does not match configured cluster '%s'. Perhaps you want to delete the configured checkpoint file?", saved, configured)
}

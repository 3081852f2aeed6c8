package config

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// ImagePullBehavior says when an image is pulled although it may already be there. The numbers are those of the JSON file.
type ImagePullBehavior int

const (
	// ImagePullDefault pulls always and falls back to the local image when the pull fails.
	ImagePullDefault ImagePullBehavior = iota
	// ImagePullAlways pulls always; a failed pull fails the task.
	ImagePullAlways
	// ImagePullOnce pulls when no task of this instance pulled the image before.
	ImagePullOnce
	// ImagePullPreferCached pulls only when the image is not there; image cleanup does not run.
	ImagePullPreferCached
)

var imagePullNames = [...]string{"default", "always", "once", "prefer-cached"}

// String returns the name used by ECS_IMAGE_PULL_BEHAVIOR.
func (b ImagePullBehavior) String() string { return nameOf(imagePullNames[:], int(b)) }

// PropagateTagsFrom is the origin of additional container instance tags. The numbers are those of the JSON file.
type PropagateTagsFrom int

const (
	PropagateTagsFromNone PropagateTagsFrom = iota
	PropagateTagsFromEC2Instance
)

var propagateNames = [...]string{"none", "ec2_instance"}

// String returns the name used by ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM.
func (p PropagateTagsFrom) String() string { return nameOf(propagateNames[:], int(p)) }

// StatsSource is where the statistics of containers come from.
type StatsSource int

const (
	// StatsSourceAuto reads cgroups where the agent can see them and asks Docker otherwise.
	StatsSourceAuto StatsSource = iota
	// StatsSourceCgroup reads cgroups.
	StatsSourceCgroup
	// StatsSourceDocker asks Docker.
	StatsSourceDocker
)

var statsSourceNames = [...]string{"auto", "cgroup", "docker"}

// String returns the name used by ECS_STATS_SOURCE.
func (s StatsSource) String() string { return nameOf(statsSourceNames[:], int(s)) }

func nameOf(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("unknown(%d)", i)
	}
	return names[i]
}

const redacted = "[redacted]"

// Secret is a raw JSON value that every way of printing shows as `[redacted]`. Only Contents gives it away.
type Secret struct {
	raw json.RawMessage
}

// NewSecret wraps raw, which is copied.
func NewSecret(raw []byte) Secret { return Secret{raw: bytes.Clone(raw)} }

// Contents returns the JSON text, nil when nothing is set. It must not reach a log line or an error text.
func (s Secret) Contents() json.RawMessage { return s.raw }

// Empty reports whether nothing is set.
func (s Secret) Empty() bool { return len(s.raw) == 0 }

// Format makes every fmt verb print the same word.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns `[redacted]`.
func (s Secret) String() string { return redacted }

// MarshalJSON writes `"[redacted]"`.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// UnmarshalJSON keeps the raw text; `null` is nothing.
func (s *Secret) UnmarshalJSON(b []byte) error {
	if string(bytes.TrimSpace(b)) == "null" {
		s.raw = nil
		return nil
	}
	s.raw = bytes.Clone(b)
	return nil
}

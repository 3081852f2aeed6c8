package task

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ContainerStatus says how far a container has come. Statuses are ordered: a container only moves forward,
//
//	NONE → MANIFEST_PULLED → PULLED → CREATED → RUNNING → RESOURCES_PROVISIONED → STOPPED
//
// and may go to STOPPED from anywhere. Dependency tests are written as "known ≥ required", so a stopped container
// satisfies every weaker requirement.
type ContainerStatus int

// Container statuses in ascending order.
const (
	ContainerNone ContainerStatus = iota
	ContainerManifestPulled
	ContainerPulled
	ContainerCreated
	ContainerRunning
	ContainerResourcesProvisioned
	ContainerStopped
)

var containerStatusNames = [...]string{"NONE", "MANIFEST_PULLED", "PULLED", "CREATED", "RUNNING", "RESOURCES_PROVISIONED", "STOPPED"}

// legacyContainerStatuses is what old state files meant by an integer step key.
var legacyContainerStatuses = [...]ContainerStatus{ContainerNone, ContainerPulled, ContainerCreated, ContainerRunning, ContainerResourcesProvisioned, ContainerStopped}

func (s ContainerStatus) String() string {
	if s < 0 || int(s) >= len(containerStatusNames) {
		return "NONE"
	}
	return containerStatusNames[s]
}

// Terminal reports whether the container has ended.
func (s ContainerStatus) Terminal() bool { return s == ContainerStopped }

// MarshalText gives the word used in agent.db.
func (s ContainerStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the words of agent.db, the words of older agents (UNKNOWN, DEAD) and integer step keys.
func (s *ContainerStatus) UnmarshalText(text []byte) error {
	word := string(text)
	switch word {
	case "", "UNKNOWN":
		*s = ContainerNone
		return nil
	case "DEAD":
		*s = ContainerStopped
		return nil
	}
	for i, name := range containerStatusNames {
		if name == word {
			*s = ContainerStatus(i)
			return nil
		}
	}
	if n, err := strconv.Atoi(word); err == nil && n >= 0 && n < len(legacyContainerStatuses) {
		*s = legacyContainerStatuses[n]
		return nil
	}
	return fmt.Errorf("container status unmarshal: unrecognized status %q", word)
}

// ECS is the word the ECS API uses for the status, given the status at which the container counts as up.
func (s ContainerStatus) ECS(steady ContainerStatus) string {
	switch {
	case s == ContainerStopped:
		return "STOPPED"
	case s == steady:
		return "RUNNING"
	default:
		return "PENDING"
	}
}

// Status says how far a task has come; ordered like ContainerStatus.
type Status int

// Task statuses in ascending order. The value 2 existed once (PULLED) and is never reached; it keeps the numbers
// stable and is written as NONE.
const (
	None           Status = 0
	ManifestPulled Status = 1
	Created        Status = 3
	Running        Status = 4
	Stopped        Status = 5
)

func (s Status) String() string {
	switch s {
	case ManifestPulled:
		return "MANIFEST_PULLED"
	case Created:
		return "CREATED"
	case Running:
		return "RUNNING"
	case Stopped:
		return "STOPPED"
	default:
		return "NONE"
	}
}

// Terminal reports whether the task has ended.
func (s Status) Terminal() bool { return s == Stopped }

// MarshalText gives the word used in agent.db.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the words of agent.db and of older agents.
func (s *Status) UnmarshalText(text []byte) error {
	parsed, err := ParseStatus(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// ParseStatus reads a task status word of ACS or agent.db; the empty word is NONE.
func ParseStatus(word string) (Status, error) {
	switch word {
	case "", "NONE", "UNKNOWN":
		return None, nil
	case "MANIFEST_PULLED":
		return ManifestPulled, nil
	case "CREATED":
		return Created, nil
	case "RUNNING":
		return Running, nil
	case "STOPPED", "DEAD":
		return Stopped, nil
	}
	//lint:ignore ST1005 the text users see
	return None, fmt.Errorf("Unrecognized TaskStatus %q", word)
}

// ECS is the word the ECS API uses for the status.
func (s Status) ECS() string {
	switch s {
	case Running, Stopped:
		return s.String()
	default:
		return "PENDING"
	}
}

// Container is the container status that corresponds to the task status for a container that is up at steady.
func (s Status) Container(steady ContainerStatus) ContainerStatus {
	switch s {
	case ManifestPulled:
		return ContainerManifestPulled
	case Created:
		return ContainerCreated
	case Running:
		return steady
	case Stopped:
		return ContainerStopped
	default:
		return ContainerNone
	}
}

// ResourceStatus is the status of a task resource (volume, cgroup, secret, …).
type ResourceStatus int

// Resource statuses in ascending order; CREATED is the steady one.
const (
	ResourceNone ResourceStatus = iota
	ResourceCreated
	ResourceRemoved
)

var resourceStatusNames = [...]string{"NONE", "CREATED", "REMOVED"}

func (s ResourceStatus) String() string {
	if s < 0 || int(s) >= len(resourceStatusNames) {
		return "NONE"
	}
	return resourceStatusNames[s]
}

// MarshalText gives the word used in agent.db.
func (s ResourceStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalJSON reads the word used in agent.db; null is NONE.
func (s *ResourceStatus) UnmarshalJSON(data []byte) error {
	*s = ResourceNone
	if string(data) == "null" {
		return nil
	}
	var word string
	if json.Unmarshal(data, &word) != nil {
		return fmt.Errorf("resource status unmarshal: status must be a string or null; Got %s", data)
	}
	for i, name := range resourceStatusNames {
		if name == word {
			*s = ResourceStatus(i)
			return nil
		}
	}
	return errors.New("resource status unmarshal: unrecognized status")
}

// HealthStatus is the result of a container's Docker health check.
type HealthStatus int

// Health statuses.
const (
	HealthUnknown HealthStatus = iota
	HealthHealthy
	HealthUnhealthy
)

func (s HealthStatus) String() string {
	switch s {
	case HealthHealthy:
		return "HEALTHY"
	case HealthUnhealthy:
		return "UNHEALTHY"
	default:
		return "UNKNOWN"
	}
}

// MarshalText gives the word used in metadata answers.
func (s HealthStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ContainerType tells containers of the task definition from those the agent adds.
type ContainerType int

// Container types. Everything but Normal is internal: never reported to ECS.
const (
	Normal ContainerType = iota
	EmptyHostVolume
	CNIPause
	NamespacePause
	ManagedDaemon
	ServiceConnectRelay
)

var containerTypeNames = [...]string{"NORMAL", "EMPTY_HOST_VOLUME", "CNI_PAUSE", "NAMESPACE_PAUSE", "MANAGED_DAEMON", "SERVICE_CONNECT_RELAY"}

func (t ContainerType) String() string {
	if t < 0 || int(t) >= len(containerTypeNames) {
		return "NORMAL"
	}
	return containerTypeNames[t]
}

// MarshalJSON gives the word used in agent.db.
func (t ContainerType) MarshalJSON() ([]byte, error) { return []byte(strconv.Quote(t.String())), nil }

// UnmarshalJSON reads the word used in agent.db, and the boolean of old state files (true = empty volume container).
func (t *ContainerType) UnmarshalJSON(data []byte) error {
	switch s := string(data); s {
	case "null", "false", `""`:
		*t = Normal
		return nil
	case "true":
		*t = EmptyHostVolume
		return nil
	default:
		word := strings.Trim(s, `"`)
		for i, name := range containerTypeNames {
			if name == word {
				*t = ContainerType(i)
				return nil
			}
		}
		return fmt.Errorf("container type unmarshal: unrecognized type %s", s)
	}
}

package task

import (
	"encoding/json"
	"fmt"
	"sort"
	"time"
)

// Kinds of task resources, as named in agent.db.
const (
	ResourceDockerVolume = "dockerVolume"
	ResourceCgroup       = "cgroup"
)

// Resource is something a task needs beside containers: a volume, a cgroup, secrets. Spec holds what the craft of its
// kind needs, in the JSON of agent.db; the engine only knows name and status.
type Resource struct {
	Kind      string
	Name      string
	Known     ResourceStatus
	Desired   ResourceStatus
	CreatedAt time.Time
	Spec      json.RawMessage

	// InFlight is set while the resource is being created.
	InFlight bool
}

// Resources of a task. Saved as kind → list, with the statuses inside each kind's own object.
type Resources []Resource

// resourceHead are the members every kind has in agent.db.
type resourceHead struct {
	Name    string         `json:"name"`
	Known   ResourceStatus `json:"knownStatus"`
	Desired ResourceStatus `json:"desiredStatus"`
	Created time.Time      `json:"createdAt"`
}

// MarshalJSON merges name and statuses into each resource's own object.
func (rs Resources) MarshalJSON() ([]byte, error) {
	out := map[string][]map[string]json.RawMessage{}
	for _, r := range rs {
		members := map[string]json.RawMessage{}
		if len(r.Spec) > 0 {
			if err := json.Unmarshal(r.Spec, &members); err != nil {
				return nil, fmt.Errorf("resource %q of kind %s: %w", r.Name, r.Kind, err)
			}
		}
		for key, value := range map[string]any{"knownStatus": r.Known, "desiredStatus": r.Desired, "createdAt": r.CreatedAt} {
			text, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			members[key] = text
		}
		out[r.Kind] = append(out[r.Kind], members)
	}
	return json.Marshal(out)
}

// UnmarshalJSON keeps each resource's object as its Spec and lifts name and statuses out of it.
func (rs *Resources) UnmarshalJSON(data []byte) error {
	var kinds map[string][]json.RawMessage
	if err := json.Unmarshal(data, &kinds); err != nil {
		return fmt.Errorf("task resources: %w", err)
	}
	*rs = nil
	for kind, list := range kinds {
		for _, spec := range list {
			var head resourceHead
			if err := json.Unmarshal(spec, &head); err != nil {
				return fmt.Errorf("task resource of kind %s: %w", kind, err)
			}
			name := head.Name
			if name == "" {
				name = kind
			}
			*rs = append(*rs, Resource{Kind: kind, Name: name, Known: head.Known, Desired: head.Desired, CreatedAt: head.Created, Spec: spec})
		}
	}
	sort.SliceStable(*rs, func(i, j int) bool { return (*rs)[i].Kind < (*rs)[j].Kind })
	return nil
}

// Find gives the index of the resource with the given name; -1 when there is none.
func (rs Resources) Find(name string) int {
	for i := range rs {
		if rs[i].Name == name {
			return i
		}
	}
	return -1
}

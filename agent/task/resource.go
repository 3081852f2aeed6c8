package task

import (
	"encoding/json"
	"fmt"
	"sort"
	"time"
)

// Kinds of task resources, as named in agent.db.
const (
	ResourceCgroup         = "cgroup"
	ResourceDockerVolume   = "dockerVolume"
	ResourceRegistryAuth   = "asm-auth"  // passwords of registries in Secrets Manager
	ResourceSSMSecrets     = "ssmsecret" // parameters of the SSM Parameter Store
	ResourceASMSecrets     = "asmsecret" // secrets of Secrets Manager
	ResourceEnvFiles       = "envfile"   // of one container
	ResourceFirelens       = "firelens"
	ResourceCredentialSpec = "credentialspec"
)

// EnvFilesName is the name of the resource with a container's environment files.
func EnvFilesName(container string) string { return ResourceEnvFiles + "_" + container }

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

// statusKeys are the members with the statuses and the time of creation in a kind's object.
type statusKeys struct{ known, desired, created string }

func keysOf(kind string) statusKeys {
	if kind == ResourceFirelens {
		return statusKeys{"KnownStatus", "DesiredStatus", "CreatedAt"}
	}
	return statusKeys{"knownStatus", "desiredStatus", "createdAt"}
}

// resourceHead are the members every kind has in agent.db, in any case.
type resourceHead struct {
	Name      string         `json:"name"`
	Container string         `json:"containerName"` // of environment files
	Known     ResourceStatus `json:"knownStatus"`
	Desired   ResourceStatus `json:"desiredStatus"`
	Created   time.Time      `json:"createdAt"`
}

func (h resourceHead) name(kind string) string {
	switch {
	case kind == ResourceEnvFiles && h.Container != "":
		return EnvFilesName(h.Container)
	case h.Name != "":
		return h.Name
	}
	return kind
}

// MarshalJSON merges the statuses into each resource's own object.
func (rs Resources) MarshalJSON() ([]byte, error) {
	out := map[string][]map[string]json.RawMessage{}
	for _, r := range rs {
		members := map[string]json.RawMessage{}
		if len(r.Spec) > 0 {
			if err := json.Unmarshal(r.Spec, &members); err != nil {
				return nil, fmt.Errorf("resource %q of kind %s: %w", r.Name, r.Kind, err)
			}
		}
		keys := keysOf(r.Kind)
		for key, value := range map[string]any{keys.known: r.Known, keys.desired: r.Desired, keys.created: r.CreatedAt} {
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

// UnmarshalJSON keeps each resource's object as its Spec and lifts name and statuses out of it. Objects of kinds that are
// not known here are kept as they are.
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
			*rs = append(*rs, Resource{Kind: kind, Name: head.name(kind), Known: head.Known, Desired: head.Desired, CreatedAt: head.Created, Spec: spec})
		}
	}
	sort.SliceStable(*rs, func(i, j int) bool { return (*rs)[i].Kind < (*rs)[j].Kind })
	return nil
}

// Find gives the index of the resource of that kind and name; -1 when there is none.
func (rs Resources) Find(kind, name string) int {
	for i := range rs {
		if rs[i].Kind == kind && rs[i].Name == name {
			return i
		}
	}
	return -1
}

// Has reports whether there is a resource of the kind.
func (rs Resources) Has(kind string) bool {
	for i := range rs {
		if rs[i].Kind == kind {
			return true
		}
	}
	return false
}

// Reached reports whether the resource of that name has got as far as status. A container waits for a resource by its
// bare name, so that where a volume is called like another kind it waits for both.
func (rs Resources) Reached(name string, status ResourceStatus) bool {
	found := false
	for i := range rs {
		if rs[i].Name != name {
			continue
		}
		if found = true; rs[i].Known < status {
			return false
		}
	}
	return found
}

// NeedsExecutionRole reports whether creating the resource takes the credentials of the task's execution role.
func (r *Resource) NeedsExecutionRole() bool {
	switch r.Kind {
	case ResourceRegistryAuth, ResourceSSMSecrets, ResourceASMSecrets, ResourceEnvFiles, ResourceCredentialSpec:
		return true
	case ResourceFirelens:
		var external struct{ ExternalConfigType string }
		return json.Unmarshal(r.Spec, &external) == nil && external.ExternalConfigType == "s3"
	}
	return false
}

// NeedsNetwork reports whether the resource is made over the task's network, where it has one of its own: file systems are
// mounted through it. Records of other agents tell by the type in the driver's options alone.
func (r *Resource) NeedsNetwork() bool {
	if r.Kind != ResourceDockerVolume {
		return false
	}
	var volume struct {
		Type   string       `json:"volumeType"`
		Config DockerVolume `json:"dockerVolumeConfiguration"`
	}
	if json.Unmarshal(r.Spec, &volume) != nil {
		return false
	}
	fileSystem := func(kind string) bool { return kind == VolumeEFS || kind == VolumeS3Files }
	return fileSystem(volume.Type) || volume.Config.Driver == DriverECS && fileSystem(volume.Config.DriverOpts["type"])
}

// KeptInMemory reports whether what the resource fetched is lost with the agent's process.
func (r *Resource) KeptInMemory() bool {
	switch r.Kind {
	case ResourceRegistryAuth, ResourceSSMSecrets, ResourceASMSecrets, ResourceEnvFiles:
		return true
	}
	return false
}

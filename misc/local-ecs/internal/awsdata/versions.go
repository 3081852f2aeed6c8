package awsdata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

// A parameter or secret with more than one version is an object with this one member: a list, the oldest first.
const versionsMember = "$versions"

// versionsOf takes a value of parameters.json or secrets.json apart: the list of its versions, or the value itself as the
// only one.
func versionsOf[V any](raw json.RawMessage, only func(json.RawMessage) (V, error)) ([]V, error) {
	var object map[string]json.RawMessage
	list, versioned := json.RawMessage(nil), false
	if json.Unmarshal(raw, &object) == nil && len(object) == 1 {
		list, versioned = object[versionsMember]
	}
	if !versioned {
		v, err := only(raw)
		return []V{v}, err
	}
	var versions []V
	decoder := json.NewDecoder(bytes.NewReader(list))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&versions); err != nil {
		return nil, err
	}
	if len(versions) == 0 {
		return nil, fmt.Errorf("%s is empty", versionsMember)
	}
	return versions, nil
}

// parameterVersion is told from the others by its number, from 1 on, and by labels.
type parameterVersion struct {
	Value  *string  `json:"value"`
	Labels []string `json:"labels"`
}

func parameterVersions(raw json.RawMessage) ([]parameterVersion, error) {
	versions, err := versionsOf(raw, func(raw json.RawMessage) (v parameterVersion, err error) {
		return v, json.Unmarshal(raw, &v.Value)
	})
	for i, v := range versions {
		if err == nil && v.Value == nil {
			err = fmt.Errorf("version %d has no value", i+1)
		}
	}
	return versions, err
}

// pick finds the version for a selector ":<number>" or ":<label>"; the newest one for an empty selector.
func pick(versions []parameterVersion, selector string) (number int, found bool) {
	if selector == "" {
		return len(versions), true
	}
	wanted := selector[1:]
	if n, err := strconv.Atoi(wanted); err == nil {
		return n, n >= 1 && n <= len(versions)
	}
	i := slices.IndexFunc(versions, func(v parameterVersion) bool { return slices.Contains(v.Labels, wanted) })
	return i + 1, i >= 0
}

// cutSelector takes a name or an ARN of a parameter apart.
func cutSelector(nameOrARN string) (name, selector string) {
	last := strings.LastIndexByte(nameOrARN, ':')
	if last < 0 || strings.HasPrefix(nameOrARN, "arn:") && strings.Count(nameOrARN, ":") < 6 {
		return nameOrARN, ""
	}
	return nameOrARN[:last], nameOrARN[last:]
}

// Stages that Secrets Manager itself gives to versions.
const (
	currentStage  = "AWSCURRENT"
	previousStage = "AWSPREVIOUS"
)

// secretVersion is told from the others by its id and by its stages.
type secretVersion struct {
	ID     string          `json:"id"`
	Stages []string        `json:"stages"`
	Value  json.RawMessage `json:"value"`
}

// secretVersions fills in what is not given: ids, and that the newest version is the current one and the one before it the
// previous one.
func secretVersions(raw json.RawMessage) ([]secretVersion, error) {
	versions, err := versionsOf(raw, func(raw json.RawMessage) (secretVersion, error) { return secretVersion{Value: raw}, nil })
	if err != nil {
		return nil, err
	}
	staged := slices.ContainsFunc(versions, func(v secretVersion) bool { return len(v.Stages) > 0 })
	for i := range versions {
		v := &versions[i]
		if v.Value == nil {
			return nil, fmt.Errorf("version %d has no value", i+1)
		}
		if v.ID == "" {
			v.ID = fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1)
		}
		switch {
		case staged:
		case i == len(versions)-1:
			v.Stages = []string{currentStage}
		case i == len(versions)-2:
			v.Stages = []string{previousStage}
		}
	}
	return versions, nil
}

// pickSecret finds the version with an id and a stage; the current one when neither is given.
func pickSecret(versions []secretVersion, id, stage string) (*secretVersion, error) {
	if id == "" && stage == "" {
		stage = currentStage
	}
	for i := range versions {
		v := &versions[i]
		switch {
		case id == "" && slices.Contains(v.Stages, stage), id == v.ID && (stage == "" || slices.Contains(v.Stages, stage)):
			return v, nil
		case id == v.ID:
			return nil, ecs.Errorf("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
		}
	}
	if id != "" {
		return nil, ecs.Errorf("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", id)
	}
	return nil, ecs.Errorf("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage)
}

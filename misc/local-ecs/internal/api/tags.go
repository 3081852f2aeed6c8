package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

const maxTags = 50

func checkTags(tags []ecs.Tag) error {
	if len(tags) > maxTags {
		return ecs.InvalidParameter("Invalid 'tags': more than %d.", maxTags)
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256:
			return ecs.InvalidParameter("Invalid 'tags': key '%s' must have 1 to 128 characters and its value at most 256.", t.Key)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return ecs.InvalidParameter("Invalid 'tags': key '%s' has the reserved prefix aws:.", t.Key)
		case seen[t.Key]:
			return ecs.InvalidParameter("Invalid 'tags': key '%s' is given twice.", t.Key)
		}
		seen[t.Key] = true
	}
	return nil
}

// tagged gives access to the tags of any resource: read returns them, write replaces them.
func tagged(tx *state.Tx, arn string) (tags []ecs.Tag, write func([]ecs.Tag), err error) {
	a, ok := ecs.ParseARN(arn)
	if !ok {
		return nil, nil, ecs.InvalidParameter("Invalid 'resourceArn': '%s' is not an ECS ARN.", arn)
	}
	missing := ecs.InvalidParameter("The specified %s is not found. Specify a valid %s and try again.", a.Kind, a.Kind)
	switch a.Kind {
	case "cluster":
		if c := tx.Clusters.Get(a.Name); c != nil {
			return c.Tags, func(t []ecs.Tag) { c := c.Clone(); c.Tags = t; tx.Clusters.Put(a.Name, c) }, nil
		}
	case "task":
		if t := tx.Tasks.Get(a.Name); t != nil {
			return t.Tags, func(tags []ecs.Tag) { t := t.Clone(); t.Tags = tags; tx.Tasks.Put(t.ID, t) }, nil
		}
	case "container-instance":
		if i := tx.Instances.Get(a.Name); i != nil {
			return i.Tags, func(t []ecs.Tag) { i := i.Clone(); i.Tags = t; tx.Instances.Put(i.ID, i) }, nil
		}
	case "task-definition":
		if d := definition(tx, arn); d != nil {
			return d.Tags, func(t []ecs.Tag) {
				d := d.Clone()
				d.Tags = t
				tx.TaskDefinitions.Put(state.DefinitionKey(d.Family, d.Revision), d)
			}, nil
		}
	case "service":
		key := state.ServiceKey(a.Cluster, a.Name)
		if s := tx.Services.Get(key); s != nil {
			return s.Tags, func(t []ecs.Tag) { s := s.Clone(); s.Tags = t; tx.Services.Put(key, s) }, nil
		}
	default:
		return nil, nil, ecs.InvalidParameter("Invalid 'resourceArn': a %s cannot have tags.", a.Kind)
	}
	return nil, nil, missing
}

type tagInput struct {
	ResourceArn string    `json:"resourceArn"`
	Tags        []ecs.Tag `json:"tags"`
	TagKeys     []string  `json:"tagKeys"`
}

func listTagsForResource(a *API, _ *http.Request, in *tagInput) (any, error) {
	var tags []ecs.Tag
	var err error
	a.Store.View(func(tx *state.Tx) { tags, _, err = tagged(tx, in.ResourceArn) })
	return map[string]any{"tags": nonNil(tags)}, err
}

func tagResource(a *API, _ *http.Request, in *tagInput) (any, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	return struct{}{}, a.Store.Update(func(tx *state.Tx) error {
		have, write, err := tagged(tx, in.ResourceArn)
		if err != nil {
			return err
		}
		all := slices.DeleteFunc(slices.Clone(have), func(t ecs.Tag) bool {
			return slices.ContainsFunc(in.Tags, func(n ecs.Tag) bool { return n.Key == t.Key })
		})
		all = append(all, in.Tags...)
		if err := checkTags(all); err != nil {
			return err
		}
		write(all)
		return nil
	})
}

func untagResource(a *API, _ *http.Request, in *tagInput) (any, error) {
	return struct{}{}, a.Store.Update(func(tx *state.Tx) error {
		have, write, err := tagged(tx, in.ResourceArn)
		if err != nil {
			return err
		}
		write(slices.DeleteFunc(slices.Clone(have), func(t ecs.Tag) bool { return slices.Contains(in.TagKeys, t.Key) }))
		return nil
	})
}

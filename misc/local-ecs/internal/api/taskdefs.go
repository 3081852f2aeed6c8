package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/taskdef"
)

type registerTaskDefinitionInput struct {
	ecs.TaskDefinition
	Tags []ecs.Tag `json:"tags"`
}

func registerTaskDefinition(a *API, _ *http.Request, in *registerTaskDefinitionInput) (any, error) {
	d := in.TaskDefinition
	if err := taskdef.Validate(&d); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	taskdef.Complete(&d)
	err := a.Store.Update(func(tx *state.Tx) error {
		d.Revision = 1
		if all := tx.Revisions(d.Family); len(all) > 0 {
			d.Revision = all[len(all)-1].Revision + 1
		}
		d.TaskDefinitionArn = a.Control.Names.TaskDefinition(familyRevision(&d))
		d.RegisteredAt = ecs.At(a.Control.Now())
		d.DeregisteredAt = ecs.Time{}
		d.RegisteredBy = "arn:" + a.Control.Names.Partition + ":iam::" + a.Control.Names.Account + ":root"
		tx.TaskDefinitions.Put(state.DefinitionKey(d.Family, d.Revision), &state.TaskDefinition{TaskDefinition: d, Tags: in.Tags})
		return nil
	})
	if err == nil {
		a.Log.Info("task definition registered", "definition", familyRevision(&d))
	}
	return map[string]any{"taskDefinition": d, "tags": nonNil(in.Tags)}, err
}

func familyRevision(d *ecs.TaskDefinition) string {
	return d.Family + ":" + strconv.Itoa(d.Revision)
}

// definition finds what "family", "family:revision" or an ARN means: without revision the newest ACTIVE one.
func definition(tx *state.Tx, ref string) *state.TaskDefinition {
	if strings.HasPrefix(ref, "arn:") {
		arn, ok := ecs.ParseARN(ref)
		if !ok || arn.Kind != "task-definition" {
			return nil
		}
		ref = arn.Name
	}
	family, revision, exact := strings.Cut(ref, ":")
	if exact {
		n, err := strconv.Atoi(revision)
		if err != nil {
			return nil
		}
		return tx.TaskDefinitions.Get(state.DefinitionKey(family, n))
	}
	all := tx.Revisions(family)
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Status == ecs.Active {
			return all[i]
		}
	}
	return nil
}

// runnable finds the definition to start tasks of.
func runnable(tx *state.Tx, ref string) (*state.TaskDefinition, error) {
	if ref == "" {
		return nil, ecs.Client("TaskDefinition can not be blank. 'taskDefinition' is missing.")
	}
	d := definition(tx, ref)
	switch {
	case d == nil:
		return nil, ecs.Client("TaskDefinition not found.")
	case d.Status != ecs.Active:
		return nil, ecs.Client("TaskDefinition is inactive")
	}
	return d, nil
}

type taskDefinitionInput struct {
	TaskDefinition string   `json:"taskDefinition"`
	Include        []string `json:"include"`
}

func describeTaskDefinition(a *API, _ *http.Request, in *taskDefinitionInput) (any, error) {
	var d *state.TaskDefinition
	a.Store.View(func(tx *state.Tx) { d = definition(tx, in.TaskDefinition) })
	if d == nil {
		return nil, ecs.Client("Unable to describe task definition.")
	}
	out := map[string]any{"taskDefinition": d.TaskDefinition}
	if include(in.Include, "TAGS") {
		out["tags"] = nonNil(d.Tags)
	}
	return out, nil
}

func deregisterTaskDefinition(a *API, _ *http.Request, in *taskDefinitionInput) (any, error) {
	ref := in.TaskDefinition
	if arn, ok := ecs.ParseARN(ref); ok {
		ref = arn.Name
	}
	if _, revision, ok := strings.Cut(ref, ":"); !ok || revision == "" {
		return nil, ecs.Client("Invalid 'taskDefinition': '%s'. A revision is required, as in family:1.", in.TaskDefinition)
	}
	var out ecs.TaskDefinition
	err := a.Store.Update(func(tx *state.Tx) error {
		d := definition(tx, in.TaskDefinition)
		if d == nil {
			return ecs.Client("The specified task definition does not exist.")
		}
		if d.Status == ecs.Active {
			d = d.Clone()
			d.Status, d.DeregisteredAt = ecs.Inactive, ecs.At(a.Control.Now())
			tx.TaskDefinitions.Put(state.DefinitionKey(d.Family, d.Revision), d)
		}
		out = d.TaskDefinition
		return nil
	})
	return map[string]any{"taskDefinition": out}, err
}

type listTaskDefinitionsInput struct {
	paging
	FamilyPrefix string `json:"familyPrefix"`
	Status       string `json:"status"`
	Sort         string `json:"sort"`
}

func listTaskDefinitions(a *API, _ *http.Request, in *listTaskDefinitionsInput) (any, error) {
	status := in.Status
	if status == "" {
		status = ecs.Active
	}
	if err := oneOf("status", status, ecs.Active, ecs.Inactive, "DELETE_IN_PROGRESS"); err != nil {
		return nil, err
	}
	if err := oneOf("sort", in.Sort, "ASC", "DESC"); err != nil {
		return nil, err
	}
	var keys []string
	a.Store.View(func(tx *state.Tx) {
		for _, d := range tx.TaskDefinitions.All() {
			if d.Status == status && (in.FamilyPrefix == "" || d.Family == in.FamilyPrefix) {
				keys = append(keys, state.DefinitionKey(d.Family, d.Revision))
			}
		}
	})
	cut := in.page
	if in.Sort == "DESC" {
		cut = in.reversed
	}
	keys, next, err := cut(keys)
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, k := range keys {
		family, revision, _ := strings.Cut(k, ":")
		n, _ := strconv.Atoi(revision)
		arns = append(arns, a.Control.Names.TaskDefinition(family+":"+strconv.Itoa(n)))
	}
	return list("taskDefinitionArns", arns, next), nil
}

func listTaskDefinitionFamilies(a *API, _ *http.Request, in *listTaskDefinitionsInput) (any, error) {
	if err := oneOf("status", in.Status, ecs.Active, ecs.Inactive, "ALL"); err != nil {
		return nil, err
	}
	active := map[string]bool{}
	a.Store.View(func(tx *state.Tx) {
		for _, d := range tx.TaskDefinitions.All() {
			active[d.Family] = active[d.Family] || d.Status == ecs.Active
		}
	})
	var families []string
	for f, isActive := range active {
		wanted := in.Status == "" || in.Status == "ALL" || isActive == (in.Status == ecs.Active)
		if wanted && strings.HasPrefix(f, in.FamilyPrefix) {
			families = append(families, f)
		}
	}
	slices.Sort(families)
	families, next, err := in.page(families)
	return list("families", families, next), err
}

// oneOf checks a parameter with fixed values; empty passes.
func oneOf(field, value string, allowed ...string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return ecs.InvalidParameter("Invalid '%s': '%s'. Valid values: %s.", field, value, strings.Join(allowed, ", "))
}

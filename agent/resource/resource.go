// Package resource brings the crafts of task resources together: each sub-package makes and removes one kind of thing that
// a task needs beside its containers.
package resource

import (
	"context"
	"errors"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Craft makes and removes resources of one kind. Its calls may be repeated.
type Craft interface {
	// Plan says which resources a new task needs. It may add to the task, but makes no call. The error's text is the cause
	// users see for the task that cannot run.
	Plan(t *task.Task) ([]task.Resource, error)
	// Create makes a resource; one that is there already is a success. The error's text is the reason users see.
	Create(ctx context.Context, t *task.Task, r *task.Resource) error
	// Remove removes what Create made, or began to make; what is not there is a success.
	Remove(ctx context.Context, t *task.Task, r *task.Resource) error
}

// Releaser is a Craft that holds things for the creation of containers alone.
type Releaser interface {
	// Release drops what is held for r; Remove may still come.
	Release(ctx context.Context, t *task.Task, r *task.Resource)
}

// Kind is a kind of resource and its craft.
type Kind struct {
	Name  string // as in agent.db
	Craft Craft
}

// Kinds are the resources of tasks, in the order in which they are planned.
type Kinds []Kind

var errUnsupported = errors.New("Unsupported resource type") //lint:ignore ST1005 the text users know

// Plan says which resources a new task needs.
func (ks Kinds) Plan(t *task.Task) ([]task.Resource, error) {
	var all []task.Resource
	for _, k := range ks {
		more, err := k.Craft.Plan(t)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// Create makes a resource.
func (ks Kinds) Create(ctx context.Context, t *task.Task, r *task.Resource) error {
	if craft := ks.of(r); craft != nil {
		return craft.Create(ctx, t, r)
	}
	return errUnsupported
}

// Remove removes a resource. One of a kind that is not known (made by another agent) is left as it is.
func (ks Kinds) Remove(ctx context.Context, t *task.Task, r *task.Resource) error {
	if craft := ks.of(r); craft != nil {
		return craft.Remove(ctx, t, r)
	}
	return errUnsupported
}

// Release drops what the resources of a task hold for the creation of its containers alone.
func (ks Kinds) Release(ctx context.Context, t *task.Task) {
	for i := range t.Resources {
		if releaser, does := ks.of(&t.Resources[i]).(Releaser); does {
			releaser.Release(ctx, t, &t.Resources[i])
		}
	}
}

func (ks Kinds) of(r *task.Resource) Craft {
	for _, k := range ks {
		if k.Name == r.Kind {
			return k.Craft
		}
	}
	return nil
}

// ExecutionKeys gives the credentials of the task's execution role; false while there are none.
func ExecutionKeys(roles *credentials.Store, t *task.Task) (awsclient.CredentialsProvider, bool) {
	held, _ := roles.Get(t.ExecutionCredentialsID)
	if held == nil || held.AccessKeyID == "" || held.SecretAccessKey == "" {
		return nil, false
	}
	return awsclient.StaticCredentials{
		AccessKeyID: held.AccessKeyID, SecretAccessKey: held.SecretAccessKey, SessionToken: held.SessionToken,
		Source: "execution role",
	}, true
}

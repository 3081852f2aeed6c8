package acs

import (
	"errors"
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

var (
	errNoTaskARN       = errors.New("task ARN is empty")
	errNoCredentialsID = errors.New("CredentialsId is empty")
)

// intake is a task of a payload, converted, with the credentials that came along.
type intake struct {
	task  *task.Task
	roles []credentials.Credentials // task role first, then execution role
}

// convert turns a task of a payload into the model's. It changes nothing outside; the first thing wrong with the task is
// the error, and its text reaches users.
func convert(w *wireTask) (intake, error) {
	if w.ARN == "" {
		return intake{}, errNoTaskARN
	}
	t := &task.Task{
		ARN:                  w.ARN,
		Family:               w.Family,
		Revision:             w.Version,
		ServiceName:          w.ServiceName,
		Group:                w.Group,
		LaunchType:           w.LaunchType,
		CPU:                  w.CPU,
		Memory:               w.Memory,
		PIDMode:              w.PIDMode,
		IPCMode:              w.IPCMode,
		EnableFaultInjection: w.EnableFaultInjection,
		Associations:         associations(w.Associations),
	}
	claimed, err := claimedVolumes(w.Attachments)
	if err != nil {
		return intake{}, err
	}
	if t.Desired, err = task.ParseStatus(w.DesiredStatus); err != nil {
		return intake{}, err
	}
	if t.Containers, err = containers(w); err != nil {
		return intake{}, err
	}
	if t.Volumes, err = volumes(w.Volumes, claimed); err != nil {
		return intake{}, err
	}
	for i, c := range t.Containers {
		if err := override(c, w.Containers[i].Overrides); err != nil {
			return intake{}, err
		}
	}
	t.NetworkMode = networkMode(w)
	if err := addAttachments(t, w.Attachments); err != nil {
		return intake{}, err
	}

	in := intake{task: t}
	if t.CredentialsID, err = in.addRole(w.Role, credentials.Application); err != nil {
		return intake{}, err
	}
	if t.ENIs, err = interfaces(w.ENIs); err != nil {
		return intake{}, err
	}
	if t.AppMesh, err = appMesh(w.Proxy); err != nil {
		return intake{}, err
	}
	if t.ExecutionCredentialsID, err = in.addRole(w.ExecutionRole, credentials.Execution); err != nil {
		return intake{}, err
	}
	return in, nil
}

// addRole notes credentials that came with the task and gives their id; empty without credentials.
func (in *intake) addRole(w *wireCredentials, role credentials.RoleType) (string, error) {
	if w == nil {
		return "", nil
	}
	if w.CredentialsID == "" {
		return "", errNoCredentialsID
	}
	in.roles = append(in.roles, w.role(in.task.ARN, role))
	return w.CredentialsID, nil
}

func (c *wireCredentials) role(taskARN string, role credentials.RoleType) credentials.Credentials {
	return credentials.Credentials{
		ID:              c.CredentialsID,
		TaskARN:         taskARN,
		RoleARN:         c.RoleARN,
		RoleType:        role,
		AccessKeyID:     c.AccessKeyID,
		SecretAccessKey: c.SecretAccessKey,
		SessionToken:    c.SessionToken,
		Expiration:      c.Expiration,
	}
}

// Network modes of a task (ECS TaskDefinition networkMode).
const (
	modeBridge = "bridge"
)

func networkMode(w *wireTask) string {
	switch w.NetworkMode {
	case "":
		return modeBridge
	case modeBridge, task.NetworkAWSVPC, "host", "none":
	default:
		logger.Warn("Task has a network mode this agent does not know", logger.F("taskARN", w.ARN), logger.F("networkMode", w.NetworkMode))
	}
	return w.NetworkMode
}

func associations(list []wireAssociation) []task.Association {
	var out []task.Association
	for _, a := range list {
		out = append(out, task.Association{
			Name: a.Name, Type: a.Type, Containers: a.Containers,
			Content: task.AssociationContent{Value: a.Content.Value, Encoding: a.Content.Encoding},
		})
	}
	return out
}

func containers(w *wireTask) ([]*task.Container, error) {
	var out []*task.Container
	for i, wc := range w.Containers {
		if wc == nil {
			return nil, fmt.Errorf("entry %d of the container list is null", i)
		}
		c, err := container(wc)
		if err != nil {
			return nil, err
		}
		c.TaskARN = w.ARN
		out = append(out, c)
	}
	return out, nil
}

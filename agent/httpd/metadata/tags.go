package metadata

import (
	"context"
	"errors"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// tagsBudget bounds a request with both look-ups, from its beginning on. It is below the server's write timeout of 5 s, so
// that a slow answer still reaches the container.
const tagsBudget = 4500 * time.Millisecond

// tagError says in version 4 why tags are missing.
type tagError struct {
	ErrorField   string `json:",omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
	StatusCode   int    `json:",omitempty"`
	RequestId    string `json:",omitempty"`
	ResourceARN  string `json:",omitempty"`
}

// listTags asks for the tags of the container instance, then for those of the task. What fails is left out.
func (h *handler) listTags(ctx context.Context, t *task.Task, container string) (instance, own map[string]string, failed []tagError) {
	list := func(field, arn string) map[string]string {
		tags, err := h.tags.ListTagsForResource(ctx, arn, container)
		if err != nil {
			logger.Error("Task Metadata error: unable to get '"+field+"' for '"+arn+"': "+err.Error(), logger.F("taskARN", t.ARN))
			failed = append(failed, newTagError(field, arn, err))
			return nil
		}
		return tagMap(tags)
	}
	instance = list("ContainerInstanceTags", h.instance.ARN)
	own = list("TaskTags", t.ARN)
	return instance, own, failed
}

func newTagError(field, arn string, err error) tagError {
	e := tagError{ErrorField: field, ErrorMessage: err.Error(), ResourceARN: arn}
	var api *awsclient.APIError
	if errors.As(err, &api) {
		e.ErrorCode, e.ErrorMessage, e.StatusCode, e.RequestId = api.Code, api.Message, api.Status, api.RequestID
	}
	return e
}

func tagMap(tags []ecsapi.Tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	m := make(map[string]string, len(tags))
	for _, tag := range tags {
		m[tag.Key] = tag.Value
	}
	return m
}

package ecsapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/backoff"
)

// Tag look-ups answer a container that waits: they give up soon.
const tagsBudget = 30 * time.Second

var tagsRetry = backoff.Policy{First: 500 * time.Millisecond, Longest: 10 * time.Second, Factor: 1.5, Jitter: 0.1}

// ListTagsForResource returns the tags of a task or container instance. container names the container whose metadata
// request is answered; it is added to the User-Agent when not empty.
func (c *Client) ListTagsForResource(ctx context.Context, arn, container string) ([]Tag, error) {
	ctx, cancel := context.WithTimeout(ctx, tagsBudget)
	defer cancel()

	var out struct {
		Tags []Tag `json:"tags"`
	}
	call := awsclient.Call{
		Operation: "ListTagsForResource",
		In: struct {
			ARN string `json:"resourceArn"`
		}{arn},
		Out:     &out,
		Retries: c.standard,
	}
	if container != "" {
		call.UserAgent = c.userAgent + " container/" + container
	}
	pauses := tagsRetry.Start()
	for n := 1; ; n++ {
		err := classify(c.api.Call(ctx, call))
		if err == nil {
			return out.Tags, nil
		}
		if errors.Is(err, ErrTransient) && pauses.Sleep(ctx) == nil {
			continue
		}
		return nil, fmt.Errorf("GetResourceTags failed for %s after %d attempts: %w", arn, n, err)
	}
}

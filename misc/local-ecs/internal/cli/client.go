package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/telemetry"
)

// client calls the ECS API of a local-ecs.
type client struct {
	endpoint string
	cluster  string
}

// clientFlags adds the flags of all commands that call the API.
func clientFlags(fs *flag.FlagSet, env *Env) *client {
	c := &client{}
	endpoint := env.Getenv("LOCAL_ECS_ENDPOINT")
	if endpoint == "" {
		endpoint = "http://" + defaultListen
	}
	fs.StringVar(&c.endpoint, "endpoint", endpoint, "`URL` of local-ecs; LOCAL_ECS_ENDPOINT sets the default")
	fs.StringVar(&c.cluster, "cluster", "default", "`name` of the cluster")
	return c
}

// callLimit bounds one call.
const callLimit = 30 * time.Second

// call carries out one operation; refusals are *ecs.Error.
func (c *client) call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(c.endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("--endpoint: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+operation)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w (does local-ecs serve on %s?)", operation, err, c.endpoint)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var e struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || e.Type == "" {
			return fmt.Errorf("%s: %s answers %s; is that a local-ecs?", operation, c.endpoint, resp.Status)
		}
		return ecs.Errorf(e.Type, "%s", e.Message)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s: answer of %s: %w", operation, c.endpoint, err)
	}
	return nil
}

// tasks describes tasks by ARN or id.
func (c *client) tasks(ctx context.Context, refs []string) ([]ecs.Task, error) {
	var out struct {
		Tasks    []ecs.Task    `json:"tasks"`
		Failures []ecs.Failure `json:"failures"`
	}
	var all []ecs.Task
	for len(refs) > 0 {
		n := min(len(refs), 100)
		if err := c.call(ctx, "DescribeTasks", map[string]any{"cluster": c.cluster, "tasks": refs[:n]}, &out); err != nil {
			return nil, err
		}
		all = append(all, out.Tasks...)
		refs = refs[n:]
	}
	return all, nil
}

// usage returns what tasks use, by ARN; nothing when the endpoint does not tell: this is no part of the ECS API.
func (c *client) usage(ctx context.Context) (byARN map[string]telemetry.Usage) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(c.endpoint, "/")+"/usage", nil)
	if err != nil {
		return nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&byARN) != nil {
		return nil
	}
	return byARN
}

// list returns the ARNs of the cluster's tasks with a desired status.
func (c *client) list(ctx context.Context, desired string) ([]string, error) {
	var all []string
	in := map[string]any{"cluster": c.cluster, "desiredStatus": desired}
	for {
		var out struct {
			TaskArns  []string `json:"taskArns"`
			NextToken string   `json:"nextToken"`
		}
		if err := c.call(ctx, "ListTasks", in, &out); err != nil {
			return nil, err
		}
		all = append(all, out.TaskArns...)
		if out.NextToken == "" {
			return all, nil
		}
		in["nextToken"] = out.NextToken
	}
}

// id is the last part of a task's ARN.
func id(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

func shortID(arn string) string {
	i := id(arn)
	return i[:min(12, len(i))]
}

package awsclient

import (
	"context"
	"net/url"
	"strconv"
)

// EC2 makes the one EC2 call of the agent.
type EC2 struct {
	client  QueryClient
	retries Retries
}

const (
	ec2Version  = "2016-11-15"
	ec2Attempts = 5
	// maxInstanceTags is more than an instance can have.
	maxInstanceTags = 50
)

// NewEC2 returns a client of the EC2 endpoint of the region.
func NewEC2(o ClientOptions) (*EC2, error) {
	endpoint, err := ResolveEndpoint(EndpointQuery{Service: "EC2", HostPrefix: "ec2", Region: o.Region, DualStack: o.DualStack, Environment: o.Environment})
	if err != nil {
		return nil, err
	}
	e := &EC2{
		client:  QueryClient{Version: ec2Version},
		retries: Retries{MaxAttempts: CapAttempts(o.Environment.orReal().Getenv, ec2Attempts), Delay: standardDelay},
	}
	e.client.SigningName, e.client.Region, e.client.Endpoint = "ec2", o.Region, endpoint
	e.client.Credentials, e.client.HTTP, e.client.UserAgent = o.Credentials, o.HTTP, o.UserAgent
	return e, nil
}

// DescribeInstanceTags returns the tags of an instance, keys to values.
func (e *EC2) DescribeInstanceTags(ctx context.Context, instanceID string) (map[string]string, error) {
	var out struct {
		Tags []struct {
			Key   string `xml:"key"`
			Value string `xml:"value"`
		} `xml:"tagSet>item"`
	}
	err := e.client.Call(ctx, url.Values{
		"Action":           {"DescribeTags"},
		"Filter.1.Name":    {"resource-id"},
		"Filter.1.Value.1": {instanceID},
		"Filter.2.Name":    {"resource-type"},
		"Filter.2.Value.1": {"instance"},
		"MaxResults":       {strconv.Itoa(maxInstanceTags)},
	}, &out, e.retries)
	if err != nil {
		return nil, err
	}
	tags := make(map[string]string, len(out.Tags))
	for _, t := range out.Tags {
		tags[t.Key] = t.Value
	}
	return tags, nil
}

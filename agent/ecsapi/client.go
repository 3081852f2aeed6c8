// Package ecsapi makes the agent's calls to the Amazon ECS service: registration, endpoint discovery, state changes, tags
// and task protection.
//
// It speaks AWS JSON 1.1 itself instead of using the service package of the AWS SDK, which costs 1.4 MB of binary and
// 2.5 MB of resident memory for nine calls (measured; the agent as a whole may use 22 MB).
//
// Requests are plain structs. Limits of the service (text lengths, number of network bindings) are applied here, when
// the body is built, so that no caller can send a request that must fail.
package ecsapi

import (
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

const targetPrefix = "AmazonEC2ContainerServiceV20141113"

// Options of a [Client].
type Options struct {
	awsclient.ClientOptions
	// BackendHost is ECS_BACKEND_HOST; empty selects the endpoint of the region.
	BackendHost string
	// ExcludeIPv6Bindings leaves bindings to `::` out of state changes, ExcludeIPv4Bindings those to `0.0.0.0`.
	ExcludeIPv6Bindings, ExcludeIPv4Bindings bool
}

// Client calls ECS. It is safe for concurrent use.
type Client struct {
	api             awsclient.JSONClient
	userAgent       string
	standard, short awsclient.Retries
	poll            pollEndpoints
	// Bindings to `::` and `0.0.0.0` are left out of state changes.
	excludeIPv6, excludeIPv4 bool
}

// New returns a client. It makes no call. The error is a setting that no call could work with.
func New(o Options) (*Client, error) {
	endpoint, err := endpoint(o)
	if err != nil {
		return nil, err
	}
	getenv := o.Environment.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	c := &Client{
		api:       awsclient.JSONClient{TargetPrefix: targetPrefix},
		userAgent: o.UserAgent,
		standard:  awsclient.StandardRetries(getenv),
		short:     awsclient.Retries{MaxAttempts: awsclient.CapAttempts(getenv, submitAttempts), Delay: submitDelay},
		poll:      newPollEndpoints(),

		excludeIPv6: o.ExcludeIPv6Bindings, excludeIPv4: o.ExcludeIPv4Bindings,
	}
	c.api.SigningName, c.api.Region, c.api.Endpoint = "ecs", o.Region, endpoint
	c.api.Credentials, c.api.HTTP, c.api.UserAgent = o.Credentials, o.HTTP, o.UserAgent
	return c, nil
}

// endpoint is the base URL of all calls. FIPS and dual-stack names are not derived from a configured host.
func endpoint(o Options) (string, error) {
	if host := strings.TrimSpace(o.BackendHost); host != "" {
		if !strings.HasPrefix(host, "http://") && !strings.HasPrefix(host, "https://") {
			host = "https://" + host
		}
		return host, nil
	}
	return awsclient.ResolveEndpoint(awsclient.EndpointQuery{
		Service: "ECS", HostPrefix: "ecs", Region: o.Region, DualStack: o.DualStack, Environment: o.Environment,
	})
}

// submitAttempts bounds the attempts inside one Submit*StateChange call. They bridge a dropped connection or a moment of
// throttling and no more: a submission occupies one of the few slots for its whole duration, so long retrying is the
// business of the caller, which frees the slot while it waits.
const submitAttempts = 3

// submitDelay is the pause after attempt n of a submission: 2ⁿ × r ms, r a random integer in [30, 59].
func submitDelay(n int) time.Duration {
	return time.Duration(30+rand.IntN(30)) * time.Millisecond << n
}

// call makes one logical call and classifies its error.
func (c *Client) call(ctx context.Context, op string, retries awsclient.Retries, in, out any) error {
	return classify(c.api.Call(ctx, awsclient.Call{Operation: op, In: in, Out: out, Retries: retries}))
}

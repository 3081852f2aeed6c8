// Package awsapi makes the calls to AWS services that tasks need beside Amazon ECS: parameters (SSM), secrets (Secrets
// Manager), objects (Amazon S3) and registry tokens (Amazon ECR). Each call names its region and signs with the
// credentials it is given, mostly those of a task's execution role.
package awsapi

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

// attemptLimit bounds one attempt of a call.
const attemptLimit = 5 * time.Second

// Calls makes the calls. All use the connections of one HTTP client. It is safe for concurrent use.
type Calls struct {
	HTTP      *http.Client
	UserAgent string
	// DualStack asks for host names that also have IPv6 addresses (instances without IPv4).
	DualStack bool
	// FIPSHost says that the host's own cryptography is in FIPS mode; Amazon S3 is then asked in the same way where it can
	// be.
	FIPSHost    bool
	Environment awsclient.Environment
}

// service is what tells one service from another.
type service struct {
	// name is how the AWS SDK calls the service in errors.
	name string
	// signing is the name in signatures.
	signing string
	// targetPrefix of X-Amz-Target.
	targetPrefix string
	endpoint     awsclient.EndpointQuery
	// fixed is used instead of what endpoint would find, when it is not empty.
	fixed string
	// modelled are the error codes that the SDK knows for the operation that is used.
	modelled []string
}

// json makes one call of AWS JSON 1.1.
func (c *Calls) json(ctx context.Context, s service, region string, keys awsclient.CredentialsProvider, operation string, in, out any) error {
	endpoint, err := c.endpoint(s, region)
	if err != nil {
		return &clientError{err}
	}
	client := awsclient.JSONClient{TargetPrefix: s.targetPrefix}
	c.fill(&client.Client, s, region, endpoint, keys)
	return s.failed(operation, client.Call(ctx, awsclient.Call{Operation: operation, In: in, Out: out, Retries: c.retries()}))
}

func (c *Calls) endpoint(s service, region string) (string, error) {
	if s.fixed != "" {
		return s.fixed, nil
	}
	q := s.endpoint
	q.Region, q.Environment = region, c.Environment
	q.DualStack = c.DualStack
	return awsclient.ResolveEndpoint(q)
}

func (c *Calls) fill(client *awsclient.Client, s service, region, endpoint string, keys awsclient.CredentialsProvider) {
	client.SigningName, client.Region, client.Endpoint = s.signing, region, endpoint
	client.Credentials, client.HTTP, client.UserAgent = keys, c.HTTP, c.UserAgent
	client.AttemptLimit = attemptLimit
}

func (c *Calls) retries() awsclient.Retries {
	getenv := c.Environment.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	return awsclient.StandardRetries(getenv)
}

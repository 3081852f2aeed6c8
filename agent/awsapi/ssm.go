package awsapi

import (
	"context"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

var ssm = service{
	name: "SSM", signing: "ssm", targetPrefix: "AmazonSSM",
	endpoint: awsclient.EndpointQuery{Service: "SSM", HostPrefix: "ssm"},
	modelled: []string{"InternalServerError", "InvalidKeyId"},
}

// MaxParameters is how many parameters one call may ask for.
const MaxParameters = 10

// Parameter of the Parameter Store. Value is decrypted.
type Parameter struct {
	Name  string
	ARN   string
	Value string
	// Selector is the version or label that was asked for, with its colon; empty for the newest.
	Selector string
}

// Parameters reads parameters by name or ARN, at most MaxParameters. invalid are the names that the service knows no
// parameter for.
func (c *Calls) Parameters(ctx context.Context, region string, keys awsclient.CredentialsProvider, names []string) (found []Parameter, invalid []string, err error) {
	in := struct {
		Names          []string
		WithDecryption bool
	}{names, true}
	var out struct {
		Parameters        []Parameter
		InvalidParameters []string
	}
	err = c.json(ctx, ssm, region, keys, "GetParameters", in, &out)
	return out.Parameters, out.InvalidParameters, err
}

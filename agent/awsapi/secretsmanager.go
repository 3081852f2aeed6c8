package awsapi

import (
	"context"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

var secretsManager = service{
	name: "Secrets Manager", signing: "secretsmanager", targetPrefix: "secretsmanager",
	endpoint: awsclient.EndpointQuery{Service: "SECRETS_MANAGER", HostPrefix: "secretsmanager"},
	modelled: []string{"DecryptionFailure", "InternalServiceError", "InvalidParameterException", "InvalidRequestException", CodeResourceNotFound},
}

// CodeResourceNotFound is the error code of Secrets Manager for a secret that does not exist.
const CodeResourceNotFound = "ResourceNotFoundException"

// SecretID names a version of a secret. Without stage and version it is the current one.
type SecretID struct {
	ID           string `json:"SecretId"` // name or ARN
	VersionID    string `json:"VersionId,omitempty"`
	VersionStage string `json:",omitempty"`
}

// Secret reads the text of a secret; nil when it has none (a binary secret).
func (c *Calls) Secret(ctx context.Context, region string, keys awsclient.CredentialsProvider, id SecretID) (*string, error) {
	var out struct{ SecretString *string }
	err := c.json(ctx, secretsManager, region, keys, "GetSecretValue", id, &out)
	return out.SecretString, err
}

package awsapi

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

var ecr = service{
	name: "ECR", signing: "ecr", targetPrefix: "AmazonEC2ContainerRegistry_V20150921",
	endpoint: awsclient.EndpointQuery{Service: "ECR", Host: ecrHost},
	modelled: []string{"InvalidParameterException", "ServerException"},
}

// ecrHost is the name of the registry's API. It has had more than one naming scheme.
func ecrHost(region string, fips, dualStack bool) string {
	suffix := "." + region + "." + awsclient.RegionSuffix(region, dualStack)
	switch {
	case fips:
		return "ecr-fips" + suffix
	case dualStack:
		return "ecr" + suffix
	default:
		return "api.ecr" + suffix
	}
}

// Registry says which registry a token is for, and whom to ask.
type Registry struct {
	ID     string // AWS account
	Region string
	// Endpoint replaces the region's own when it is not empty; "https://" is assumed.
	Endpoint string
}

// RegistryToken opens a registry. Token is base64 of "user:password".
type RegistryToken struct {
	Token         string
	ProxyEndpoint string
	// Expires is zero when the service does not say.
	Expires time.Time
}

// RegistryTokens asks for the token of a registry. The service answers with a list, of one.
func (c *Calls) RegistryTokens(ctx context.Context, r Registry, keys awsclient.CredentialsProvider) ([]RegistryToken, error) {
	in := struct {
		IDs []string `json:"registryIds,omitempty"`
	}{}
	if r.ID != "" {
		in.IDs = []string{r.ID}
	}
	var out struct {
		Data []struct {
			Token         string      `json:"authorizationToken"`
			ProxyEndpoint string      `json:"proxyEndpoint"`
			ExpiresAt     json.Number `json:"expiresAt"` // seconds, with a fraction
		} `json:"authorizationData"`
	}
	called := ecr
	if r.Endpoint != "" {
		endpoint := r.Endpoint
		if !strings.Contains(endpoint, "://") {
			endpoint = "https://" + endpoint
		}
		called.fixed = strings.TrimRight(endpoint, "/")
	}
	if err := c.json(ctx, called, r.Region, keys, "GetAuthorizationToken", in, &out); err != nil {
		return nil, err
	}
	tokens := make([]RegistryToken, len(out.Data))
	for i, d := range out.Data {
		tokens[i] = RegistryToken{Token: d.Token, ProxyEndpoint: d.ProxyEndpoint}
		if seconds, err := d.ExpiresAt.Float64(); err == nil {
			tokens[i].Expires = time.UnixMilli(int64(seconds * 1000))
		}
	}
	return tokens, nil
}

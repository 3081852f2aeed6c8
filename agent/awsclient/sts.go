package awsclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// stsClient makes the two STS calls the credential chain needs.
type stsClient struct {
	region string
	env    Environment
	http   *http.Client
}

const stsVersion = "2011-06-15"

// call signs with provider; nil sends the request unsigned.
func (s stsClient) call(ctx context.Context, provider CredentialsProvider, params url.Values) (lease, error) {
	endpoint, err := ResolveEndpoint(EndpointQuery{Service: "STS", HostPrefix: "sts", Region: s.region, Environment: s.env})
	if err != nil {
		return lease{}, err
	}
	client := QueryClient{
		Client:  Client{SigningName: "sts", Region: s.region, Endpoint: endpoint, Credentials: provider, HTTP: s.http},
		Version: stsVersion,
	}

	type result struct {
		AccessKeyID     string    `xml:"Credentials>AccessKeyId"`
		SecretAccessKey string    `xml:"Credentials>SecretAccessKey"`
		SessionToken    string    `xml:"Credentials>SessionToken"`
		Expiration      time.Time `xml:"Credentials>Expiration"`
	}
	var out struct {
		WebIdentity result `xml:"AssumeRoleWithWebIdentityResult"`
		Assumed     result `xml:"AssumeRoleResult"`
	}
	if err := client.Call(ctx, params, &out, StandardRetries(s.env.Getenv)); err != nil {
		return lease{}, err
	}
	r := out.Assumed
	if r.AccessKeyID == "" {
		r = out.WebIdentity
	}
	c := Credentials{AccessKeyID: r.AccessKeyID, SecretAccessKey: r.SecretAccessKey, SessionToken: r.SessionToken, Expires: r.Expiration}
	if !c.Valid() {
		return lease{}, errNoKeyPair
	}
	return temporary(c, time.Now()), nil
}

func (s stsClient) assumeWithWebIdentity(ctx context.Context, roleARN, session, tokenFile string) (lease, error) {
	token, err := s.env.ReadFile(tokenFile)
	if err != nil {
		return lease{}, fmt.Errorf("read web identity token: %w", err)
	}
	return s.call(ctx, nil, url.Values{
		"Action":           {"AssumeRoleWithWebIdentity"},
		"RoleArn":          {roleARN},
		"RoleSessionName":  {sessionName(session)},
		"WebIdentityToken": {strings.TrimSpace(string(token))},
	})
}

func (s stsClient) assumeRole(ctx context.Context, base Credentials, p profile) (lease, error) {
	params := url.Values{
		"Action":          {"AssumeRole"},
		"RoleArn":         {p["role_arn"]},
		"RoleSessionName": {sessionName(p["role_session_name"])},
	}
	if id := p["external_id"]; id != "" {
		params.Set("ExternalId", id)
	}
	if seconds := p["duration_seconds"]; seconds != "" {
		if _, err := strconv.Atoi(seconds); err != nil {
			return lease{}, fmt.Errorf("duration_seconds %q is not a number", seconds)
		}
		params.Set("DurationSeconds", seconds)
	}
	return s.call(ctx, StaticCredentials(base), params)
}

func sessionName(configured string) string {
	if configured != "" {
		return configured
	}
	return "amazon-ecs-agent-" + strconv.Itoa(os.Getpid())
}

// webIdentitySource exchanges the token file named by AWS_WEB_IDENTITY_TOKEN_FILE for role credentials.
type webIdentitySource struct {
	env Environment
	sts stsClient
}

func (webIdentitySource) name() string { return "WebIdentityCredentials" }

func (s webIdentitySource) fetch(ctx context.Context) (lease, error) {
	file, role := s.env.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), s.env.Getenv("AWS_ROLE_ARN")
	if file == "" {
		return lease{}, errors.New("AWS_WEB_IDENTITY_TOKEN_FILE is not set")
	}
	if role == "" {
		return lease{}, errors.New("AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not")
	}
	return s.sts.assumeWithWebIdentity(ctx, role, s.env.Getenv("AWS_ROLE_SESSION_NAME"), file)
}

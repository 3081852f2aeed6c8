package clients

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

const (
	region    = "us-east-1"
	secretARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"
)

// services are the clients of the AWS SDK and the agent's own calls, both for local-ecs.
type services struct {
	*rig.Control
	ssm   *ssm.Client
	asm   *secretsmanager.Client
	s3    *s3.Client
	ecr   *ecr.Client
	agent *awsapi.Calls
	keys  awsclient.StaticCredentials
}

func startServices(t *testing.T) *services {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"parameters.json":    `{"/db":"parameter"}`,
		"secrets.json":       `{"db":{"user":"bob"}}`,
		"s3/bucket/a b+.env": "A=1\n",
		"registry.json":      `{"address":"127.0.0.1:5000","username":"u","password":"p"}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	control := startControl(t, "--aws-data", dir)
	t.Setenv("AWS_ENDPOINT_URL", control.Endpoint)
	static := credentials.NewStaticCredentialsProvider("AK", "SK", "token")
	endpoint := aws.String(control.Endpoint)
	return &services{
		Control: control,
		ssm:     ssm.New(ssm.Options{Region: region, BaseEndpoint: endpoint, Credentials: static}),
		asm:     secretsmanager.New(secretsmanager.Options{Region: region, BaseEndpoint: endpoint, Credentials: static}),
		s3:      s3.New(s3.Options{Region: region, BaseEndpoint: endpoint, Credentials: static}),
		ecr:     ecr.New(ecr.Options{Region: region, BaseEndpoint: endpoint, Credentials: static}),
		agent:   &awsapi.Calls{HTTP: awsclient.NewHTTPClient(false)},
		keys:    awsclient.StaticCredentials{AccessKeyID: "AK", SecretAccessKey: "SK", SessionToken: "token"},
	}
}

// pair is one call, made by the SDK and by the agent.
type pair struct {
	name  string
	sdk   func(context.Context) (string, error)
	agent func(context.Context) (string, error)
}

func (s *services) parameter(name string) pair {
	return pair{"parameter " + name,
		func(ctx context.Context) (string, error) {
			out, err := s.ssm.GetParameters(ctx, &ssm.GetParametersInput{Names: []string{name}, WithDecryption: aws.Bool(true)})
			if err != nil {
				return "", err
			}
			if len(out.Parameters) == 0 {
				return strings.Join(out.InvalidParameters, ","), nil
			}
			return *out.Parameters[0].Value, nil
		},
		func(ctx context.Context) (string, error) {
			found, invalid, err := s.agent.Parameters(ctx, region, s.keys, []string{name})
			if err != nil || len(found) == 0 {
				return strings.Join(invalid, ","), err
			}
			return found[0].Value, nil
		}}
}

func (s *services) secret(id, version string) pair {
	return pair{"secret " + id + version,
		func(ctx context.Context) (string, error) {
			in := &secretsmanager.GetSecretValueInput{SecretId: &id}
			if version != "" {
				in.VersionId = &version
			}
			out, err := s.asm.GetSecretValue(ctx, in)
			if err != nil {
				return "", err
			}
			return *out.SecretString, nil
		},
		func(ctx context.Context) (string, error) {
			text, err := s.agent.Secret(ctx, region, s.keys, awsapi.SecretID{ID: id, VersionID: version})
			if err != nil {
				return "", err
			}
			return *text, nil
		}}
}

func (s *services) object(bucket, key string) pair {
	return pair{"object " + bucket + "/" + key,
		func(ctx context.Context) (string, error) {
			out, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
			if err != nil {
				return "", err
			}
			defer out.Body.Close()
			text, err := io.ReadAll(out.Body)
			return string(text), err
		},
		func(ctx context.Context) (string, error) {
			var text bytes.Buffer
			err := s.agent.Object(ctx, region, s.keys, bucket, key, func(body io.Reader) error {
				text.Reset()
				_, err := text.ReadFrom(body)
				return err
			})
			return text.String(), err
		}}
}

func (s *services) bucket(name string) pair {
	return pair{"bucket " + name,
		func(ctx context.Context) (string, error) {
			out, err := s.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name})
			if err != nil {
				return "", err
			}
			return aws.ToString(out.BucketRegion), nil
		},
		func(ctx context.Context) (string, error) { return s.agent.BucketRegion(ctx, region, s.keys, name) },
	}
}

func (s *services) token() pair {
	return pair{"token",
		func(ctx context.Context) (string, error) {
			//lint:ignore SA1019 the agent names the registry too
			out, err := s.ecr.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{RegistryIds: []string{"123456789012"}})
			if err != nil {
				return "", err
			}
			d := out.AuthorizationData[0]
			return *d.AuthorizationToken + *d.ProxyEndpoint + d.ExpiresAt.Format(time.RFC3339)[:13], nil
		},
		func(ctx context.Context) (string, error) {
			tokens, err := s.agent.RegistryTokens(ctx, awsapi.Registry{ID: "123456789012", Region: region}, s.keys)
			if err != nil {
				return "", err
			}
			return tokens[0].Token + tokens[0].ProxyEndpoint + tokens[0].Expires.UTC().Format(time.RFC3339)[:13], nil
		}}
}

// same makes both calls and compares what comes of them, the words of errors included: users look those up.
func (p pair) same(t *testing.T) (result string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want, wantErr := p.sdk(ctx)
	got, err := p.agent(ctx)
	if got != want || plain(err) != plain(wantErr) {
		t.Errorf("%s:\nthe agent %q, %v\nthe SDK   %q, %v", p.name, got, err, want, wantErr)
	}
	return got, err
}

// changing is what differs from call to call, and what the SDK changes from version to version: it calls the errors that
// the model of a service does not know "api error".
var changing = regexp.MustCompile(`RequestID: [0-9a-f-]*|api error `)

func plain(err error) string {
	if err == nil {
		return ""
	}
	return changing.ReplaceAllString(err.Error(), "")
}

func TestTheAgentReadsWhatTheSDKReads(t *testing.T) {
	s := startServices(t)
	for want, p := range map[string]pair{
		"parameter":      s.parameter("/db"),
		"/nope":          s.parameter("/nope"),
		`{"user":"bob"}`: s.secret(secretARN+"db-AbCdEf", ""),
		"A=1\n":          s.object("bucket", "a b+.env"),
		region:           s.bucket("bucket"),
	} {
		if got, err := p.same(t); got != want || err != nil {
			t.Errorf("%s: %q, %v", p.name, got, err)
		}
	}
	if got, err := s.token().same(t); err != nil || !strings.HasPrefix(got, "dTpwhttp://127.0.0.1:5000") {
		t.Errorf("token: %q, %v", got, err)
	}
}

func TestTheAgentFailsInTheSDKsWords(t *testing.T) {
	s := startServices(t)
	for _, p := range []pair{
		s.secret(secretARN+"nope-AbCdEf", ""), s.secret("db", "no-such-version-of-it"),
		s.object("bucket", "nope"), s.object("no-such-bucket", "key"), // not HeadBucket: there the SDK has no words
	} {
		if _, err := p.same(t); err == nil {
			t.Errorf("%s: no error", p.name)
		}
	}
	spoil := func(rules ...rig.Fault) {
		t.Helper()
		if err := s.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Spoil(t.Context(), rules...); err != nil {
			t.Fatal(err)
		}
	}
	all := []pair{s.parameter("/db"), s.secret("db", ""), s.token()}
	spoil(rig.Fault{"operation": "Get*", "action": "error", "errorType": "AccessDeniedException", "errorText": "User is not authorized"})
	for _, p := range all {
		if _, err := p.same(t); err == nil || !strings.HasSuffix(err.Error(), "AccessDeniedException: User is not authorized") {
			t.Errorf("denied %s: %v", p.name, err)
		}
	}
	// These are tried three times, with pauses.
	for name, rule := range map[string]rig.Fault{
		"throttled": {"operation": "Get*", "action": "throttle"},
		"failing":   {"operation": "Get*", "action": "500"},
	} {
		spoil(rule)
		t.Run(name, func(t *testing.T) {
			for _, p := range all[:2] {
				t.Run(p.name, func(t *testing.T) {
					t.Parallel()
					if _, err := p.same(t); err == nil || !strings.Contains(err.Error(), "exceeded maximum number of attempts, 3") {
						t.Errorf("%s: %v", p.name, err)
					}
				})
			}
		})
	}
}

package awsclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

var errNoKeyPair = errors.New("gives no access key pair")

// envSource reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
type envSource struct{ env Environment }

func (envSource) name() string { return "EnvProvider" }

func (s envSource) fetch(context.Context) (lease, error) {
	c := Credentials{SessionToken: s.env.Getenv("AWS_SESSION_TOKEN")}
	_, c.AccessKeyID = firstSet(s.env.Getenv, "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
	_, c.SecretAccessKey = firstSet(s.env.Getenv, "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")
	if !c.Valid() {
		return lease{}, errors.New("AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set")
	}
	return keep(c), nil
}

// sharedCredentialsSource reads a key pair from the shared credentials file alone.
type sharedCredentialsSource struct{ env Environment }

func (sharedCredentialsSource) name() string { return "SharedCredentialsProvider" }

func (s sharedCredentialsSource) fetch(context.Context) (lease, error) {
	c, err := s.env.keyPair("shared credentials file", s.env.credentialsFile(), s.env.profileName())
	if err != nil {
		return lease{}, err
	}
	return keep(c), nil
}

// rotatingLifetime bounds how long a rotation of the file by the SSM agent goes unnoticed.
const rotatingLifetime = time.Minute

// rotatingSource reads the file that the SSM agent of an external instance keeps fresh.
type rotatingSource struct {
	env     Environment
	profile string
}

func (rotatingSource) name() string { return "RotatingSharedCredentialsProvider" }

func (s rotatingSource) fetch(context.Context) (lease, error) {
	c, err := s.env.keyPair("rotating credentials file", rotatingFile(), cmp.Or(s.profile, defaultProfile))
	if err != nil {
		return lease{}, err
	}
	c.Source = s.name()
	c.Expires = time.Now().Add(rotatingLifetime)
	logger.Info("Successfully got instance credentials from the rotating credentials file",
		logger.F("provider", c.Source), logger.F("keyID", maskKeyID(c.AccessKeyID)))
	return lease{Credentials: c, refreshAt: c.Expires}, nil
}

func rotatingFile() string {
	if runtime.GOOS == "windows" {
		root := os.Getenv("SystemRoot")
		if root == "" {
			root = `C:\Windows`
		}
		return filepath.Join(root, "System32", "config", "systemprofile", ".aws", "credentials")
	}
	return "/rotatingcreds/credentials"
}

// roleSource gets the credentials of the instance role from the instance metadata service.
type roleSource struct{ metadata Metadata }

const rolePath = "meta-data/iam/security-credentials/"

func (roleSource) name() string { return "EC2RoleProvider" }

func (s roleSource) fetch(ctx context.Context) (lease, error) {
	if s.metadata == nil {
		return lease{}, errors.New("no instance metadata service")
	}
	list, err := s.metadata.Get(ctx, rolePath)
	if err != nil {
		return lease{}, fmt.Errorf("list instance roles: %w", err)
	}
	role, _, _ := strings.Cut(strings.TrimSpace(list), "\n")
	if role = strings.TrimSpace(role); role == "" {
		return lease{}, errors.New("the instance has no role")
	}
	text, err := s.metadata.Get(ctx, rolePath+url.PathEscape(role))
	if err != nil {
		return lease{}, fmt.Errorf("get credentials of instance role %q: %w", role, err)
	}
	c, err := parseEndpointCredentials([]byte(text))
	if err != nil {
		return lease{}, fmt.Errorf("credentials of instance role %q: %w", role, err)
	}
	return temporary(c, time.Now()), nil
}

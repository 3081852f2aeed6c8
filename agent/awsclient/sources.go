package awsclient

import (
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
	first := func(names ...string) string {
		for _, n := range names {
			if v := s.env.Getenv(n); v != "" {
				return v
			}
		}
		return ""
	}
	c := Credentials{
		AccessKeyID:     first("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"),
		SecretAccessKey: first("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"),
		SessionToken:    s.env.Getenv("AWS_SESSION_TOKEN"),
	}
	if !c.Valid() {
		return lease{}, errors.New("AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set")
	}
	return keep(c), nil
}

// sharedCredentialsSource reads a key pair from the shared credentials file alone.
type sharedCredentialsSource struct{ env Environment }

func (sharedCredentialsSource) name() string { return "SharedCredentialsProvider" }

func (s sharedCredentialsSource) fetch(context.Context) (lease, error) {
	path, name := s.env.credentialsFile(), s.env.profileName()
	text, err := s.env.ReadFile(path)
	if err != nil {
		return lease{}, fmt.Errorf("read shared credentials file: %w", err)
	}
	c := profile(parseINI(text)[name]).staticKeys()
	if !c.Valid() {
		return lease{}, fmt.Errorf("profile %q in %s %w", name, path, errNoKeyPair)
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
	path, name := rotatingFile(), s.profile
	if name == "" {
		name = defaultProfile
	}
	text, err := s.env.ReadFile(path)
	if err != nil {
		return lease{}, fmt.Errorf("read rotating credentials file: %w", err)
	}
	c := profile(parseINI(text)[name]).staticKeys()
	if !c.Valid() {
		return lease{}, fmt.Errorf("profile %q in %s %w", name, path, errNoKeyPair)
	}
	c.Source = s.name()
	c.Expires = time.Now().Add(rotatingLifetime)
	logger.Info("Successfully got instance credentials from the rotating credentials file",
		logger.F("provider", c.Source), logger.F("keyID", MaskKeyID(c.AccessKeyID)))
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
